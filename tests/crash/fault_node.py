#!/usr/bin/python3
"""
The second half of `./dev crash fault`: a real node whose Nth write, flush or open of its store or its
journal fails, once or for good. It may refuse and it may end with 74 or 78, not by a signal; what had its receipt is
there when it is started again on a disk that works.
"""

import argparse
import errno
import os
import shutil
import signal
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'functional'))
import harness  # noqa: E402
from harness import CITY, EXIT_CONFIG, EXIT_IO, client, key_of, month_report  # noqa: E402

SHIM = os.path.join(harness.nodes.BUILD, 'tests', 'crash', 'libcrash_shim.so')
WARD = key_of('ward 11')
PATIENCE = 30
POINTS = {'write': 24, 'sync': 12, 'open': 7}  # as many as starting and five reports need


class Bad(Exception):
    """A promise that was not kept."""


def load(daemon, receipted, revision):
    """Five reports; the words that the node refused with, if it did."""
    words = ''
    with daemon.session(WARD, timeout=0.2) as session:
        for _ in range(5):
            revision += 1
            made = client.submission(WARD, harness.next_counter(WARD), [month_report(
                11, '2022-01', revision, revision=revision, note='lại' if revision > 1 else '')])
            for attempts in range(PATIENCE * 5):
                try:
                    outcome, = session.submit(made, attempts=attempts)
                except client.Timeout:
                    if not daemon.alive():
                        return words, revision
                    continue
                except client.Refused as refused:
                    words = f'{refused.code}: {refused.detail}'
                    break
                if outcome.receipt is None:
                    raise Bad(f'a report was judged {outcome.problems}')
                receipted.append((made, outcome.receipt.data))
                break
    return words, revision


def start_with(daemon, fault):
    """Under the shim; False where the node did not become ready."""
    os.environ.update(LD_PRELOAD=SHIM, CRASH_FOLDER=daemon.state, CRASH_FAIL=fault)
    try:
        daemon.start()
        return True
    except RuntimeError:
        return False
    finally:
        for name in ('LD_PRELOAD', 'CRASH_FOLDER', 'CRASH_FAIL'):
            os.environ.pop(name)


def try_fault(daemon, fault, receipted, revision):
    serving = start_with(daemon, fault)
    words = ''
    if serving:
        words, revision = load(daemon, receipted, revision)
    if serving and words.startswith('store-failed'):
        daemon.process.wait(PATIENCE)
    if daemon.alive():  # what it writes behind its receipts may fail then
        daemon.process.popen.send_signal(signal.SIGTERM)
    status = daemon.process.wait(PATIENCE)
    if status not in (0, EXIT_IO, EXIT_CONFIG):
        raise Bad(f'the node ended with {status}')
    if serving and status != 0 and 'cannot be written' not in daemon.notify.status():
        raise Bad(f'its last status is {daemon.notify.status()!r}')
    daemon.start()
    with daemon.session(WARD) as session:
        for made, receipt in receipted:
            outcome, = session.submit(made)
            if outcome.receipt is None or outcome.receipt.data != receipt:
                raise Bad(f'lost: {outcome.problems}')
    if harness.differences(daemon) != 0:
        raise Bad('the recount differs')
    daemon.stop()
    return ('refused' if words else 'served') if serving and status == 0 else f'exit {status}', \
        revision


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--stride', type=int, default=1)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix='baocao-fault-')
    daemon = harness.Daemon(folder, 'node', CITY, key_of('operator'),
                            settings={'map_size': '4M'})
    counts, bad, revision, receipts = {}, 0, 0, 0
    try:
        daemon.init()
        daemon.start()
        harness.furnish(daemon)
        daemon.stop()
        faults = [f'{op}:{at}:{error}:{how}' for op, places in POINTS.items()
                  for at in range(1, places + 1) for error in (errno.EIO, errno.ENOSPC)
                  for how in ('once', 'always')]
        for fault in faults[::options.stride]:
            receipted = []
            try:
                what, revision = try_fault(daemon, fault, receipted, revision)
            except (Bad, TimeoutError, RuntimeError) as error:
                bad += 1
                what = 'bad'
                print(f'{fault}: {error}\n{daemon.log_tail(8)}')
                daemon.kill()
                revision += 5
            receipts += len(receipted)
            counts[what] = counts.get(what, 0) + 1
    finally:
        daemon.close()
        shutil.rmtree(folder, ignore_errors=True)
    told = ', '.join(f'{what}: {count}' for what, count in sorted(counts.items()))
    print(f'faults of a node: {len(faults[::options.stride])} ({told}), '
          f'receipts held: {receipts}, bad: {bad}')
    return bad > 0


if __name__ == '__main__':
    sys.exit(main())
