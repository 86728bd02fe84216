#!/usr/bin/python3
"""A node makes old records smaller while nothing else is to be done, and nobody is told anything else than before."""

import os
import shutil
import signal
import subprocess
import time

import harness
from harness import CITY, DISTRICT_A, client, key_of, month_report, wait_for

WARD = key_of('ward 11')
MESSAGES, EACH = 24, 64
CLOCK, DAY_MS = '2022-12-31T08:00:00+07:00', 24 * 3600 * 1000
FREED_KEY = f' {b"freed".hex()}\n'
NOTE = 'Báo cáo tháng: không có thay đổi so với kỳ trước. ' * 4


def fill(daemon):
    """Some 900 KB of submissions: [(made, outcome)]."""
    sent = []
    with daemon.session(WARD) as session:
        for message in range(MESSAGES):
            made = [client.submission(WARD, harness.next_counter(WARD), [
                month_report(11, f'2022-{1 + message % 12:02}', number,
                             revision=message * EACH + number + 1, note=NOTE)])
                    for number in range(EACH)]
            sent += zip(made, session.submit(*made))
    return sent


def signed_bytes(sent):
    return sum(len(made.data) + len(made.signature) for made, _ in sent)


def dump(daemon, table):
    return subprocess.run(['mdb_dump', '-n', '-s', table, os.path.join(daemon.state, 'baocao.mdb')],
                          check=True, capture_output=True, text=True).stdout


class Compress(harness.NodeCase):
    def pair(self, **settings):
        name = str(len(self.daemons))
        city = self.node(f'city{name}', CITY, clock=CLOCK)
        a = self.node(f'a{name}', DISTRICT_A, city, clock=CLOCK, settings=settings)
        harness.furnish(city, (a,))
        harness.furnish(a)
        return city, a

    def assert_kept_for_a_day(self, daemon, sent):
        """What became free in the journal is listed, and still there; it is given back when its day has passed."""
        if shutil.which('mdb_dump'):
            harness.wait_until(lambda: FREED_KEY in dump(daemon, 'local'))
        else:
            time.sleep(2.5)  # it would have been done twice
        with daemon.session() as session:
            self.assertGreater(session.status()['journal_used'], signed_bytes(sent))

        def is_given_back(session):
            session.clock(session.status()['clock'] + DAY_MS)
            status = session.status()
            return status['map_used'] + status['journal_used'] < signed_bytes(sent) / 2

        wait_for(daemon, is_given_back)

    def assert_same(self, daemon, sent):
        """Receipts of the same bytes, one by one and as they were; proofs; the report as it was sent."""
        with daemon.session(WARD) as session:
            for start in range(0, len(sent), EACH):
                part = sent[start:start + EACH]
                for (made, before), after in zip(part, session.submit(*(one for one, _ in part))):
                    self.assertEqual(after.receipt.data, before.receipt.data)
                    after.receipt.verify(daemon.key.public, made)
        with daemon.session() as session:
            row = session.query('report', harness.PLAN, 'thang', '2022-01', 11)[1]
            self.assertIn(NOTE, str(row))

    def test_old_records_become_smaller_and_say_the_same(self):
        city, a = self.pair(compress_days=0)
        sent = fill(a)
        self.assert_kept_for_a_day(a, sent)
        self.assert_same(a, sent)
        a.kill()
        a.start()
        self.assert_same(a, sent)
        self.assertEqual(harness.differences(a), 0)
        harness.submit(a, 12, month_report(12, '2022-03', 5))
        wait_for(a, lambda session: session.status()['upstream']['pending'] == 0)
        self.assertEqual(harness.differences(city), 0)
        self.assertEqual(a.stop(), 0)
        done = subprocess.run([harness.BAOCAOD, '--config', a.settings_path, '--rebuild'],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        a.start()
        self.assert_same(a, sent)

    def test_what_is_young_waits_for_its_days_or_a_reload(self):
        _, a = self.pair()
        sent = fill(a)
        time.sleep(2.5)  # it would have been done twice
        if shutil.which('mdb_dump'):
            self.assertNotIn(FREED_KEY, dump(a, 'local'))
        a.settings['compress_days'] = 0
        a.write_settings()
        a.process.popen.send_signal(signal.SIGHUP)
        self.assert_kept_for_a_day(a, sent)
        self.assert_same(a, sent)


if __name__ == '__main__':
    harness.main()
