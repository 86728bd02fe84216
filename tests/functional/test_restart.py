#!/usr/bin/python3
"""Nodes, parents and clients end in the middle of their work, and nothing is lost or doubled."""

import os
import resource
import shutil
import signal
import subprocess
import threading
import time
import unittest.mock

import harness
import nodes
from harness import CITY, DISTRICT_A, DISTRICT_B, PLAN, client, key_of, month_report, submit
from harness import row_of, sum_of, wait_for

SHIM = os.path.join(nodes.BUILD, 'tests', 'functional', 'libshim.so')
MONTHS = [f'{year}-{month:02}' for year in (2022, 2023) for month in range(1, 13)]


def settled(session):
    return session.status()['upstream']['pending'] == 0


class Loader(threading.Thread):
    """A ward that sends reports until it is told to stop; a dead node is only waited for."""

    def __init__(self, daemon, unit):
        super().__init__(daemon=True)
        self.node = daemon
        self.unit = unit
        self.key = key_of(f'ward {unit}')
        self.ended = threading.Event()
        self.enough = threading.Event()
        self.receipted = {}
        self.failure = None

    def run(self):
        try:
            with self.node.session(self.key, timeout=1.0) as session:
                revision = {}
                for number in range(100_000):
                    if self.ended.is_set():
                        return
                    period = MONTHS[number % len(MONTHS)]
                    revision[period] = revision.get(period, 0) + 1
                    self.send(session, client.submission(
                        self.key, harness.next_counter(self.key), [month_report(
                            self.unit, period, number % 1000, revision=revision[period],
                            note='lại' if revision[period] > 1 else '')]))
                    if number % 20 == 19:
                        self.enough.set()
        except Exception as error:
            self.failure = error
            self.enough.set()

    def send(self, session, made):
        """Repeats until there is a receipt or the end."""
        for attempts in range(1000):
            if self.ended.is_set() and attempts:
                return
            try:
                outcome, = session.submit(made, attempts=attempts)
            except client.Timeout:
                continue
            if outcome.receipt is None:
                raise AssertionError(outcome.problems)
            outcome.receipt.verify(self.node.key.public, made)
            self.receipted[made] = outcome.receipt
            return

    def end(self):
        self.ended.set()
        self.join(harness.STOP_SECONDS)
        if self.failure is not None:
            raise self.failure


class Restart(harness.NodeCase):
    def tree(self):
        """A city and two districts of their own for each test."""
        name = str(len(self.daemons))
        city = self.node(f'city{name}', CITY)
        a = self.node(f'a{name}', DISTRICT_A, city, start=False)
        b = self.node(f'b{name}', DISTRICT_B, city, start=False)
        harness.furnish(city, (a, b))
        for district in (a, b):
            district.start()
            harness.furnish(district)
        return city, a, b

    def assert_receipts_hold(self, loader):
        """Every receipted submission is there once: the same bytes get the same receipt."""
        self.assertGreater(len(loader.receipted), 0)
        with loader.node.session(loader.key) as session:
            made = list(loader.receipted)
            for start in range(0, len(made), 64):
                part = made[start:start + 64]
                for one, outcome in zip(part, session.submit(*part)):
                    self.assertIsNotNone(outcome.receipt, outcome.problems)
                    self.assertEqual(outcome.receipt.data, loader.receipted[one].data)

    def assert_consistent(self, *daemons):
        for daemon in daemons:
            self.assertEqual(harness.differences(daemon), 0, daemon.name)

    def assert_same_sums(self, city, district):
        with city.session() as above, district.session() as below:
            rows = {(row.form, row.period, row.unit): row for row in above.figures(PLAN)}
            for row in below.figures(PLAN):
                if row.unit != CITY:
                    self.assertEqual(rows[row.form, row.period, row.unit].sums, row.sums)

    def killed_under_load(self, victim_of):
        city, a, b = self.tree()
        loader = Loader(a, 11)
        loader.start()
        try:
            for _ in range(2):
                self.assertTrue(loader.enough.wait(harness.FLOW_SECONDS))
                loader.enough.clear()
                victim = victim_of(city, a)
                victim.kill()
                victim.start()
        finally:
            loader.end()
        self.assert_receipts_hold(loader)
        wait_for(a, settled)
        self.assert_same_sums(city, a)
        self.assert_consistent(city, a, b)

    def test_a_clock_that_was_set_back_is_told(self):
        """Until it is there again the ledger has the instant of the last commit."""
        harness.need_binaries(SHIM)
        daemon = self.node('ahead', CITY, start=False)
        with unittest.mock.patch.dict(os.environ, {
                'LD_PRELOAD': SHIM, 'SHIM_CLOCK': str(24 * 3600),
                'ASAN_OPTIONS': 'verify_asan_link_order=0:detect_leaks=0'}):
            daemon.start()
        harness.furnish(daemon)
        self.assertNotIn('clock-behind', daemon.log())
        daemon.restart()
        harness.wait_until(lambda: 'warning clock-behind: the clock says ' in daemon.log())
        with daemon.session() as session:
            self.assertGreater(session.status()['clock'], (time.time() + 23 * 3600) * 1000)
        time.sleep(2.5)
        self.assertEqual(daemon.log().count('clock-behind'), 1)

    def test_a_node_killed_under_load_keeps_every_receipted_report(self):
        self.killed_under_load(lambda city, a: a)

    def test_a_parent_killed_under_load_ends_with_the_same_figures(self):
        self.killed_under_load(lambda city, a: city)

    def test_a_node_stopped_under_load_ends_cleanly_and_keeps_every_receipted_report(self):
        _, a, _ = self.tree()
        loaders = [Loader(a, unit) for unit in (11, 12, 13)]
        for loader in loaders:
            loader.start()
        for loader in loaders:
            self.assertTrue(loader.enough.wait(harness.FLOW_SECONDS))
        self.assertEqual(a.stop(), 0)
        a.start()
        for loader in loaders:
            loader.end()
            self.assert_receipts_hold(loader)
        self.assert_consistent(a)

    def test_a_parent_that_was_down_for_a_while_gets_everything(self):
        city, a, b = self.tree()
        city.stop()
        for month in MONTHS[:6]:
            submit(a, 11, month_report(11, month, 2))
            submit(b, 21, month_report(21, month, 3))
        city.start()
        wait_for(a, settled)
        wait_for(b, settled)
        self.assertEqual([sum_of(city, month, CITY)[0] for month in MONTHS[:6]], [5] * 6)
        self.assert_consistent(city, a, b)

    def test_a_child_that_was_down_goes_on_where_it_was(self):
        city, a, b = self.tree()
        submit(a, 11, month_report(11, '2022-01', 1))
        wait_for(a, settled)
        a.kill()
        a.start()
        submit(a, 12, month_report(12, '2022-01', 1))
        wait_for(a, settled)
        self.assertEqual(sum_of(city, '2022-01', CITY)[0], 2)
        self.assert_consistent(city, a, b)

    def test_both_sides_killed_at_once_end_with_the_same_figures(self):
        city, a, b = self.tree()
        for month in MONTHS[:4]:
            submit(a, 13, month_report(13, month, 4))
        a.kill()
        city.kill()
        a.start()
        city.start()
        wait_for(a, settled)
        self.assert_same_sums(city, a)
        self.assert_consistent(city, a, b)

    def test_a_parent_that_lost_its_store_gets_everything_again(self):
        city, a, b = self.tree()
        submit(a, 11, month_report(11, '2022-02', 7))
        wait_for(a, settled)
        city.stop()
        for name in os.listdir(city.state):
            os.unlink(f'{city.state}/{name}')
        city.init()
        city.start()
        harness.furnish(city, (a, b))
        wait_for(city, lambda session: row_of(session.figures(PLAN), 'thang', '2022-02',
                                              11).received == 1)
        self.assert_consistent(city, a, b)

    def test_a_parent_that_lost_its_store_misses_nothing_when_a_new_report_comes_at_once(self):
        city, a, b = self.tree()
        submit(a, 11, month_report(11, '2022-02', 7))
        wait_for(a, settled)
        city.stop()
        for name in os.listdir(city.state):
            os.unlink(f'{city.state}/{name}')
        submit(a, 12, month_report(12, '2022-02', 5))
        city.init()
        city.start()
        harness.furnish(city, (a, b))
        wait_for(city, lambda session: row_of(session.figures(PLAN), 'thang', '2022-02',
                                              CITY).received == 2)
        self.assertEqual(sum_of(city, '2022-02', CITY)[0], 12)

    def test_a_plan_that_the_parent_lacks_holds_up_nothing_else_and_follows_when_it_has_it(self):
        city, a, b = self.tree()
        other = harness.PLAN_TEXT.replace(PLAN, 'kt-other')
        harness.publish(a, 'plan', 'kt-other', other)
        waiting = month_report(11, '2022-05', 4)
        waiting[0] = 'kt-other'
        submit(a, 11, waiting)
        submit(a, 12, month_report(12, '2022-05', 5))
        wait_for(a, settled)
        self.assertEqual(sum_of(city, '2022-05', CITY)[0], 5)
        with a.session() as session:
            self.assertIn('unknown-plan', session.status()['upstream']['detail'])
        harness.publish(city, 'plan', 'kt-other', other)
        wait_for(city, lambda session: row_of(session.figures('kt-other'), 'thang', '2022-05',
                                              CITY).received == 1)
        self.assertEqual(sum_of(city, '2022-05', CITY)[0], 5)
        self.assert_consistent(city, a, b)

    def test_a_unit_that_has_ended_at_the_parent_holds_up_nothing_else(self):
        city, a, b = self.tree()
        rows = [row + '2022-01-01' if row.startswith('13,') else row
                for row in harness.UNITS_TEXT.split('\n')]
        harness.publish(city, 'units', 'units', '\n'.join(rows))
        submit(a, 13, month_report(13, '2022-06', 4))
        submit(a, 12, month_report(12, '2022-06', 5))
        wait_for(a, settled)
        self.assertEqual(sum_of(city, '2022-06', CITY)[0], 5)
        harness.publish(city, 'units', 'units', harness.UNITS_TEXT + '## again\n')
        wait_for(city, lambda session: row_of(session.figures(PLAN), 'thang', '2022-06',
                                              CITY).received == 2)
        self.assert_consistent(city, a, b)

    def test_a_node_restored_from_an_older_copy_begins_a_new_life_that_its_parent_takes(self):
        city, a, b = self.tree()
        submit(a, 11, month_report(11, '2022-02', 7))
        wait_for(a, settled)
        a.stop()
        a.keep_copy()
        a.start()
        submit(a, 12, month_report(12, '2022-02', 5))
        submit(a, 13, month_report(13, '2022-02', 9))
        wait_for(a, settled)
        a.stop()
        a.put_copy_back()
        a.start()
        wait_for(a, lambda session: 'ahead' in session.status()['upstream']['detail'])
        a.stop()
        self.assertEqual(a.run('--restored').returncode, 0)
        a.start()
        # 12 sends what it had a receipt for, with another figure; 13 has not come again yet.
        submit(a, 12, month_report(12, '2022-02', 6))
        wait_for(a, settled)
        self.assertEqual(sum_of(a, '2022-02', DISTRICT_A)[0], 13)
        self.assertEqual(sum_of(city, '2022-02', DISTRICT_A)[0], 22)
        submit(a, 13, month_report(13, '2022-02', 8))
        wait_for(a, settled)
        self.assert_same_sums(city, a)
        self.assert_consistent(city, a, b)

    def copy(self, daemon, name):
        """Puts what a file of the store is now in its place later."""
        path = os.path.join(daemon.state, name)
        shutil.copyfile(path, f'{path}.copy')
        return lambda: os.replace(f'{path}.copy', path)

    def assert_same_receipts(self, daemon, *sent):
        for made, outcome in sent:
            with daemon.session(key_of('ward 11')) as session:
                again, = session.submit(made)
            self.assertEqual(again.receipt.data, outcome.receipt.data)

    def assert_refused(self, daemon, words, *options):
        done = daemon.run(*options)
        self.assertEqual(done.returncode, harness.EXIT_CONFIG, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_the_tables_alone_do_not_start_and_a_copy_of_both_files_does(self):
        node = self.node('both', CITY)
        harness.furnish(node)
        sent = [submit(node, 11, month_report(11, month, 2)) for month in MONTHS[:3]]
        node.stop()
        back = self.copy(node, 'baocao.mdb'), self.copy(node, 'baocao.journal')
        for name in ('baocao.mdb', 'baocao.journal', 'baocao.mdb-lock', 'lock'):
            os.unlink(os.path.join(node.state, name))
        back[0]()
        remedy = "the store's journal (baocao.journal)", 'restore a copy'
        self.assert_refused(node, (*remedy, 'put it back'))
        self.assert_refused(node, (*remedy, 'put it back'), '--restored')
        self.assert_refused(node, remedy, '--rebuild')
        back[1]()
        node.start()
        self.assert_same_receipts(node, *sent)
        self.assert_consistent(node)

    def test_an_older_copy_of_the_tables_has_all_that_the_journal_has_behind_it(self):
        node = self.node('older', CITY)
        harness.furnish(node)
        sent = [submit(node, 11, month_report(11, MONTHS[0], 2))]
        node.stop()
        back = self.copy(node, 'baocao.mdb')
        node.start()
        sent += [submit(node, 11, month_report(11, month, 3)) for month in MONTHS[1:5]]
        self.assert_consistent(node)  # the tables know the places
        sent.append(submit(node, 11, month_report(11, MONTHS[5], 4)))
        node.kill()
        back()
        node.start()
        self.assert_same_receipts(node, *sent)
        self.assertEqual(sum_of(node, MONTHS[5], CITY)[0], 4)
        self.assert_consistent(node)
        node.kill()
        self.assertEqual(node.run('--rebuild').returncode, 0)
        node.start()
        self.assert_same_receipts(node, *sent)

    def test_one_that_lacks_what_was_committed_between_says_so_and_goes_on_when_it_is_restored(self):
        node = self.node('between', CITY)
        harness.furnish(node)
        sent = [submit(node, 11, month_report(11, MONTHS[0], 2))]
        node.stop()
        back = self.copy(node, 'baocao.mdb')
        node.start()
        sent.append(submit(node, 11, month_report(11, MONTHS[1], 3)))
        harness.publish(node, 'units', 'units', harness.UNITS_TEXT + '## again\n')
        for month in MONTHS[2:6]:
            submit(node, 11, month_report(11, month, 4))
        node.kill()
        back()
        self.assert_refused(node, ('nothing whole from entry 7 on', '--restored'))
        self.assertEqual(node.run('--restored').returncode, 0)
        for month in MONTHS[6:10]:
            node.start()
            sent.append(submit(node, 11, month_report(11, month, 5)))
            self.assert_same_receipts(node, *sent)
            node.kill()
        node.start()
        self.assertEqual(sum_of(node, MONTHS[2], CITY)[0], 0)
        with node.session() as session:  # six, the new life, four
            self.assertEqual(session.status()['entries'], 11)
        self.assert_consistent(node)

    def test_a_parent_witnesses_its_children_and_tells_of_a_store_that_lost_entries(self):
        city, a, _ = self.tree()

        def witnessed(session):
            status = session.status()
            return status['upstream']['witnessed'] == status['seq']

        def refused(session):
            return 'rewritten' in session.status()['upstream']['witness']

        wait_for(a, witnessed)
        with a.session() as session:
            cosigned = session.cosigned()
            self.assertEqual(cosigned.note.split('\n\n')[0],
                             session.checkpoint().note.split('\n\n')[0])
            client.cosigned_at(cosigned, city.key.public)
        a.stop()
        a.keep_copy()
        a.start()
        submit(a, 12, month_report(12, '2022-07', 5))
        wait_for(a, witnessed)
        a.stop()
        a.put_copy_back()
        a.start()
        wait_for(a, refused)
        with city.session() as session:
            self.assertGreaterEqual(session.status()['refusals']['rewritten'], 1)
        self.assertIn('does not go on from', city.log())
        self.assertIn('does not cosign the checkpoint', a.log())
        a.stop()
        self.assertEqual(a.run('--restored').returncode, 0)
        a.start()
        wait_for(a, witnessed)
        with a.session() as session:
            self.assertGreater(session.cosigned().life, 0)
            self.assertEqual(session.verify()['differences'], 0)

    def test_a_frozen_parent_is_waited_for(self):
        city, a, b = self.tree()
        city.process.popen.send_signal(signal.SIGSTOP)
        try:
            _, outcome = submit(a, 11, month_report(11, '2022-03', 8))
            self.assertIsNotNone(outcome.receipt)
        finally:
            city.process.popen.send_signal(signal.SIGCONT)
        wait_for(a, settled)
        self.assertEqual(sum_of(city, '2022-03', CITY)[0], 8)

    def test_a_client_that_dies_before_its_receipt_gets_it_with_the_next_try(self):
        _, a, _ = self.tree()
        key = key_of('ward 12')
        made = client.submission(key, harness.next_counter(key),
                                 [month_report(12, '2022-04', 6)])
        with a.session(key) as session:
            session.send('submit', [[made.data, made.signature, 0]])
            # Only so that the bytes leave this process; the answer is never read.
            session.socket.poll(harness.ANSWER_SECONDS * 1000)
        with a.session(key) as session:
            outcome, = session.submit(made, attempts=1)
            self.assertIsNotNone(outcome.receipt.verify(a.key.public, made))
            self.assertEqual(session.report(PLAN, 'thang', '2022-04', 12)['values'], {'lop': 6})

    def test_a_node_takes_all_descriptors_that_it_may_and_says_when_they_are_few(self):
        _, a, _ = self.tree()
        a.stop()
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            # What this process has open, and room to start another one.
            few = len(os.listdir('/proc/self/fd')) + 32
            resource.setrlimit(resource.RLIMIT_NOFILE, (few, before[1]))
            a.start()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        pid = a.process.popen.pid
        self.assertEqual(resource.prlimit(pid, resource.RLIMIT_NOFILE), (before[1], before[1]))
        self.assertNotIn('descriptors are allowed', a.log())
        a.stop()
        # The hard limit of a child cannot be put back: one that is only the node's.
        process = subprocess.Popen(
            ['prlimit', '--nofile=64:64', nodes.BAOCAOD, '--config', a.settings_path],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        with process:
            lines = (line for line in process.stdout if '64 descriptors are allowed' in line)
            self.assertIsNotNone(next(lines, None))
            process.terminate()

    def test_a_second_daemon_on_the_same_store_does_not_start(self):
        _, a, _ = self.tree()
        done = a.run()
        self.assertNotEqual(done.returncode, 0)
        self.assert_consistent(a)


if __name__ == '__main__':
    harness.main()
