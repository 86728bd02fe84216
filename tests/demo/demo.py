#!/usr/bin/python3
"""Runs a tree of real nodes, sends reports from ward to city, and checks every figure.

    demo.py                 five plans, a city and four districts, synthetic reports of a year
    demo.py --data FILE     the figures of a file, one node for each inner unit
    demo.py --keep          leaves the nodes and the page running until Ctrl-C
    demo.py --kill          ends every process once with kill -9 in the middle

The last line is `differences: N`; the exit status is 0 only where N is 0.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from city import CityDemo  # noqa: E402
from file import FileDemo  # noqa: E402
from tree import DemoError, nodes  # noqa: E402

SEED = 20220605


def keep(demo, differences):
    """Says what was compared, shows where the page is and waits for Ctrl-C."""
    demo.progress.line(f'compared, differences: {differences}')
    page = demo.serve_page()
    demo.progress.line(f'the page: {page}' if page else 'the page: baocao-web is not built')
    demo.progress.line(f'the nodes keep running, in {demo.folder}; Ctrl-C ends them')
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass


def run(demo, arguments):
    """The number of differences."""
    started = time.monotonic()
    demo.set_up()
    demo.send_all()
    demo.settle()
    demo.progress.say('comparing')
    demo.progress.close()
    differences = demo.check(sys.stdout)
    sys.stdout.flush()
    demo.report_kills()
    if arguments.keep:
        keep(demo, differences)
        demo.stop_page()
    demo.progress.line(f'stopping; {time.monotonic() - started:.1f} s so far')
    demo.tree.stop()
    return differences


def main():
    parser = argparse.ArgumentParser(description='A tree of real nodes, checked to the figure.')
    parser.add_argument('--data', metavar='FILE', help='send the figures of this file')
    parser.add_argument('--keep', action='store_true', help='keep running, with the page')
    parser.add_argument('--kill', action='store_true',
                        help='end every process once with kill -9 in the middle')
    parser.add_argument('--plan', action='append', default=[], metavar='CODE',
                        help='only this plan; may be given again')
    parser.add_argument('--seed', type=int, default=SEED, help='of the synthetic values')
    arguments = parser.parse_args()
    if arguments.data and (arguments.kill or arguments.plan):
        parser.error('--kill and --plan are for the five plans, not for --data')
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = tempfile.mkdtemp(prefix='baocao-demo-')
    demo = None
    try:
        for path in (nodes.BAOCAOD, nodes.BAOCAO):
            if not os.access(path, os.X_OK):
                raise DemoError(f'{path} is not built')
        if arguments.data:
            demo = FileDemo(arguments.data, folder)
        else:
            demo = CityDemo(nodes.SOURCE, folder, arguments.seed, arguments.plan,
                            arguments.kill)
        what = 'clocks' if arguments.data else 'clocks and figures'
        print(f'the {what} are made up (synthetic)', file=sys.stderr, flush=True)
        differences = run(demo, arguments)
    except (DemoError, OSError) as error:
        print(f'demo: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if demo is not None and demo.tree is not None:
            demo.stop_page()
            demo.tree.close()
        shutil.rmtree(folder, ignore_errors=True)
    print(f'differences: {differences}')
    return 0 if differences == 0 else 1


if __name__ == '__main__':
    sys.exit(main())
