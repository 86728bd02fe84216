#!/usr/bin/python3
"""The manual page of baocao is what the table of verbs says."""

import os
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


if __name__ == '__main__':
    harness.main()
