#!/usr/bin/python3
"""
The third part of `./dev crash fault`: `baocaod --rebuild` of a store with a damaged state, whose
journal has reports that the tables lack, is killed at random times, and its Nth write, flush or open
fails, once or for good. It ends with 0, 74 or 78;
a node that starts from what is left has either the damage as it was or none, and every receipt, or it
says that the rebuild is to be run again; and the same command ends the damage.
"""

import argparse
import errno
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'functional'))
import harness  # noqa: E402
from harness import CITY, EXIT_CONFIG, EXIT_IO, client, key_of, month_report  # noqa: E402

SHIM = os.path.join(harness.nodes.BUILD, 'tests', 'crash', 'libcrash_shim.so')
MONTHS = [f'2022-{month:02}' for month in range(1, 13)]
POINTS = {'write': 26, 'sync': 6, 'open': 8}  # more than a rebuild has


class Bad(Exception):
    """A promise that was not kept."""


def fill(daemon):
    """Reports of three wards, revision after revision; what has receipts."""
    receipted = []
    for unit in (11, 12, 13):
        key = key_of(f'ward {unit}')
        with daemon.session(key) as session:
            for revision in range(1, 8):
                made = [client.submission(key, harness.next_counter(key), [month_report(
                    unit, period, revision * unit, revision=revision,
                    note='lại' if revision > 1 else '')]) for period in MONTHS]
                receipted += [(key, one, outcome.receipt.data)
                              for one, outcome in zip(made, session.submit(*made))]
    return receipted


def damage(path, digest):
    """In the record of one obligation, which alone has the digest of its last submission."""
    with open(path, 'r+b') as file:
        data, at = file.read(), -1
        while (at := data.find(digest, at + 1)) >= 0:
            file.seek(at + 5)
            file.write(bytes([data[at + 5] ^ 1]))


def leave_behind(daemon, store, receipted):
    """Kills it before the tables have its newest reports: the journal alone has them."""
    key = key_of('ward 11')
    for revision in range(8, 40):
        daemon.start()
        with daemon.session(key) as session:
            made = [client.submission(key, harness.next_counter(key), [month_report(
                11, period, revision, revision=revision, note='lại')]) for period in MONTHS[:3]]
            outcomes = session.submit(*made)
            daemon.kill()
        receipted += [(key, one, outcome.receipt.data) for one, outcome in zip(made, outcomes)]
        with open(store, 'rb') as file:
            if hashlib.sha256(made[-1].data).digest() not in file.read():
                return
    raise Bad('the tables always have everything')


def environment(daemon, fault):
    made = dict(os.environ)
    if fault:
        made.update(LD_PRELOAD=SHIM, CRASH_FOLDER=daemon.state, CRASH_FAIL=fault)
    return made


def rebuild(daemon, fault=None, kill_after=None):
    """Its exit status."""
    process = subprocess.Popen([harness.BAOCAOD, '--config', daemon.settings_path, '--rebuild'],
                               env=environment(daemon, fault), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if kill_after is not None:
        time.sleep(kill_after)
        process.kill()
    return process.wait()


def is_unfinished(daemon):
    """Does it refuse to start, since the ledger has more than the state?"""
    before = len(daemon.log())
    try:
        daemon.start()
    except RuntimeError:
        if 'was not finished' in daemon.log()[before:]:
            return True
        raise
    daemon.stop()
    return False


def check(daemon, receipted, allowed):
    daemon.start()
    try:
        differences = harness.differences(daemon)
        if differences not in allowed:
            raise Bad(f'{differences} differences')
        for key in {key.hex: key for key, _, _ in receipted}.values():
            mine = [(made, receipt) for one, made, receipt in receipted if one.hex == key.hex]
            with daemon.session(key) as session:
                for start in range(0, len(mine), 64):
                    part = mine[start:start + 64]
                    again = session.submit(*[made for made, _ in part])
                    if any(outcome.receipt is None or outcome.receipt.data != receipt
                           for (_, receipt), outcome in zip(part, again)):
                        raise Bad('a receipt is lost')
    finally:
        daemon.stop()
    return differences


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--stride', type=int, default=1)
    parser.add_argument('--kills', type=int, default=50)
    parser.add_argument('--seed', type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    folder = tempfile.mkdtemp(prefix='baocao-rebuild-')
    daemon = harness.Daemon(folder, 'node', CITY, key_of('operator'), settings={'map_size': '16M', 'compress_days': '0'})
    store, journal = (os.path.join(daemon.state, f'baocao.{end}') for end in ('mdb', 'journal'))
    counts, bad = {}, 0
    try:
        daemon.init()
        daemon.start()
        harness.furnish(daemon)
        receipted = fill(daemon)
        daemon.stop()
        damage(store, hashlib.sha256(receipted[-1][1].data).digest())
        leave_behind(daemon, store, receipted)
        for path in (store, journal):
            shutil.copyfile(path, os.path.join(folder, os.path.basename(path)))
        begun = time.monotonic()
        rebuild(daemon)
        seconds = time.monotonic() - begun
        tries = [(f'{op}:{at}:{error}:{how}', None) for op, places in POINTS.items()
                 for at in range(1, places + 1) for error in (errno.EIO, errno.ENOSPC)
                 for how in ('once', 'always')][::options.stride]
        tries += [(None, chance.uniform(0, 1.2 * seconds)) for _ in range(options.kills)]
        for fault, kill_after in tries:
            for path in (store, journal):
                shutil.copyfile(os.path.join(folder, os.path.basename(path)), path)
            try:
                status = rebuild(daemon, fault, kill_after)
                if status not in (0, EXIT_IO, EXIT_CONFIG, -signal.SIGKILL):
                    raise Bad(f'it ended with {status}')
                left = 2 if status and is_unfinished(daemon) else check(
                    daemon, receipted, (0, 1) if status else (0,))
                if rebuild(daemon) != 0:
                    raise Bad('it does not end when it is run again')
                check(daemon, receipted, (0,))
                what = ('new state', 'old state left', 'unfinished')[left]
            except (Bad, TimeoutError, RuntimeError) as error:
                bad += 1
                what = 'bad'
                print(f'{fault} {kill_after}: {error}\n{daemon.log_tail(8)}')
                daemon.kill()
            counts[what] = counts.get(what, 0) + 1
    finally:
        daemon.close()
        shutil.rmtree(folder, ignore_errors=True)
    told = ', '.join(f'{what}: {count}' for what, count in sorted(counts.items()))
    print(f'rebuilds that were broken: {len(tries)} ({told}), bad: {bad}')
    return bad > 0 or 'old state left' not in counts


if __name__ == '__main__':
    sys.exit(main())
