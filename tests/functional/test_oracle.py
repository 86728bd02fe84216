"""Random operations at two real nodes, held against the independent model in tests/oracle."""

import os
import sys
import unittest

import harness

sys.path.insert(0, os.path.join(harness.HERE, '..', 'oracle'))
import run  # noqa: E402

OPERATIONS = int(os.environ.get('BAOCAO_ORACLE_OPERATIONS', '10000'))
SEEDS = int(os.environ.get('BAOCAO_ORACLE_SEEDS', '3'))


class Oracle(unittest.TestCase):
    def test_the_nodes_and_the_model_agree_after_random_operations(self):
        harness.need_binaries(harness.BAOCAOD)
        for seed in range(1, SEEDS + 1):
            with self.subTest(seed=seed):
                words = run.run_seed(seed, OPERATIONS)
                if words:
                    self.fail(words)


if __name__ == '__main__':
    harness.main()
