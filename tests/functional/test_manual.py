#!/usr/bin/python3
"""The manual page of baocao is what the table of verbs says; its words have a translation."""

import glob
import os
import re
import subprocess
import unittest

import harness


class Manual(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        harness.need_binaries(harness.BAOCAO)

    def say(self, *arguments):
        return subprocess.run([harness.BAOCAO, *arguments], check=True, capture_output=True,
                              text=True, env={**os.environ, 'LC_ALL': 'C.UTF-8'}).stdout

    def test_the_page_in_the_tree_is_the_one_of_the_program(self):
        with open(os.path.join(harness.SOURCE, 'docs', 'man', 'baocao.1.scd'),
                  encoding='utf-8') as file:
            self.assertEqual(file.read(), self.say('help', '--manual'))

    def test_the_completion_can_be_read_by_bash(self):
        subprocess.run(['bash', '-n'], input=self.say('help', '--completion'), check=True,
                       text=True)

    def test_every_word_for_people_is_translated(self):
        marked = re.compile(r'\bN?_\(((?:\s*"(?:[^"\\]|\\.)*")+)\s*\)')
        words = set()
        for path in glob.glob(os.path.join(harness.SOURCE, 'clients', 'c[lo]*', '*.c')):
            with open(path, encoding='utf-8') as file:
                for found in marked.finditer(file.read()):
                    words.add(''.join(re.findall(r'"((?:[^"\\]|\\.)*)"', found.group(1))))
        with open(os.path.join(harness.SOURCE, 'clients', 'cli', 'po', 'vi.po'),
                  encoding='utf-8') as file:
            known = dict(re.findall(r'^msgid "(.+)"\nmsgstr "(.+)"$', file.read(), re.MULTILINE))
        self.assertGreater(len(words), 300)
        self.assertEqual(words - known.keys(), set())
        self.assertEqual(known.keys() - words, set())


if __name__ == '__main__':
    harness.main()
