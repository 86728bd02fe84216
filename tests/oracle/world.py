"""Two real nodes, a city and one of its districts, with a model beside each of them."""

import hashlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'functional'))
sys.dont_write_bytecode = True

import harness  # noqa: E402
import model  # noqa: E402
from harness import client, ms_of  # noqa: E402

CITY, DISTRICT = 1, 10
PLANS = ('s1', 's2', 's3')
CLOCK = '2022-01-20T08:00:00+07:00'
LONGER = {'s1': (('thang', '2022-Q2'), ('thang', '2022-H2'), ('thang', '2022'), ('thang', '2023'),
                 ('nua', '2022'), ('quy', '2022')),
          's2': (('thang', '2022-Q3d'), ('thang', '2022d'), ('quy', '2022d')),
          's3': ()}


def text_of(name):
    with open(os.path.join(HERE, 'data', name), encoding='utf-8') as file:
        return file.read()


class Difference(Exception):
    """The node and the model do not say the same."""


def equal(what, node, other):
    if node != other:
        raise Difference(f'{what}\n  node:  {node}\n  model: {other}')


def key_of(name):
    return client.Key(hashlib.sha256(f'oracle key {name}'.encode()).digest())


class Place:
    """A node, the model of it, and the connections to it."""

    def __init__(self, world, name, unit, parent=None):
        self.world, self.name, self.unit = world, name, unit
        self.daemon = harness.Daemon(world.folder, f'{name}', unit, world.operator,
                                     parent and parent.daemon, clock=CLOCK,
                                     settings={'map_size': '128M'})
        self.model = model.Node(unit)
        self.receipts = {}
        self.highest = {}
        self.instant = 0
        self.carrier = self.control = None
        self.daemon.init()

    def start(self):
        self.daemon.start()
        self.connect()

    def connect(self):
        self.disconnect()
        self.control = self.daemon.session(timeout=harness.FLOW_SECONDS)
        self.carrier = self.daemon.session(self.world.keys['carrier 1'],
                                           timeout=harness.FLOW_SECONDS)

    def disconnect(self):
        for session in (self.control, self.carrier):
            if session is not None:
                session.close()
        self.control = self.carrier = None

    def publish(self, kind, name, text):
        outcome = self.control.publish(kind, name, text, issued=self.world.next_issue())
        if outcome.receipt is None:
            raise Difference(f'{self.name} refused {kind} {name}: {outcome.problems}')
        self.saw(outcome.receipt.instant)
        if kind == 'units':
            self.model.publish_units(text, outcome.receipt.instant)
        elif kind == 'plan':
            self.model.publish_plan(text, outcome.receipt.instant)

    def saw(self, instant):
        """An instant of a commit; they never decrease."""
        if instant < self.instant:
            raise Difference(f'{self.name}: an instant went back from {self.instant} to {instant}')
        self.instant = instant

    def close(self):
        self.disconnect()
        self.daemon.close()


class World:
    """The district below the city; keys for everybody."""

    def __init__(self, folder):
        self.folder = folder
        self.operator = key_of('operator')
        self.issued = 1_600_000_000_000
        self.units_text = text_of('synthetic.units')
        self.plan_texts = {code: text_of(f'{code}.plan') for code in PLANS}
        self.keys, self.signers, rows = {}, {}, []
        for state in sorted(model.Units(self.units_text).numbers):
            self._enrol(rows, f'reporter {state}', state, 'reporter')
        self._enrol(rows, 'second 11', 11, 'reporter', party='reporter 11')
        for unit in (CITY, DISTRICT, 20):
            self._enrol(rows, f'collector {unit}', unit, 'collector')
        for unit in (CITY, DISTRICT, 101, 20):
            self._enrol(rows, f'reviewer {unit}', unit, 'reviewer')
        self._enrol(rows, 'carrier 1', CITY, 'carrier')
        self._enrol(rows, 'expired 12', 12, 'reporter', end='2022-01-02')
        self.keys['unknown'] = key_of('unknown')
        self.signers['unknown'] = model.Signer(self.keys['unknown'].public, 12, 'reporter', '?')
        self.parent = Place(self, 'city', CITY)
        self.child = Place(self, 'district', DISTRICT, self.parent)
        rows.append((self.child.daemon.key.hex, DISTRICT, 'node', '2010-01-01', '', 'district'))
        self.keys_text = client.keys_text(rows)
        self.clock = ms_of(CLOCK)
        for place in (self.parent, self.child):
            place.start()
            place.publish('units', 'units', self.units_text)
            for code in PLANS:
                place.publish('plan', code, self.plan_texts[code])
            place.publish('keys', 'keys', self.keys_text)
            place.connect()
        # The district may have asked the city before the city knew its key.

    def _enrol(self, rows, name, unit, role, party=None, end=''):
        key = self.keys[name] = key_of(name)
        self.signers[name] = model.Signer(key.public, unit, role, party or name)
        rows.append((key.hex, unit, role, '2010-01-01', end, party or name))

    def next_issue(self):
        self.issued += 1
        return self.issued

    def set_clock(self, ms):
        self.clock = max(self.clock, ms)
        for place in (self.parent, self.child):
            if place.control is not None:
                now = place.control.clock(ms)
                if now < ms or now < place.instant:
                    raise Difference(f'{place.name}: the clock was set to {ms} and says {now}')

    def parent_view(self):
        """What the parent must show once everything of the child has arrived."""
        view = model.Node(CITY)
        view.units, view.plans = self.parent.model.units, self.parent.model.plans
        view.cells = {**self.child.model.cells, **self.parent.model.cells}
        return view

    def settle(self):
        """Waits until the parent has everything."""
        harness.wait_for(self.child.daemon, lambda session: (
            (session.status()['upstream'] or {}).get('pending') == 0))

    def close(self):
        for place in (self.child, self.parent):
            place.close()


# Comparing -----------------------------------------------------------------------------------

def compare_figures(session, held, plan, moment=None):
    wanted = held.figures(plan)
    if moment is None:
        rows = session.figures(plan)
    else:
        rows = session.figures_as_of(moment, plan)
    match_rows(rows, wanted, plan)
    return len(rows)


def match_rows(rows, wanted, where, with_own=True):
    equal(f'{where}: which figures there are',
          sorted((row.form, row.period, row.unit) for row in rows), sorted(wanted))
    for row in rows:
        counts, stated, own, sums = wanted[row.form, row.period, row.unit]
        place = f'{where} figures {row.form} {row.period} {row.unit}'
        equal(f'{place}: received nil on_time late expected returned exempt accepted',
              [row.received, row.nil, row.on_time, row.late, row.expected, row.returned, row.exempt,
               row.accepted], counts)
        equal(f'{place}: stated', row.stated, stated)
        if with_own:
            equal(f'{place}: own values', row.values, own)
        equal(f'{place}: sums', row.sums, sums)


def compare_longer(session, held, plan):
    for form, label in LONGER[plan]:
        match_rows(session.figures(plan, form, label), held.figures_over(plan, form, label),
                   f'{plan} over {label}', with_own=False)


def compare_obligations(session, held, plan, clock, moment=None):
    wanted = held.obligations(plan, clock)
    rows = session.obligations(plan, moment=moment)
    equal(f'{plan}: which obligations there are',
          sorted((row.form, row.period, row.unit) for row in rows), sorted(wanted))
    for row in rows:
        equal(f'{plan} obligation {row[:3]}: state due received revision timeliness flags counted '
              'stated', tuple(row[3:]), wanted[row[:3]])


def compare_explained(session, held, plan, form, label, unit, field, moment=None):
    total, rows = session.explain(plan, form, label, unit, field, moment)
    wanted, parts = held.explain(plan, form, label, unit, field)
    place = f'{plan} explain {form} {label} {unit} {field}'
    equal(f'{place}: total', total, wanted)
    equal(f'{place}: rows', sorted([list(row[:6]) for row in rows], key=lambda row: row[:2]), parts)


def compare_report(session, held, key, moment=None):
    """The latest revision of one obligation, with its texts."""
    cell = held.cells[key]
    told = session.report(*key, moment)
    wanted = {'revision': cell.revision, 'status': cell.status, 'flags': cell.flags,
              'counted': cell.counted, 'extended': cell.extended or None,
              'nil': bool(cell.flags & model.NIL), 'received': cell.received,
              'timeliness': cell.timeliness, 'origin_unit': cell.origin, 'seq': cell.seq,
              'sender': cell.signer, 'digest': cell.digest, 'values': cell.values,
              'note': cell.note}
    equal(f'report {key}', {name: told.get(name) for name in wanted}, wanted)


def compare_nested(session, held, plan, form, label, unit, moment=None):
    equal(f'{plan} nested {form} {label} {unit}',
          [list(row) for row in session.nested(plan, form, label, unit, moment)],
          held.nested(plan, form, label, unit))


def compare_targets(session, held, plan, clock, moment=None):
    wanted = held.targets(plan, clock)
    rows = session.targets(plan, moment=moment)
    equal(f'{plan}: which targets there are', sorted(row[:3] for row in rows), sorted(wanted))
    for row in rows:
        equal(f'{plan} target {row[:3]}: status reason numerator denominator n m short',
              (row.status, row.reason, row.numerator, row.denominator, row.n, row.m,
               sorted(row.units)), wanted[row[:3]])


def compare_scores(session, held, plan, clock, moment=None):
    equal(f'{plan} scores', session.scores(plan, moment=moment), held.scores(plan, clock))
