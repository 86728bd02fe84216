#!/usr/bin/python3
"""The state tables of a real node's store are damaged, and `baocaod --rebuild` makes them anew."""

import hashlib
import os
import unittest

import harness
from harness import CITY, DISTRICT_A, EXIT_CONFIG, PLAN, client, key_of, month_report, submit
from harness import sum_of, wait_for


def flip(path, found):
    """Turns a bit of each place in a file where these bytes are; how many there are."""
    with open(path, 'r+b') as file:
        data, at, count = file.read(), -1, 0
        while (at := data.find(found, at + 1)) >= 0:
            file.seek(at + 9)
            file.write(bytes([data[at + 9] ^ 1]))
            count += 1
    return count


class Rebuild(harness.NodeCase):
    def pair(self):
        """A city and a district with reports, revisions, acts and a publication between them."""
        name = str(len(self.daemons))
        city = self.node(f'city{name}', CITY)
        a = self.node(f'a{name}', DISTRICT_A, city, start=False)
        harness.furnish(city, (a,))
        a.start()
        harness.furnish(a)
        reviewer = key_of(f'reviewer {a.name}')
        harness.publish(a, 'keys', 'reviewers', client.keys_text(
            [(reviewer.hex, DISTRICT_A, 'reviewer', '2010-01-01', '', '')]))
        for revision in range(1, 6):
            for unit in (11, 12):
                submit(a, unit, month_report(
                    unit, '2022-01', 10 * revision + unit, revision=revision,
                    note='lại' if revision > 1 else ''))
        harness.publish(a, 'units', 'units', harness.UNITS_TEXT + '## again\n')
        with a.session(reviewer) as session:
            session.review(client.review(reviewer, 1, [
                client.act('accept', PLAN, 'thang', '2022-01', 11, 5, 0, ''),
                client.act('extend', PLAN, 'thang', '2022-02', 12, 0,
                           harness.ms_of('2030-01-01T00:00:00+07:00'), 'chờ số liệu')]))
        submit(a, 12, month_report(12, '2022-01', 70, revision=6, note='lại'))
        wait_for(a, lambda session: session.status()['upstream']['pending'] == 0)
        return city, a

    def store(self, daemon):
        return os.path.join(daemon.state, 'baocao.mdb')

    def test_a_store_whose_state_differs_has_none_after_it_and_goes_on(self):
        city, a = self.pair()
        made = client.submission(key_of('ward 13'), harness.next_counter(key_of('ward 13')),
                                 [month_report(13, '2022-01', 9)])
        with a.session(key_of('ward 13')) as session:
            receipt = session.submit(made)[0].receipt.data
        wait_for(a, lambda session: session.status()['upstream']['pending'] == 0)
        figures = harness.figures(a)
        a.stop()
        # Only the record of the obligation has the digest of its last submission.
        self.assertGreater(flip(self.store(a), hashlib.sha256(made.data).digest()), 0)
        a.start()
        self.assertEqual(harness.differences(a), 1)
        a.stop()
        done = a.run('--rebuild')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('rebuilt: the state tables are made anew from', done.stderr)
        a.start()
        self.assertEqual(harness.differences(a), 0)
        self.assertEqual(harness.figures(a), figures)
        with a.session(key_of('ward 13')) as session:
            self.assertEqual(session.submit(made)[0].receipt.data, receipt)
        submit(a, 13, month_report(13, '2022-01', 20, revision=2, note='lại'))
        wait_for(city, lambda _: sum_of(city, '2022-01', CITY) == sum_of(a, '2022-01', DISTRICT_A))

    def test_a_store_in_use_is_left_alone(self):
        city = self.node('busy', CITY)
        done = city.run('--rebuild')
        self.assertEqual(done.returncode, EXIT_CONFIG)
        self.assertIn('another baocaod serves this store', done.stderr)

    def test_it_needs_no_key(self):
        city = self.node('keyless', CITY)
        city.stop()
        del city.settings['key']
        city.write_settings()
        done = city.run('--rebuild')
        self.assertEqual(done.returncode, 0, done.stderr)

    @unittest.skipIf(os.geteuid() != 0, 'only root can make files for another user')
    def test_what_root_makes_belongs_to_whom_the_folder_belongs(self):
        user = 54321
        city = self.node('owned', CITY)
        city.stop()
        os.chown(city.state, user, user)
        for option in ('--rebuild', '--restored'):
            for name in ('lock', 'baocao.mdb-lock'):
                os.unlink(os.path.join(city.state, name))
            done = city.run(option)
            self.assertEqual(done.returncode, 0, done.stderr)
            for name in os.listdir(city.state):
                status = os.lstat(os.path.join(city.state, name))
                self.assertEqual((status.st_uid, status.st_gid), (user, user), (option, name))

    def test_a_damaged_ledger_is_named_and_nothing_is_changed(self):
        _, a = self.pair()
        a.stop()
        a.keep_copy()
        self.assertGreater(flip(os.path.join(a.state, 'baocao.journal'), b'baocao-submission'), 0)
        done = a.run('--rebuild')
        self.assertEqual(done.returncode, EXIT_CONFIG, done.stderr)
        self.assertRegex(done.stderr, 'the ledger is damaged, and nothing was changed: '
                         'batch at [0-9]+: it is no submission; restore a copy')
        a.put_copy_back()
        self.assertEqual(a.run('--rebuild').returncode, 0)
        a.start()
        self.assertEqual(harness.differences(a), 0)


if __name__ == '__main__':
    harness.main()
