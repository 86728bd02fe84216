"""Catch-up: what a parent takes of a child that was alone for long."""

import peers
from machine import Watch
from stores import short


def catch_up(bench):
    if not bench.wants('catch-up'):
        return
    bench.results.head('catch-up')
    counts = (1000,) if bench.tiny else (10 ** 5,) if bench.quick else (10 ** 5, 10 ** 6)
    for count in counts:
        size = short(count)
        with bench.row(f'catch-up @{size}'):
            if bench.peers and not bench.tiny:
                upserts(bench, count, size)
            measure(bench, count, size)


def measure(bench, count, size):
    flush, watch = bench.flush_ms(), Watch()
    lines = bench.programs.text('bench_catchup', count, bench.rounds, bench.programs.parent).splitlines()
    share = watch.other_share()
    for line in lines:
        cells, stored = map(float, line.split())
        bench.results.add(f'catch-up @{size}', cells, '1/s', share, flush)
        bench.results.add(f'catch-up stored @{size}', stored, 'bytes', share, flush)
    bench.results.show(f'catch-up @{size}', f'peer PostgreSQL upsert @{size}')
    bench.results.show(f'catch-up stored @{size}')


def upserts(bench, count, size):
    """So many rows of PostgreSQL, inserted once and then replaced, 1,000 in a transaction."""
    peer = peers.Postgres(bench.programs, 'PostgreSQL', 'copy', (1, 1, 0), 'spread')
    with bench.row(f'peer PostgreSQL upsert @{size}'):
        try:
            peer.start()
            for _ in range(bench.rounds):
                flush, watch = bench.flush_ms(), Watch()
                rate = count / peer.upsert(count)
                bench.results.add(f'peer PostgreSQL upsert @{size}', rate, '1/s', watch.other_share(),
                                  flush)
            bench.results.show(f'peer PostgreSQL upsert @{size}')
        finally:
            peer.stop()
