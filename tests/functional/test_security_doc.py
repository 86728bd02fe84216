#!/usr/bin/python3
"""Each test that docs/security.md names exists."""

import os
import re
import unittest

import harness


class SecurityDocument(unittest.TestCase):
    def test_every_test_that_it_names_exists(self):
        with open(os.path.join(harness.SOURCE, 'docs', 'security.md'), encoding='utf-8') as file:
            named = re.findall(r'`(functional|unit|fuzz|crash)/(\w+)(?:\.(\w+))?`', file.read())
        self.assertGreater(len(named), 40)
        for folder, name, test in named:
            with self.subTest(f'{folder}/{name}.{test}'):
                ending = 'py' if folder == 'functional' else 'c'
                path = os.path.join(harness.SOURCE, 'tests', folder, f'{name}.{ending}')
                with open(path, encoding='utf-8') as file:
                    text = file.read()
                if folder != 'fuzz':
                    self.assertRegex(text, rf'(?:def|static void) {test}\(')


if __name__ == '__main__':
    harness.main()
