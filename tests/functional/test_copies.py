#!/usr/bin/python3
"""A copy of a store is a copy of both its files, of a running node the tables first: what such a copy has, and what others say."""

import os
import shutil
import subprocess
import unittest

import harness
from harness import BAOCAOD, CITY, EXIT_CONFIG, client, key_of, month_report, wait_until

WARD = key_of('ward 11')
MORE_UNITS = harness.UNITS_TEXT + '23,23,Phường 3,ward,20,2010-01-01,\n'


@unittest.skipUnless(shutil.which('mdb_copy'), 'lmdb-utils is not installed')
class Copies(harness.NodeCase):
    def setUp(self):
        self.node_there = self.node(f'a{len(self.daemons)}', CITY)
        harness.furnish(self.node_there)
        self.sent = []
        self.copy = None

    def send(self, count):
        with self.node_there.session(WARD) as session:
            for _ in range(count):
                made = client.submission(WARD, harness.next_counter(WARD), [
                    month_report(11, '2022-01', 1, revision=len(self.sent) + 1, note='sửa')])
                self.sent.append((made, session.submit(made)[0].receipt.data))

    def copy_tables(self):
        subprocess.run(['mdb_copy', '-n', os.path.join(self.node_there.state, 'baocao.mdb'),
                        os.path.join(self.copy.state, 'baocao.mdb')], check=True)

    def copy_journal(self):
        subprocess.run(['cp', os.path.join(self.node_there.state, 'baocao.journal'), self.copy.state], check=True)

    def begin_copy(self):
        name = f'{self.node_there.name}copy'
        self.copy = harness.Daemon(self.folder, name, CITY, self.operator, key=self.node_there.key)
        self.daemons.append(self.copy)

    def assert_receipts(self, sent):
        with self.copy.session(WARD) as session:
            for made, receipt in sent:
                self.assertEqual(session.submit(made)[0].receipt.data, receipt)

    def assert_does_not_start(self, words, *arguments):
        done = subprocess.run([BAOCAOD, '--config', self.copy.settings_path, *arguments], capture_output=True,
                              text=True, check=False, timeout=harness.START_SECONDS)
        self.assertEqual(done.returncode, EXIT_CONFIG, done.stderr)
        self.assertIn(words, done.stderr)

    def test_tables_and_then_the_journal_of_a_running_node_are_whole(self):
        self.send(5)
        self.begin_copy()
        self.copy_tables()
        self.send(5)
        self.copy_journal()
        self.copy.start()
        size = len(self.sent)
        self.assert_receipts(self.sent)
        with self.copy.session() as session:
            self.assertEqual(session.status()['entries'], 4 + size)

    def test_what_lies_behind_another_commit_is_a_gap_and_all_before_it_is_there(self):
        self.send(5)
        self.begin_copy()
        self.copy_tables()
        self.send(3)
        before = list(self.sent)
        harness.publish(self.node_there, 'units', 'units', MORE_UNITS)
        self.send(2)
        self.copy_journal()
        self.assert_does_not_start('nothing whole from entry 13 on')
        self.assertEqual(self.copy.run('--restored').returncode, 0)
        self.copy.start()
        self.assert_receipts(before)
        with self.copy.session() as session:  # and the entry of its new life
            self.assertEqual(session.status()['entries'], 4 + len(before) + 1)

    def test_tables_alone_do_not_start(self):
        self.send(5)
        with self.node_there.session() as session:
            wait_until(lambda: session.status()['reports'] == 1)
        self.begin_copy()
        self.copy_tables()
        for arguments in ((), ('--restored',)):
            self.assert_does_not_start('missing, cut short, or another store', *arguments)
        self.copy_journal()
        self.copy.start()
        self.assert_receipts(self.sent)

    def test_the_journal_of_another_store_is_not_taken(self):
        self.send(5)
        with self.node_there.session() as session:
            wait_until(lambda: session.status()['reports'] == 1)
        self.begin_copy()
        self.copy_tables()
        other = self.node(f'{self.node_there.name}other', CITY, key=self.node_there.key)
        harness.furnish(other)
        shutil.copy(os.path.join(other.state, 'baocao.journal'), self.copy.state)
        self.assert_does_not_start('missing, cut short, or another store')


if __name__ == '__main__':
    harness.main()
