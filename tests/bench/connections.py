"""Ten thousand enrolled clients of the daemon as it is, connected from two processes."""

import time

from machine import Watch
from nodes import Engine, Node

RATE = 5000
ECHO = 'CURVE echo memory each'
SETTLED = 0.5  # seconds; it tells nobody when it serves


def connections(bench):
    if not bench.wants('connections'):
        return
    active, silent = (4, 8) if bench.tiny else (100, 900) if bench.quick else (100, 9900)
    name = f'connections {active + silent}'
    bench.results.head(name)
    with bench.row(name):
        for _ in range(bench.rounds):
            once(bench, name, (active, 1, silent))
            ceiling(bench, name, (active, 1, silent))
    for detail in ('all connected and answered', 'memory each', f'{RATE}/s p50', f'{RATE}/s p99', ECHO):
        bench.results.show(f'{name} {detail}')


def each(server, before):
    """What its memory has grown by for a connection, in kB."""
    return (server.memory() - before) / (server.clients + server.idle) / 1000


def ceiling(bench, name, shape):
    """The same connections of a server that does nothing: what libzmq takes."""
    echo = Engine(bench.programs, 'echo', shape, curve=True)
    try:
        echo.serve()
        time.sleep(SETTLED)
        before, watch = echo.memory(), Watch()
        echo.connect()
        bench.results.add(f'{name} {ECHO}', each(echo, before), 'kB', watch.other_share())
    finally:
        echo.stop()


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
        bench.results.add(f'{name} all connected and answered', node.connect_seconds, 's', share, flush)
        bench.results.add(f'{name} memory each', each(node, before), 'kB', share)
        answer = bench.calmly(
            bench.tries, lambda: node.run(f'open {bench.seconds} {rate}'),
            lambda: node.load.ask(f'prepare {int(rate * bench.seconds * 1.1) + node.clients + node.idle}'))
        for part in ('p50', 'p99'):
            bench.results.add(f'{name} {RATE}/s {part}', answer[f'{part}_us'] / 1000, 'ms', answer['share'], flush,
                              answer['slowed'])
    finally:
        node.stop()
