"""Ended from outside in the middle of a row, the benchmark leaves no process and no folder.

    ended.py BUILD
"""
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from machine import family, proc_text

PROCESSES = 6  # of which some servers and their clients
WAIT = 60


def runs(pid):
    state = proc_text(pid, 'stat').rpartition(')')[2].split()
    return bool(state) and state[0] != 'Z'


def main():
    program = pathlib.Path(__file__).parent / 'bench.py'
    with tempfile.TemporaryDirectory(dir='/var/tmp') as folder:
        bench = subprocess.Popen([sys.executable, '-B', program, '--build', sys.argv[1], '--tiny', '--folder',
                                  folder, 'intake'], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + WAIT
        below = []
        while len(below) < PROCESSES and time.monotonic() < deadline and bench.poll() is None:
            below = family(bench.pid)[1:]
        bench.send_signal(signal.SIGTERM)
        ended = bench.wait(WAIT)
        assert ended == 128 + signal.SIGTERM, f'ended with {ended}, having had {len(below)} processes'
        assert len(below) >= PROCESSES, f'only {len(below)} processes'
        assert not list(filter(runs, below)), f'these still run: {list(filter(runs, below))}'
        left = list(pathlib.Path(folder).iterdir())
        assert not left, f'left behind: {left}'


if __name__ == '__main__':
    main()
