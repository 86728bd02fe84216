"""Ten thousand enrolled clients of the daemon as it is, connected from two processes."""

from machine import Watch
from nodes import Node

RATE = 5000


def connections(bench):
    if not bench.wants('connections'):
        return
    active, silent = (4, 8) if bench.tiny else (100, 900) if bench.quick else (100, 9900)
    name = f'connections {active + silent}'
    bench.results.head(name)
    with bench.row(name):
        for _ in range(bench.rounds):
            once(bench, name, (active, 1, silent))
    for detail in ('all connected and answered', 'memory each', f'{RATE}/s p50', f'{RATE}/s p99'):
        bench.results.show(f'{name} {detail}')


def once(bench, name, shape):
    """A new node each time: its memory before and after, and then reports of the few that talk."""
    node = Node(bench.programs, 'signed', shape, 'spread', bench.map_bytes(2 << 30))
    rate = 100 if bench.tiny else RATE
    try:
        node.make()
        node.serve()
        before, flush, watch = node.memory(), bench.flush_ms(), Watch()
        node.connect()
        share = watch.other_share()
        count = shape[0] + shape[2]
        bench.results.add(f'{name} all connected and answered', node.connect_seconds, 's', share, flush)
        bench.results.add(f'{name} memory each', (node.memory() - before) / count / 1000, 'kB', share)
        node.load.ask(f'prepare {int(rate * bench.seconds * 1.1) + count}')
        bench.settle()
        watch = Watch()
        answer = node.run(f'open {bench.seconds} {rate}')
        share = watch.other_share()
        for part in ('p50', 'p99'):
            bench.results.add(f'{name} {RATE}/s {part}', answer[f'{part}_us'] / 1000, 'ms', share, flush)
    finally:
        node.stop()
