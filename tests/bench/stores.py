"""What depends, or must not depend, on how much is stored: reading, growth, start, rebuild, recount."""
import contextlib
import json
import os
import statistics
import time

import peers
from machine import Failed, Load, Watch, free_port
from nodes import MODES, Engine, Node

QUESTIONS = ('one-cell', 'plan-period', 'matrix-322-x-24')
SIGNED_BYTES = 512    # of a submission, without its signature
RESERVED_BYTES = 900  # of a store for each report
RECOUNTED = 10 ** 6     # reports, up to which a recount is measured five times
GROWS_SLOWLY = 10 ** 6  # reports, from which on a round adds no more than there are


def short(count):
    power = len(str(count)) - 1
    return f'10^{power}' if count == 10 ** power else str(count)


def sizes(bench):
    if bench.tiny:
        return (400, 800)
    return (10 ** 4, 10 ** 5) if bench.quick else (10 ** 4, 10 ** 5, 10 ** 6, 10 ** 7)


def stores(bench):
    """Fills a node of each size once; all of the rows share them."""
    wanted = [row for row in ROWS if bench.wants(*row.split())]
    if not wanted:
        return
    if bench.peers and {'read', 'rebuild'} & set(wanted):
        with bench.row('peer PostgreSQL'):
            postgres(bench)
    shape = (4, 2, 0) if bench.tiny else '64x16'
    nodes = {}
    try:
        for count in sizes(bench):
            node = Node(bench.programs, 'plain', shape, 'spread',
                        bench.map_bytes(3 << 30) + RESERVED_BYTES * count)
            nodes[short(count)] = node
            node.make()
            begun = time.monotonic()
            node.fill(count)
            bench.results.add(f'fill @{short(count)}', count / (time.monotonic() - begun), '1/s')
        bench.results.add('signed bytes', SIGNED_BYTES, 'bytes')
        bench.results.head('stores')
        for size in nodes:
            bench.results.show(f'fill @{size}')
        for row in wanted:
            with bench.row(row):
                ROWS[row](bench, nodes)
            for node in nodes.values():
                node.halt()
    finally:
        for node in nodes.values():
            node.stop()


@contextlib.contextmanager
def served(nodes, mode, apart=False):
    """All of them, as daemons of that mode with their clients; apart: with an address for questions."""
    try:
        for node in nodes.values():
            node.mode = mode
            node.asked = free_port() if apart else None
            node.load_program = MODES[mode]['load']
            node.serve()
            node.connect()
        yield
    finally:
        for node in nodes.values():
            node.asked = None
            node.halt()


def smallest(nodes):
    return next(iter(nodes))


def read(bench, nodes):
    results = bench.results
    results.head('read, in the node')
    run_us, runs = (0, 1) if bench.tiny else (20000, 5) if bench.quick else (50000, 9)
    watch = Watch()
    map_bytes = max(node.map_bytes for node in nodes.values())
    lines = bench.programs.text('bench_read', run_us, runs, map_bytes,
                                *(node.folder for node in nodes.values())).splitlines()
    share, names = watch.other_share(), list(nodes)
    for line in lines:
        found = json.loads(line)
        size = names[found['store']]
        for value in found['us']:
            results.add(f'read {found["row"]} @{size}', value, 'us', share)
        results.show(f'read {found["row"]} @{size}',
                     *([f'read {found["row"]} @{names[0]}'] if size != names[0] else []))
    read_wire(bench, nodes, 'plain')
    read_wire(bench, nodes, 'signed')


def encryption(mode):
    """As the rows of E have it."""
    return 'without encryption' if mode == 'plain' else 'with CURVE'


def read_wire(bench, nodes, mode):
    results = bench.results
    results.head(f'read, over the wire, {encryption(mode)}')
    echo = Engine(bench.programs, 'echo', (1, 1, 0), curve=mode != 'plain')
    trip = f'yardstick E, {encryption(mode)}'
    with served(nodes, mode):
        try:
            echo.start()
            for _ in range(bench.rounds):  # nothing is written: whatever F is, it is compared
                answer = bench.calmly(bench.tries, lambda: echo.run(f'closed {bench.seconds / 4}'))
                results.add(trip, answer['p50_us'], 'us', answer['share'])
                results.add(f'{trip}, p99', answer['p99_us'], 'us', answer['share'], slowed=answer['slowed'])
                for question in QUESTIONS:
                    for size, node in nodes.items():
                        answer = bench.calmly(bench.tries, lambda ask=node.load.ask, name=question:
                                              ask(f'ask {name} {bench.seconds / 4}'))
                        row = f'read wire {mode} {question} @{size}'
                        results.add(f'{row} p50', answer['p50_us'], 'us', answer['share'])
                        results.add(f'{row} p99', answer['p99_us'], 'us', answer['share'],
                                    slowed=answer['slowed'])
        finally:
            echo.stop()
    results.show(trip)
    results.show(f'{trip}, p99')
    for question in QUESTIONS:
        for size in nodes:
            name = f'read wire {mode} {question} @{size}'
            against = [trip] if question == 'one-cell' else []
            if size != smallest(nodes):
                against.append(f'read wire {mode} {question} @{smallest(nodes)} p50')
            results.show(f'{name} p50', *against)
            results.show(f'{name} p99')


def read_during_intake(bench, nodes):
    """The questions beside reports at full load: p99 against that of a quiet node, and E there, of a server that does
    nothing else. Encrypted, at the address of the reports and at that for questions: of the largest store, which has
    room for so many more."""
    ask_beside_reports(bench, nodes, 'plain', 'plain', '')
    ask_beside_reports(bench, dict([*nodes.items()][-1:]), 'curve', 'signed', ' encrypted')


def ask_beside_reports(bench, nodes, mode, quiet_mode, kind):
    results = bench.results
    results.head(f'read, while intake runs at full load{kind}')
    echo = Engine(bench.programs, 'echo', (1, 1, 0), curve=mode != 'plain')
    with served(nodes, mode, apart=mode != 'plain'):
        try:
            echo.start()
            for size, node in nodes.items():
                trip = f'yardstick E during intake{kind} @{size}, p99'
                against = (f'read wire {quiet_mode} {{}} @{size} p99', trip, f'yardstick E, {encryption(mode)}')
                during_intake(bench, node, trip, lambda seconds: echo.run(f'closed {seconds}'))
                results.show(trip, f'yardstick E, {encryption(mode)}, p99')
                ask_each(bench, node, node.port, f'read during intake{kind} {{}} @{size} p99', against)
                if node.asked:
                    ask_each(bench, node, node.asked, f'read during intake{kind}, apart {{}} @{size} p99', against)
        finally:
            echo.stop()


def ask_each(bench, node, port, row, against):
    """Each question at that port; {} in the rows is its name."""
    asker = Load([*node.load_command(port), '--idle'], bench.programs.log)
    try:
        for question in QUESTIONS:
            during_intake(bench, node, row.format(question),
                          lambda seconds, name=question: asker.ask(f'ask {name} {seconds}'))
            bench.results.show(row.format(question), *(other.format(question) for other in against))
    finally:
        asker.end()


def during_intake(bench, node, row, ask):
    def beside():
        seconds = bench.seconds / 2
        node.load.send(f'closed {seconds}')
        answer = ask(seconds * 0.8)
        if node.load.answer()['refused']:
            raise Failed('reports were refused')
        return answer

    for _ in range(bench.rounds):
        flush = bench.flush_ms()
        answer = bench.calmly(min(bench.tries, 2), beside)  # what is stored meanwhile has to fit
        bench.results.add(row, answer['p99_us'], 'us', answer['share'], flush, answer['slowed'])


def growth(bench, nodes):
    """Each daemon is started anew for each round, and small stores are made anew: a second of intake would
    make them large ones."""
    results = bench.results
    base = '10^5' if '10^5' in nodes else smallest(nodes)
    results.head('growth')
    with served(nodes, 'plain'):
        for size, node in nodes.items():
            status = node.load.ask('status')
            results.add(f'growth stored @{size}', (status['map_used'] + status['journal_used']) / status['entries'],
                        'bytes')
        for _ in range(bench.rounds):
            flush = bench.flush_ms()
            for size, node in nodes.items():
                if not bench.quick:
                    node.renew(refill=node.filled < GROWS_SLOWLY)
                bench.settle()
                watch = Watch()
                answer = node.run(f'closed {bench.seconds}')
                share = watch.other_share()
                results.add(f'growth intake @{size}', answer['reports'] / answer['seconds'], '1/s',
                            share, flush)
                results.add(f'growth memory @{size}', node.memory() / 1e6, 'MB', share, flush)
    for what in ('intake', 'memory', 'stored'):
        for size in nodes:
            against = 'signed bytes' if what == 'stored' else f'growth {what} @{base}'
            results.show(f'growth {what} @{size}', *([against] if size != base or what == 'stored' else []))


def start(bench, nodes):
    """From the start of the process after a kill under load to the first receipt."""
    results = bench.results
    results.head('start after kill -9')
    for size, node in nodes.items():
        node.mode, node.load_program = 'plain', MODES['plain']['load']
        node.serve()
        for _ in range(bench.rounds):
            node.connect()
            node.load.send(f'closed {bench.seconds / 2}')
            time.sleep(bench.seconds / 4)
            node.server.kill()
            node.load.answer()
            node.disconnect()
            flush, watch, begun = bench.flush_ms(), Watch(), time.monotonic()
            node.serve()
            ready = time.monotonic() - begun
            node.connect()
            answer = node.run('closed 0.001')
            results.add(f'start @{size}', (ready + node.connect_seconds) * 1000 +
                        answer['p50_us'] / 1000, 'ms', watch.other_share(), flush)
            results.add(f'start ready @{size}', ready * 1000, 'ms', watch.other_share(), flush)
            node.disconnect()
        node.server.stop()
        node.server = None
        results.show(f'start @{size}')
        results.show(f'start ready @{size}')


def rebuild(bench, nodes):
    """The state tables made anew from the ledger, by a process of its own."""
    bench.results.head('rebuild')
    rebuilt(bench, nodes, '@{}', 'peer PostgreSQL rebuild')


def rebuilt(bench, nodes, name, *peer):
    results = bench.results
    for size, node in nodes.items():
        row = name.format(size)
        for _ in range(bench.rounds):
            work = bench.programs.json('yardstick', 'work', bench.seconds / 4)
            watch, begun, cpu = Watch(), time.monotonic(), os.times()
            entries = node.rebuild()
            seconds, after = time.monotonic() - begun, os.times()
            share = watch.other_share()
            cpu = after.children_user + after.children_system - cpu.children_user - cpu.children_system
            results.add(f'rebuild W {row}', work['reports_per_second'], '1/s', share)
            results.add(f'rebuild {row}', entries / seconds, '1/s', share)
            results.add(f'rebuild cpu {row}', cpu / entries * 1e6, 'us', share)
        results.show(f'rebuild {row}', f'rebuild W {row}', *peer)
        results.show(f'rebuild cpu {row}')
    with served(nodes, 'plain'):
        for node in nodes.values():
            found = node.load.ask('verify')
            if found['differences']:
                raise Failed(f'{found["differences"]} differences')


def compress(bench, nodes):
    """All of the ledger, as if it were old: what a report takes then, and a rebuild of it."""
    results = bench.results
    results.head('old records, compressed')
    for size, node in nodes.items():
        used, entries = node.compress()
        results.add(f'compress stored @{size}', used / entries, 'bytes')
        results.show(f'compress stored @{size}', 'signed bytes')
    rebuilt(bench, nodes, 'compressed @{}')


def recount(bench, nodes):
    """Every record checked, the whole state folded anew and compared."""
    results = bench.results
    results.head('recount')
    small = {size: node for size, node in nodes.items() if node.filled <= RECOUNTED}
    with served(small, 'plain'):
        for size, node in small.items():
            for _ in range(bench.rounds):
                watch, begun = Watch(), time.monotonic()
                found = node.load.ask('verify')
                seconds = time.monotonic() - begun
                if found['differences']:
                    raise Failed(f'{found["differences"]} differences')
                results.add(f'recount @{size}', found['entries'] / seconds, '1/s',
                            watch.other_share())
            results.show(f'recount @{size}')


def postgres(bench):
    """The same questions to PostgreSQL, and its rebuild of the cells from the reports."""
    results = bench.results
    count = 2000 if bench.tiny else 20000 if bench.quick else 1000000
    peer = peers.Postgres(bench.programs, 'PostgreSQL', 'copy', (4, 1, 0), 'spread', 1)
    results.head(f'PostgreSQL, {count} reports')
    try:
        peer.start()
        stored = 0
        while stored < count:
            peer.run('closed 1')
            stored = int(peer.sql('select count(*) from report'))
        peer.sql('analyze')
        for _ in range(bench.rounds):
            watch = Watch()
            cell = peer.time('select * from cell where plan = 0 and month = 0 and unit = 79', 200)
            root = peer.time('select sum(f1), sum(f2), sum(f3) from report where plan = 0 and month = 0', 1)
            matrix = peer.time('select * from cell where plan in (0, 1) order by unit', 5)
            again = peer.time(f'begin; truncate cell; insert into cell select plan, month, unit, '
                              f'{peers.SUMS} from report cross join lateral (values (ward), '
                              f'(district), (79)) as above (unit) group by plan, month, unit; commit', 1)
            share = watch.other_share()
            results.add('peer PostgreSQL one cell', cell * 1e6, 'us', share)
            results.add('peer PostgreSQL root from the reports', root * 1e6, 'us', share)
            results.add('peer PostgreSQL matrix 322 x 24', matrix * 1e6, 'us', share)
            results.add('peer PostgreSQL rebuild', stored / again, '1/s', share)
        for name in ('one cell', 'root from the reports', 'matrix 322 x 24', 'rebuild'):
            results.show(f'peer PostgreSQL {name}')
    finally:
        peer.stop()


# What adds reports to the stores comes last, and then what changes how they are kept.
ROWS = {'read': read, 'rebuild': rebuild, 'recount': recount, 'start': start, 'growth': growth,
        'read during intake': read_during_intake, 'compress': compress}
