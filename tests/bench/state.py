"""Rows `rebuild`, `start` and `catch-up`: what follows from a ledger, and how fast it is there again."""
import subprocess

from machine import Failed, Watch

RUNS = 5
SIZES = {  # reports, reports, changed cells
    'rebuild': (100_000, 1_000_000),
    'start': (100_000, 1_000_000, 10_000_000),
    'catch-up': (100_000, 1_000_000),
}
COLUMNS = {
    'rebuild': (('', '1/s'),),
    'start': (('', 's'),),
    'catch-up': (('', '1/s'), ('stored', 'bytes')),
}


def sizes(bench, part):
    if bench.tiny:
        return (1000,)
    return SIZES[part][:1] if bench.quick else SIZES[part]


def measure(bench, part, size):
    watch = Watch()
    flush = bench.flush_ms()
    done = subprocess.run(
        [bench.programs.path('bench_state'), part, str(size), str(1 if bench.tiny else RUNS),
         bench.programs.parent], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(done.stderr.strip())
    share = watch.other_share()
    for line in done.stdout.splitlines():
        for (detail, unit), value in zip(COLUMNS[part], line.split(), strict=True):
            bench.results.add(f'{part} {size} {detail}'.strip(), float(value), unit, share, flush)
    for detail, _ in COLUMNS[part]:
        against = ['W'] if part == 'rebuild' else []
        bench.results.show(f'{part} {size} {detail}'.strip(), *against)


def group(part):
    def run(bench):
        bench.results.head(part)
        for size in sizes(bench, part):
            if bench.wants(part, str(size)):
                with bench.row(f'{part} {size}'):
                    measure(bench, part, size)
    return run
