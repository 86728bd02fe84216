#!/usr/bin/python3
"""What a node signed can be proved against what it has: receipts, checkpoints, rewritten history."""

import glob
import hashlib
import json
import os
import random

import harness
import test_cli
from harness import CITY, client, key_of

import sys
sys.path.insert(0, os.path.join(harness.SOURCE, 'tests', 'oracle'))
import merkle  # noqa: E402

DONE, FAILED, USAGE, ABSENT, QUEUED = 0, 1, 2, 5, 75


class Proofs(test_cli.ToolCase):
    def test_a_receipt_is_proved_to_be_in_the_tree_of_now(self):
        self.ward('report', 'send', self.form(self.ward, 'a', '2022-01', 'lop=1'))
        self.ward('report', 'send', self.form(self.ward, 'b', '2022-02', 'lop=2'))
        paths = glob.glob(os.path.join(self.ward.home, 'sent', 'city', '*.receipt'))
        rows = json.loads(self.ward('--json', 'receipt', 'prove', *paths))['proofs']
        self.assertEqual([row['proven'] for row in rows], ['yes'] * len(paths))
        with self.city.session() as session:
            self.assertEqual({row['size'] for row in rows}, {session.status()['seq']})

    def test_the_checkpoint_is_printed_as_it_was_signed(self):
        text = self.office('node', 'checkpoint')
        with self.city.session() as session:
            checkpoint = session.checkpoint()
            self.assertEqual(session.status()['seq'], checkpoint.size)
        self.assertEqual(text, checkpoint.note)
        self.assertTrue(checkpoint.synthetic)

    def test_without_a_parent_no_checkpoint_is_cosigned(self):
        done = self.office.run('node', 'checkpoint', '--cosigned')
        self.assertEqual((done.returncode, done.stdout), (ABSENT, ''))

    def test_the_half_page_says_what_was_received_and_what_was_verified(self):
        self.ward('report', 'send', self.form(self.ward, 'c', '2022-03', 'lop=3'))
        path = max(glob.glob(os.path.join(self.ward.home, 'sent', 'city', '*.receipt')),
                   key=os.path.getmtime)
        text = self.ward('receipt', 'verify', path, '--node-key', self.city.key.hex)
        for words in (self.city.key.hex, '2022-03', 'accepted', key_of('ward 11').hex, 'verified:'):
            self.assertIn(words, text)
        self.assertLess(len(text.splitlines()), 25)


class Witnesses(test_cli.ToolCase):
    def test_a_cosignature_is_held_against_the_parents_key(self):
        a = self.node('a', harness.DISTRICT_A, self.city, start=False,
                      clock='2022-06-01T08:00:00+07:00')
        harness.publish(self.city, 'keys', 'children', client.keys_text(
            [(a.key.hex, harness.DISTRICT_A, 'node', '2010-01-01', '', '')]))
        a.start()

        def is_witnessed(session):
            status = session.status()
            return status['upstream']['witnessed'] == status['seq']

        harness.wait_for(a, is_witnessed)
        tool = self.home('chief', 'operator')
        tool('context', 'add', 'a', '--endpoint', a.endpoint, '--node-key', a.key.hex,
             '--key', 'operator')
        asked = ('node', 'checkpoint', '--cosigned')
        with self.subTest('no key is known: it is printed and said to be unchecked'):
            done = tool.run(*asked)
            self.assertEqual(done.returncode, DONE, done.stderr)
            self.assertIn('NOT CHECKED', done.stderr)
            note = done.stdout
        with self.subTest('the parent\'s key is given'):
            done = tool.run(*asked, '--witness-key', self.city.key.hex)
            self.assertEqual((done.returncode, done.stdout), (DONE, note), done.stderr)
            self.assertIn('has cosigned 1 entries', done.stderr)
            self.assertNotIn('NOT CHECKED', done.stderr)
        for name, key in (('another', key_of('nobody')), ('the node\'s own', a.key)):
            with self.subTest(f'{name} is given'):
                done = tool.run(*asked, '--witness-key', key.hex)
                self.assertEqual((done.returncode, done.stdout), (FAILED, ''))
        with self.subTest('a context has it'):
            tool('context', 'add', 'city', *self.at_city('operator'))
            done = tool.run(*asked)
            self.assertEqual((done.returncode, done.stdout), (DONE, note))
            self.assertIn('has cosigned 1 entries', done.stderr)


class Trees(harness.NodeCase):
    def test_a_running_node_proves_every_entry_and_every_older_tree(self):
        node = self.node('tree', CITY, clock='2022-06-01T08:00:00+07:00')
        harness.furnish(node)
        key = key_of('ward 11')
        receipts = []
        with node.session(key) as session:
            first = session.status()['seq'] + 1
            for number in range(1, 40):
                made = client.submission(key, number, [client.report(
                    harness.PLAN, 'thang', '2022-05', 11, {'lop': number}, number,
                    note='sửa' if number > 1 else '')])
                outcome, = session.submit(made)
                receipts.append(outcome.receipt.verify(node.key.public, made))
            size = session.status()['seq']
            self.assertEqual(len(receipts), size - first + 1)
            checks = 0
            for one in receipts:
                path = session.prove(one.seq, size)
                checks += client.inclusion_holds(
                    hashlib.sha256(b'\0' + one.statement_data).digest(), one.seq - 1, size, path,
                    receipts[-1].checkpoint.root)
                old = one.checkpoint
                if old.size < size:
                    path = session.consistency(old.size, size)
                    self.assertTrue(client.consistency_holds(
                        old.size, old.root, size, receipts[-1].checkpoint.root, path))
            self.assertEqual(checks, len(receipts))
            for body in ((size + 1, 0), (1, size + 1), (3, 2)):
                with self.assertRaises(client.Refused) as caught:
                    session.prove(*body)
                self.assertEqual(caught.exception.code, 'not-found')

    def test_the_client_agrees_with_the_definition_on_random_trees(self):
        choose = random.Random(6962)
        for size in [1, 2, 3, 7, 8, 255, 256, 257] + [choose.randrange(1, 400) for _ in range(12)]:
            entries = [choose.randbytes(choose.randrange(40)) for _ in range(size)]
            root = merkle.root(entries)
            index = choose.randrange(size)
            leaf = hashlib.sha256(b'\0' + entries[index]).digest()
            path = merkle.inclusion(index, entries)
            self.assertTrue(client.inclusion_holds(leaf, index, size, path, root))
            self.assertFalse(client.inclusion_holds(leaf, index + 1, size, path, root))
            old = choose.randrange(1, size + 1)
            path = merkle.consistency(old, entries)
            before = merkle.root(entries[:old])
            self.assertTrue(client.consistency_holds(old, before, size, root, path))
            self.assertFalse(client.consistency_holds(old, b'x' * 32, size, root, path))


class Rewritten(test_cli.ToolCase):
    def test_a_ledger_that_lost_entries_is_caught_by_a_receipt_and_by_a_kept_checkpoint(self):
        self.city.stop()
        self.city.keep_copy()
        self.city.start()
        self.ward('report', 'send', self.form(self.ward, 'a', '2022-01', 'lop=1'))
        self.ward('node', 'checkpoint')
        receipt, = glob.glob(os.path.join(self.ward.home, 'sent', 'city', '*.receipt'))
        self.city.stop()
        self.city.put_copy_back()
        self.city.start()
        done = self.ward.run('node', 'checkpoint')
        self.assertEqual(done.returncode, FAILED)
        self.assertIn('HISTORY REWRITTEN', done.stderr)
        done = self.ward.run('receipt', 'prove', receipt)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn('is not in the node', done.stderr)
        self.assertIn('\tno\n', done.stdout)
        # Written over, so that the tree is as large again: the root is another.
        other = self.home('other', 'ward 12')
        other('context', 'add', 'city', *self.at_city('ward-12'), '--unit', 12)
        for period in ('2022-01', '2022-02'):
            other('report', 'send', self.form(other, period, period, 'lop=2'))
        done = self.ward.run('node', 'checkpoint')
        self.assertEqual((done.returncode, 'HISTORY REWRITTEN' in done.stderr), (FAILED, True))
        kept = glob.glob(os.path.join(self.ward.home, 'checkpoints', '*.note'))
        self.assertEqual(len(kept), 2)
        for path in kept:
            with open(path, encoding='utf-8') as file:
                client.Checkpoint(file.read()).verify(self.city.key.public)


class Restored(test_cli.ToolCase):
    def test_what_a_restored_node_does_not_have_is_sent_again(self):
        self.city.stop()
        self.city.keep_copy()
        self.city.start()
        self.ward('report', 'send', self.form(self.ward, 'a', '2022-01', 'lop=1'))
        first, = glob.glob(os.path.join(self.ward.home, 'sent', 'city', '*.receipt'))
        counter = os.path.basename(first).split('.')[0]
        with open(first, 'rb') as file:
            receipt = file.read()
        self.city.stop()
        self.city.put_copy_back()
        self.assertEqual(self.city.run('--restored').returncode, 0)
        self.city.start()
        done = self.ward.run('receipt', 'prove', counter)
        self.assertEqual((done.returncode, '--again' in done.stderr), (FAILED, True))
        done = self.ward.run('receipt', 'prove', first, '--again')
        self.assertEqual(done.returncode, USAGE)
        self.assertIn('is not the counter of a report', done.stderr)
        done = self.ward.run('receipt', 'prove', counter, '--again')
        self.assertEqual((done.returncode, 'in the outbox again' in done.stderr), (FAILED, True))
        self.assertEqual(os.listdir(os.path.join(self.ward.home, 'sent', 'city')),
                         [f'{counter}.receipt-1'])
        done = self.ward.run('receipt', 'prove', counter, '--again')
        self.assertEqual((done.returncode, 'in the outbox already' in done.stderr), (QUEUED, True))
        self.assertIn('received', self.ward('report', 'status'))
        self.assertIn('\tyes\n', self.ward('receipt', 'prove', counter, '--again'))
        with open(f'{first}-1', 'rb') as file:
            self.assertEqual(file.read(), receipt)
        with self.city.session() as session:
            self.assertEqual(session.report(harness.PLAN, 'thang', '2022-01', 11)['revision'], 1)
        self.assertEqual(self.ward.run('receipt', 'prove', first, '--again').returncode, DONE)


if __name__ == '__main__':
    harness.main()
