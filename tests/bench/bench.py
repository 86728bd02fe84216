"""Runs the benchmark: docs/performance.md says what each row is.

    bench.py --build FOLDER [--quick | --tiny] [--tsv] [--peers] [--anyway] [--folder FOLDER] [ROW...]

ROW is the beginning of a row's name: `intake`, `intake spread`, `start`; all if none is given.
"""
import argparse
import contextlib
import os
import resource
import signal
import sys
import tempfile
import time

import catchup
import connections
import intake
import stores
from machine import Failed, Load, Watch, adopt_all, end_all, sync_disk, wait_calm
from nodes import Programs
from results import FLUSH_MAX_MS, SLOWED_MAX, Results

GROUPS = {
    'yardstick': intake.yardsticks,
    'intake': intake.intake,
    'stores': stores.stores,
    'catch-up': catchup.catch_up,
    'connections': connections.connections,
}

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Bench:
    """What is asked for, and the sizes that follow from it."""

    def __init__(self, options, folder):
        self.programs = Programs(options.build, folder)
        self.results = Results(options.tsv, options.anyway or options.tiny)
        self.peers = options.peers
        self.quick, self.tiny = options.quick, options.tiny
        self.rounds = 1 if options.tiny else 3 if options.quick else 5
        self.seconds = 0.1 if options.tiny else 0.2 if options.quick else 1
        self.tries = 1 if options.tiny else 2 if options.quick else 4
        self.flush_tries = 1 if options.tiny else 2 if options.quick else 8
        self.flushes = 20 if options.tiny else 200
        self.rows = [row.split() for row in options.row]

    def wants(self, *words):
        """Is a row whose name begins with these words asked for?"""
        return not self.rows or any(
            all(a == b for a, b in zip(row, words)) for row in self.rows)

    def map_bytes(self, most):
        """Of a node's store, which is reserved on the disk: that much for a run of full length."""
        return 256 << 20 if self.tiny else most // 6 if self.quick else most

    def settle(self):
        """Before anything is measured."""
        sync_disk(self.programs.parent)

    def flush_ms(self):
        """F; where nothing is compared with as much, again a second later, so many times in all."""
        for left in reversed(range(self.flush_tries)):
            self.settle()
            flush = self.programs.json('yardstick', 'flush', self.programs.parent,
                                       self.flushes)['p50_us'] / 1000
            if flush < FLUSH_MAX_MS or self.results.anyway or not left:
                return flush
            time.sleep(1)

    def calmly(self, tries, measure, prepare=lambda: None):
        """What is measured, with the shares of other work and of the time in which the processors were slowed;
        again, so many times in all, where that is too much: what came late then says nothing of a server."""
        for left in reversed(range(tries)):
            prepare()
            self.settle()
            watch = Watch()
            answer = measure()
            answer['share'], answer['slowed'] = watch.shares()
            if answer['slowed'] <= SLOWED_MAX or not left:
                return answer
            wait_calm()

    @contextlib.contextmanager
    def row(self, name):
        """A row that fails says so, and the others go on."""
        try:
            yield
        except (Failed, OSError) as error:
            self.results.fail(name, error)


def end(number, _):
    """Ended from outside, it still ends its servers and removes their folders; once is enough."""
    for one in ENDING:
        signal.signal(one, signal.SIG_IGN)
    sys.exit(128 + number)


def main():
    parser = argparse.ArgumentParser(prog='./dev bench', add_help=True)
    parser.add_argument('row', nargs='*', help='the beginning of a name; all rows if none')
    parser.add_argument('--build', required=True, help=argparse.SUPPRESS)
    parser.add_argument('--quick', action='store_true', help='within two minutes')
    parser.add_argument('--tiny', action='store_true', help='as a test: nothing but that it works')
    parser.add_argument('--tsv', action='store_true',
                        help='row, median, min, max, unit, against, ratio behind tabs')
    parser.add_argument('--peers', action='store_true', help='against other servers too')
    parser.add_argument('--anyway', action='store_true',
                        help='compare on a disk or machine that is busy, too')
    parser.add_argument('--folder', default=os.environ.get('TMPDIR', '/var/tmp'),
                        help='where stores are made, and removed again')
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for number in ENDING:
        signal.signal(number, end)
    adopt_all()
    with tempfile.TemporaryDirectory(prefix='baocao-bench-', dir=options.folder) as folder:
        os.chmod(folder, 0o755)
        bench = Bench(options, folder)
        Watch.pace = Load([bench.programs.path('yardstick'), 'pace'], bench.programs.log)
        before = Watch.ask_pace()
        try:
            for name, group in GROUPS.items():
                with bench.row(name):
                    group(bench)
            bench.results.add('yardstick slowed', 100 * Watch.slowed_since(before), '%')
            bench.results.show('yardstick slowed')
        finally:
            end_all()
    for name, why in bench.results.failed:
        print(f'# {name}: {why}', file=sys.stderr)
    return int(bool(bench.results.failed))


if __name__ == '__main__':
    sys.exit(main())
