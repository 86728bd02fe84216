"""What the figures of a run are held against. A bar is the least that is accepted, an aim is what this is for; ceiling: the row
of something that does less, of the machine alone, or of the same work if no processor ever waited, held against the same."""
import collections

Bar = collections.namedtuple('Bar', 'what row against sign bar aim unit ceiling ceiling_against')
MOST, LEAST = '≤', '≥'
CELL_E, PLAN_PERIOD_US, MATRIX_US = 1.3, 1000, 20000  # of a question, also twice beside intake
PLAIN = 'intake {} plain 64x16'
REDIS = 'peer {} Redis Streams 64x16'


def ratio(what, row, against, sign, bar, aim=None, ceiling=None, ceiling_against=None):
    """Against several, the worst of them counts."""
    against = (against,) if isinstance(against, str) else against
    return Bar(what, row, against, sign, bar, aim, '×', ceiling, (ceiling_against,) if ceiling_against else against)


def value(what, row, sign, bar, aim=None, unit='ms', ceiling=None):
    return Bar(what, row, (), sign, bar, aim, unit, ceiling, ())


def intake():
    deadline, spread = PLAIN.format('deadline'), PLAIN.format('spread')
    log = 'yardstick deadline R 64x16'
    full, spread_full = (f'yardstick {mix} processors full 64x16' for mix in ('deadline', 'spread'))
    yield ratio('deadline, R', deadline, log, LEAST, 0.45, 0.85, full)
    yield ratio('deadline, Redis Streams', deadline, REDIS.format('deadline'), LEAST, 1.3, 2.5, full)
    for peer, bar, aim in (('PostgreSQL copy and trigger', 8, 15), ('Redis function with rollups', 35, None),
                           ('NATS JetStream', 35, None), ('RabbitMQ quorum queue', 7, None)):
        yield ratio(f'deadline, {peer}', deadline, f'peer deadline {peer} 64x16', LEAST, bar, aim, full)
    yield ratio('spread, Redis Streams', spread, REDIS.format('spread'), LEAST, 0.7, 1.5, spread_full)
    yield ratio('spread, the best that keeps sums', spread, tuple(
        f'peer spread {peer} 64x16' for peer in ('Redis function with rollups', 'PostgreSQL copy and trigger',
                                                 'PostgreSQL insert and trigger')), LEAST, 3, 5, spread_full)
    for mix in ('deadline', 'spread'):
        curve = f'intake {mix} curve 64x16'
        yield ratio(f'{mix}, CURVE: echo', curve, f'yardstick {mix} CURVE echo 64x16', LEAST, 0.9,
                    ceiling=f'yardstick {mix} CURVE echo and folding 64x16')
        yield ratio(f'{mix}, each signed: echo and checking', f'intake {mix} signed 64x16',
                    f'yardstick {mix} CURVE echo and checking 64x16', LEAST, 0.8)
        yield ratio(f'{mix}, bundles: without signatures', f'intake {mix} bundles 64x16', curve, LEAST, 0.9)
    yield ratio('deadline, 1,000 clients: Redis Streams', 'intake deadline plain 1000x1',
                'peer deadline Redis Streams 1000x1', LEAST, 1, ceiling='yardstick deadline R 1000x1')


def latency():
    plain, redis, log = PLAIN.format('deadline'), REDIS.format('deadline'), 'yardstick deadline R 64x16'
    yield ratio('p99 at 5,000/s: F + E', f'{plain} 5000/s p99', 'yardstick deadline F + E 64x16', MOST, 10, 3,
                f'{log} 5000/s p99')
    for rate, bar in ((5000, None), (170000, 2)):
        yield ratio(f'p99 at {rate:,}/s: Redis Streams', f'{plain} {rate}/s p99', f'{redis} {rate}/s p99', MOST, bar,
                    1, f'{log} {rate}/s p99')
    yield value('p99 at half of its own maximum', f'{plain} half p99', MOST, 12, 3, ceiling=f'{log} half p99')


def reading():
    for size in ('10^4', '10^7'):
        yield value(f'a cell in the node, {size}', f'read a cell in an open snapshot @{size}', MOST, 0.5,
                    unit='us')
        yield ratio(f'a cell over the wire, {size}: E', f'read wire plain one-cell @{size} p50',
                    'yardstick E, without encryption', MOST, CELL_E)
        yield value(f'a plan-period, {size}', f'read plan-period @{size}', MOST, PLAN_PERIOD_US, unit='us')
        yield value(f'a matrix 322 x 24, {size}', f'read matrix 322 x 24 @{size}', MOST, MATRIX_US, unit='us')
        yield from during_intake(size, '', 'plain', 'without encryption')
    yield from during_intake('10^7', ' encrypted, apart', 'signed', 'with CURVE')


def during_intake(size, kind, wire, echo):
    for question in ('one-cell', 'plan-period', 'matrix-322-x-24'):
        yield ratio(f'p99 of {question} during intake{kind}, {size}: a quiet node',
                    f'read during intake{kind} {question} @{size} p99', f'read wire {wire} {question} @{size} p99',
                    MOST, 2, ceiling=f'yardstick E during intake{kind.removesuffix(", apart")} @{size}, p99',
                    ceiling_against=f'yardstick E, {echo}, p99')
    for question, bar in (('plan-period', PLAN_PERIOD_US), ('matrix-322-x-24', MATRIX_US)):
        yield value(f'p99 of {question} during intake{kind}, {size}: its bar',
                    f'read during intake{kind} {question} @{size} p99', MOST, 2 * bar, unit='us')
    yield ratio(f'p99 of one-cell during intake{kind}, {size}: E',
                f'read during intake{kind} one-cell @{size} p99', f'yardstick E, {echo}', MOST, 2 * CELL_E)


def size():
    yield ratio('intake with 10^7 stored: with 10^5', 'growth intake @10^7', 'growth intake @10^5', LEAST, 0.85)
    yield ratio('memory with 10^7 stored: with 10^5', 'growth memory @10^7', 'growth memory @10^5', MOST, 1.1)
    yield ratio('disk of a report: its signed bytes', 'growth stored @10^7', 'signed bytes', MOST, 1.25)
    yield ratio('disk of an old report: its signed bytes', 'compress stored @10^6', 'signed bytes', MOST, 1.25, 0.5)
    yield value('start after kill -9 with 10^7', 'start @10^7', MOST, 500)
    yield ratio('rebuild: W', 'rebuild @10^7', 'rebuild W @10^7', LEAST, 0.5)
    yield ratio('rebuild: PostgreSQL', 'rebuild @10^7', 'peer PostgreSQL rebuild', LEAST, 3)
    yield value('catch-up, cells a second', 'catch-up @10^6', LEAST, 500000, unit='1/s')
    yield ratio('catch-up: PostgreSQL upsert', 'catch-up @10^6', 'peer PostgreSQL upsert @10^6', LEAST, 5)
    yield value('10,000 clients, each', 'connections 10000 memory each', MOST, 45, 30, 'kB',
                'connections 10000 CURVE echo memory each')
    yield value('10,000 clients connected and answered', 'connections 10000 all connected and answered', MOST, 40,
                20, 's')
    yield value('p99 at 5,000/s beside 9,900 silent', 'connections 10000 5000/s p99', MOST, 50)


GROUPS = {'Intake': intake, 'A receipt': latency, 'Reading': reading, 'Size': size}


class Run:
    """The lines of a run: `row, median, min, max, unit, against, ratio` behind tabs."""

    def __init__(self, lines):
        self.medians, self.ratios = {}, {}
        for line in lines:
            cells = line.split('\t')
            if len(cells) == 7 and cells[0] != 'row':
                name, middle, _, _, _, against, ratio_text = cells
                self.medians[name] = float(middle)
                if ratio_text != '-':
                    self.ratios[name, against] = float(ratio_text)

    def figure(self, bar):
        """Its figure, or None where the run has none that may be compared."""
        return self.held(bar, bar.row, bar.against)

    def ceiling(self, bar):
        return self.held(bar, bar.ceiling, bar.ceiling_against)

    def held(self, bar, row, against):
        if not against:
            return self.medians.get(row)
        found = [self.ratios[row, one] for one in against if (row, one) in self.ratios]
        worst = min if bar.sign == LEAST else max
        return worst(found) if found else None

    def verdict(self, bar):
        figure = self.figure(bar)
        if figure is None:
            return 'not measured' if bar.row not in self.medians else 'not compared'
        for wanted, word in ((bar.aim, 'aim'), (bar.bar, 'bar')):
            if wanted is not None and (figure >= wanted if bar.sign == LEAST else figure <= wanted):
                return word
        return 'missed' if bar.bar is not None else 'below the aim'
