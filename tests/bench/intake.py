"""Intake: how many reports a second, durable, judged and summed; and how long a receipt takes."""
import os
import statistics

import peers
from machine import THREADS, Failed, Watch
from nodes import MODES, SHAPES, Engine, Node

RATES = (5000, 170000)
REPORTS = {'bundles': 100}  # in a message; else one
TINY = (4, 2, 0)
TINY_IDLE = (4, 2, 8)


def yardsticks(bench):
    """F, W, the two costs of a signature, LMDB alone, and E."""
    if not bench.wants('yardstick'):
        return
    results, programs = bench.results, bench.programs
    results.head('yardsticks')
    echo = Engine(programs, 'echo', (1, 1, 0))
    seconds = bench.seconds / 2
    batches = (1, 100, 10000) if bench.quick or bench.tiny else (1, 10, 100, 1000, 10000)
    echo.start()
    try:
        for _ in range(bench.rounds):
            flush, watch = bench.flush_ms(), Watch()
            sign = programs.json('yardstick', 'sign', seconds)
            work = programs.json('yardstick', 'work', seconds)['reports_per_second']
            trip = echo.run(f'closed {seconds}')['p50_us']
            stores = {batch: store_rate(bench, batch, seconds) for batch in batches}
            share = watch.other_share()
            results.add('F', flush, 'ms', share)
            results.add('E', trip / 1000, 'ms', share)
            results.add('W', work, '1/s', share)
            results.add('signatures made', sign['signed_per_second'], '1/s', share)
            results.add('signatures checked', sign['verified_per_second'], '1/s', share)
            results.add('signatures checked, all cores', sign['verified_on_all'], '1/s', share)
            for batch, rate in stores.items():
                results.add(f'LMDB append, {batch} a commit', rate, '1/s', share)
    finally:
        echo.stop()
    for name in ('F', 'E', 'W', 'signatures made', 'signatures checked', 'signatures checked, all cores',
                 *(f'LMDB append, {batch} a commit' for batch in batches)):
        results.show(name)


def store_rate(bench, batch, seconds):
    for path in bench.programs.parent.glob('yardstick.mdb*'):
        path.unlink()
    return bench.programs.json('yardstick', 'lmdb', bench.programs.parent, batch,
                               seconds)['reports_per_second']


def shapes(bench, mix):
    if bench.tiny:
        return {'64x16': TINY if mix == 'deadline' else TINY_IDLE}
    names = ('64x16', '1000x1')[:2 if mix == 'deadline' else 1] if bench.quick else SHAPES
    return {name: SHAPES[name] for name in names}


def modes(bench, mix, shape):
    """With ten thousand silent connections each node is measured alone."""
    wanted = [mode for mode in MODES if bench.wants('intake', mix, mode, shape)]
    if bench.tiny and mix == 'spread' or bench.quick and shape == '1000x1':
        return [wanted[:1]] if wanted else []
    if shape == '64x16+idle':
        return [[mode] for mode in wanted]
    return [wanted] if wanted else []


def intake(bench):
    if not bench.wants('intake'):
        return
    for mix in ('deadline', 'spread'):
        for shape, sizes in shapes(bench, mix).items():
            for wanted in modes(bench, mix, shape):
                bench.results.head(f'intake, {mix}, {shape}')
                with bench.row(f'intake {mix} {shape}'):
                    Group(bench, mix, shape, sizes, wanted).measure()


class Group:
    """Nodes, their yardsticks and peers, measured in turn, so that what else the machine does falls
    on all of them alike."""

    def __init__(self, bench, mix, shape, sizes, wanted):
        self.bench, self.results = bench, bench.results
        self.mix, self.shape, self.wanted = mix, shape, wanted
        self.nodes = {mode: Node(bench.programs, mode, sizes, mix, bench.map_bytes(MODES[mode]['map']))
                      for mode in wanted}
        quiet = (*sizes[:2], 0)
        self.engines = {}
        if 'plain' in wanted:
            self.engines['R'] = Engine(bench.programs, 'log', quiet)
        if set(wanted) & {'curve', 'signed', 'bundles'}:
            self.engines['CURVE echo'] = Engine(bench.programs, 'echo', quiet, curve=True)
        self.engines['echo'] = Engine(bench.programs, 'echo', (1, 1, 0))
        self.peers = {}
        if bench.peers and 'plain' in wanted and not sizes[2]:
            self.peers = peers.made_for(bench, mix, sizes)
        self.maximum = {}

    def name(self, what, detail=''):
        kind = {**dict.fromkeys(self.nodes, 'intake'), **dict.fromkeys(self.peers, 'peer')}
        alone = '' if kind.get(what) or len(self.wanted) > 1 else f'for {self.wanted[0]}'
        words = (kind.get(what, 'yardstick'), self.mix, what, self.shape, alone, detail)
        return ' '.join(word for word in words if word)

    def every(self):
        return {**self.engines, **self.nodes, **self.peers}

    def start(self):
        for what, served in list(self.every().items()):
            try:
                served.start()
                served.rest()
            except (Failed, OSError) as error:
                self.drop(what, error)

    def drop(self, what, error):
        """One that fails is not measured any more; the others are."""
        self.results.fail(self.name(what), error)
        for some in (self.engines, self.nodes, self.peers):
            if what in some:
                some.pop(what).stop()

    def measure(self):
        try:
            self.start()
            for _ in range(self.bench.rounds):
                self.closed_round()
            self.show_closed()
            if self.shape == '64x16' and not (self.bench.quick and self.mix == 'spread'):
                for _ in range(self.bench.rounds):
                    self.open_round()
                self.show_open()
            self.check()
        finally:
            for served in self.every().values():
                served.stop()

    def run(self, what, served, command, tries=1):
        """A run of one of them while the others rest, or None where it fails."""
        try:
            served.wake()
            before = served.stored() if what in self.nodes else 0
            answer = self.bench.calmly(tries, lambda: served.run(command), lambda: self.prepare(what, served, command))
            answer['stored'] = served.stored() - before if what in self.nodes else 0
            answer['memory'] = served.memory()
            served.rest()
        except (Failed, OSError) as error:
            self.drop(what, error)
            return None
        return answer

    def prepare(self, what, served, command):
        """Signs what a run can send at most: two cores check fewer than 50,000 signatures a second."""
        if what != 'signed':
            return
        words = command.split()
        rate = 50000 if words[0] == 'closed' else float(words[2]) * 1.1
        served.load.ask(f'prepare {int(float(words[1]) * rate) + served.clients}')

    def add(self, what, detail, value, unit, answer, flush, slowed=0.0):
        self.results.add(self.name(what, detail), value, unit, answer['share'], flush, slowed)

    def run_closed(self, what, served):
        """Longer where a slow server on a busy machine has not answered anything."""
        answer = None
        for times in (1, 10, 100) if self.bench.tiny else (1, 10):
            answer = self.run(what, served, f'closed {times * self.bench.seconds}')
            if not answer or answer['reports']:
                break
        return answer

    def closed_round(self):
        flush = self.bench.flush_ms()
        ceiling, cpu = {}, {}
        for what, served in list(self.every().items()):
            answer = self.run_closed(what, served)
            if not answer:
                continue
            if not answer['reports']:
                self.drop(what, f'no answer in {answer["seconds"]:.1f} s')
                continue
            rate = answer['reports'] / answer['seconds']
            each = 1e6 / answer['reports']
            self.maximum.setdefault(what, []).append(rate)
            if what == 'echo':
                self.add(what, 'p50', answer['p50_us'] / 1000, 'ms', answer, flush)
                continue
            ceiling[what] = rate
            cpu[what] = answer['server_cpu'] / answer['reports']
            if what == 'plain':
                both = answer['server_cpu'] + answer['cpu_seconds']
                self.add('processors full', '', os.cpu_count() * answer['reports'] / both, '1/s', answer, flush)
            self.add(what, '', rate, '1/s', answer, flush)
            self.add(what, 'p99', answer['p99_us'] / 1000, 'ms', answer, flush)
            self.add(what, 'cpu', answer['server_cpu'] * each, 'us', answer, flush)
            self.add(what, 'cpu of load', answer['cpu_seconds'] * each, 'us', answer, flush)
            if what in self.nodes:
                self.add(what, 'written', answer['written'] / answer['reports'], 'bytes', answer, flush)
                self.add(what, 'stored', answer['stored'] / answer['reports'], 'bytes', answer, flush)
                for detail, share in answer['threads'].items():
                    self.add(what, detail, share, '%', answer, flush)
            if what not in self.engines:
                self.add(what, 'memory', answer['memory'] / 1e6, 'MB', answer, flush)
        if 'signed' in ceiling and 'CURVE echo' in ceiling:
            self.add_signature_ceiling(ceiling['CURVE echo'], flush)
        if {'R', 'plain', 'CURVE echo'} <= ceiling.keys():
            self.add_folding_ceiling(ceiling['CURVE echo'], cpu['plain'] - cpu['R'], flush)

    def add_signature_ceiling(self, echo, flush):
        """What all cores at once can encrypt and check; the signatures were made before."""
        watch = Watch()
        checked = self.bench.programs.json('yardstick', 'sign', self.bench.seconds / 2)
        rate = 1 / (1 / echo + 1 / checked['verified_on_all'])
        self.add('CURVE echo and checking', '', rate, '1/s', {'share': watch.other_share()}, flush)

    def add_folding_ceiling(self, echo, seconds, flush):
        """What all cores can encrypt while they do what the node without encryption does more than R for a report."""
        rate = 1 / (1 / echo + max(seconds, 0) / os.cpu_count())
        self.add('CURVE echo and folding', '', rate, '1/s', {'share': 0.0}, flush)

    def against(self, mode):
        bounds = {'plain': 'R', 'curve': 'CURVE echo', 'signed': 'CURVE echo and checking',
                  'bundles': 'curve'}
        return [self.name(bounds[mode]), *(self.name(peer) for peer in self.peers if mode == 'plain')]

    def show_closed(self):
        for what in self.peers:
            for detail in ('', 'p99', 'cpu', 'memory'):
                self.results.show(self.name(what, detail))
        echo = self.name('CURVE echo')
        self.results.show(self.name('R'), *map(self.name, self.peers))
        self.results.show(self.name('processors full'), self.name('R'), *map(self.name, self.peers))
        self.results.show(echo)
        for more in ('checking', 'folding'):
            self.results.show(self.name(f'CURVE echo and {more}'), echo)
        for mode in self.nodes:
            self.results.show(self.name(mode), *self.against(mode))
            for detail in ('p99', 'cpu', 'cpu of load', 'memory', 'written', 'stored', *THREADS):
                self.results.show(self.name(mode, detail))

    def open(self):
        """R under the load of the node is what the machine itself makes of it."""
        if 'plain' in self.nodes and 'R' in self.engines:
            yield 'R', self.engines['R']
        yield from [*self.nodes.items(), *self.peers.items()]

    def rates(self, what):
        """Half of its own maximum, and those of RATES that it can do, in messages a second."""
        most = statistics.median(self.maximum['plain' if what == 'R' else what])
        wanted = [('half', most / 2), *((f'{rate}/s', rate) for rate in RATES)]
        size = REPORTS.get(what, 1)
        return [(name, rate / size) for name, rate in wanted if rate <= 0.95 * most]

    def open_round(self):
        flush = self.bench.flush_ms()
        echo = self.engines.get('echo')
        trip = echo and self.run('echo', echo, f'closed {self.bench.seconds / 4}', self.bench.tries)
        if trip:
            self.add('F + E', '', flush + trip['p50_us'] / 1000, 'ms', trip, flush)
        for what, served in self.open():
            for name, rate in self.rates(what):
                answer = self.run(what, served, f'open {self.bench.seconds} {rate}', self.bench.tries)
                if not answer:
                    break
                for part in ('p50', 'p99', 'p999'):
                    self.add(what, f'{name} {part}', answer[f'{part}_us'] / 1000, 'ms', answer, flush,
                             answer['slowed'])
                self.add(what, f'{name} slowed', 100 * answer['slowed'], '%', answer, flush)

    def show_open(self):
        self.results.show(self.name('F + E'))
        for what in [what for what, _ in self.open() if what not in self.peers] + list(self.peers):
            for name, _ in self.rates(what):
                for part in ('p50', 'p99', 'p999'):
                    detail = f'{name} {part}'
                    against = [self.name('F + E')] if part == 'p99' and name != 'half' else []
                    against += [self.name(other, detail) for other in ['R', *self.peers]
                                if what in ('plain', 'R') and part == 'p99' and what != other]
                    self.results.show(self.name(what, detail), *against)
                self.results.show(self.name(what, f'{name} slowed'))

    def check(self):
        """No speed counts that loses a receipted report."""
        for what, node in list(self.nodes.items()):
            try:
                found = node.check(self.bench.seconds)
            except (Failed, OSError) as error:
                self.drop(what, error)
                continue
            self.results.add(self.name(what, 'receipted before a kill, all found once'),
                             found['receipted'], 'messages')
            self.results.show(self.name(what, 'receipted before a kill, all found once'))
