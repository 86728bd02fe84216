#!/usr/bin/python3
"""The demonstrations end with `differences: 0`, also when their processes are killed."""

import os
import subprocess
import sys
import unittest

import harness
from harness import nodes

DEMO = os.path.join(harness.SOURCE, 'tests', 'demo', 'demo.py')
# The data folder beside the source; only a developer's machine has it.
DATA = os.path.join(harness.SOURCE, '..', 'shared', 'data')
SECONDS = 240


class Demo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        harness.need_binaries(nodes.BAOCAOD, nodes.BAOCAO)

    def run_demo(self, *arguments):
        done = subprocess.run([sys.executable, '-B', DEMO, *arguments], text=True,
                              capture_output=True, timeout=SECONDS, check=False,
                              stdin=subprocess.DEVNULL,
                              env={**os.environ, 'BAOCAO_SOURCE': harness.SOURCE,
                                   'BAOCAO_BUILD': nodes.BUILD})
        self.assertEqual((done.returncode, done.stdout.splitlines()[-1:]),
                         (0, ['differences: 0']), done.stdout[-3000:] + done.stderr[-6000:])
        return done

    def test_two_plans_end_without_differences(self):
        done = self.run_demo('--plan', 'q5-2021', '--plan', 'pn-2017')
        self.assertIn('proposed forms', done.stdout)

    def test_two_plans_end_without_differences_when_each_process_is_killed_once(self):
        done = self.run_demo('--plan', 'q5-2021', '--plan', 'q11-2016-2020', '--kill')
        self.assertIn('killed: city quan-5 quan-11', done.stderr)

    def test_a_small_synthetic_file_ends_without_differences(self):
        self.run_demo('--data', os.path.join(harness.HERE, 'data', 'small_synthetic.csv'))

    def test_the_real_files_end_without_differences(self):
        if not os.path.exists(DATA):
            self.skipTest('there is no data folder beside the source')
        for name in ('nhs_ae_monthly_2016_2019.csv', 'opendengue_asia_monthly.csv'):
            with self.subTest(name):
                self.run_demo('--data', os.path.join(DATA, name))


if __name__ == '__main__':
    harness.main()
