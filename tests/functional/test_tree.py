#!/usr/bin/python3
"""The tree of proto/ against the definitions of RFC 6962 (tests/oracle/merkle.py), on trees up to 10,000 entries."""

import os
import random
import subprocess
import sys
import unittest

import harness
from harness import client

sys.path.insert(0, os.path.join(harness.SOURCE, 'tests', 'oracle'))
import merkle  # noqa: E402

NUMBERS = os.path.join(os.environ.get('BAOCAO_BUILD', 'build'), 'tests', 'unit', 'tree_numbers')
NODE = client.Key(b'\x11' * 32)
SEED = int(os.environ.get('BAOCAO_SEED', '6962'))


def trees():
    """
    (size, index, old size, batch size, begin and end of a range of the last batch): small ones, those
    around powers of two, random ones.
    """
    choose = random.Random(SEED)
    sizes = list(range(1, 9)) + [255, 256, 257, 4095, 4096, 4097, 8192, 10000]
    sizes += [choose.randrange(1, 10001) for _ in range(24)]
    made = []
    for size in sizes:
        batch = choose.choice([1, 7, 256, 4096, 10000])
        begin = choose.randrange((size - 1) // batch * batch, size)
        made.append((size, choose.randrange(size), choose.randrange(1, size + 1), batch, begin,
                     choose.randrange(begin + 1, size + 1)))
    return made


class Tree(unittest.TestCase):
    def test_roots_proofs_and_checkpoints_are_those_of_the_definition(self):
        wanted = trees()
        done = subprocess.run([NUMBERS], check=True, capture_output=True, text=True,
                              input=''.join('%d %d %d %d %d %d\n' % tree for tree in wanted))
        lines = done.stdout.split('\n')
        for size, index, old, batch, begin, end in wanted:
            note = '\n'.join(lines[:5]) + '\n'
            inclusion, consistency, of_range, of_last = (
                [bytes.fromhex(one) for one in line.split()] for line in lines[5:9])
            lines = lines[9:]
            entries = [str(number).encode() for number in range(size)]
            root = merkle.root(entries)
            with self.subTest(size=size, index=index, old=old, batch=batch, begin=begin, end=end,
                              seed=SEED):
                self.assertEqual(note, merkle.checkpoint(NODE.sign, NODE.public, size, root,
                                                         size % 2 == 1))
                self.assertEqual(inclusion, merkle.inclusion(index, entries))
                self.assertEqual(consistency, merkle.consistency(old, entries))
                self.assertEqual(of_range, merkle.range_proof(begin, end, entries))
                self.assertEqual(of_last, merkle.inclusion(end - 1, entries))
                paths = client.paths_of_range(
                    begin, [merkle.sha256(b'\0', entry) for entry in entries[begin:end]], size,
                    of_range)
                self.assertEqual(len(paths), end - begin)
                for place in {begin, (begin + end) // 2, end - 1}:
                    self.assertEqual(paths[place - begin], merkle.inclusion(place, entries))
                for bad in ([*of_range, root], of_range[:-1]) if of_range else ([root],):
                    with self.assertRaises(client.ProtocolError):
                        client.paths_of_range(begin, [b''] * (end - begin), size, bad)
                # The third implementation, which only checks, says the same of them.
                checkpoint = client.Checkpoint(note).verify(NODE.public)
                self.assertTrue(client.inclusion_holds(
                    merkle.sha256(b'\0', entries[index]), index, size, inclusion,
                    checkpoint.root))
                self.assertTrue(client.consistency_holds(
                    old, merkle.root(entries[:old]), size, checkpoint.root, consistency))
        self.assertEqual(lines, [''])


if __name__ == '__main__':
    harness.main()
