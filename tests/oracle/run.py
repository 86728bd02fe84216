#!/usr/bin/python3
"""Random operations at two real nodes, every judgement and every figure held against the model.

    run.py --seed N --operations N     one seed
    run.py --seeds 100                 the nightly set

All data are synthetic. A difference ends the program with status 1 and shows the seed, the number
of the operation and both sides.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import model  # noqa: E402
import world  # noqa: E402
from world import CITY, DISTRICT, PLANS, Difference, client, equal  # noqa: E402

BATCH = 48            # signed messages in one message
START_DAY = model.day_of('2022-01-20')
DAYS = 740            # how far the clock goes in a run
MORNING_MS = 8 * 3_600_000


class Operation:
    """One signed message, and what is done with it."""

    def __init__(self, kind, signer, items, counter, made, expected=None):
        self.kind, self.signer, self.items = kind, signer, items
        self.counter, self.made = counter, made
        self.expected = expected  # a code for the whole; 'same': the receipt of before


class Run:
    def __init__(self, seed, operations, folder):
        self.seed, self.wanted = seed, operations
        self.random = random.Random(seed)
        self.world = world.World(folder)
        self.counters = {}
        self.done = 0
        self.items = 0
        self.judged = {}
        self.history = {place: [] for place in self.places}
        self.targets = {place: {} for place in self.places}
        self.parent_down = 0
        self.compared = 0
        self.seconds = {}

    @property
    def places(self):
        return self.world.child, self.world.parent

    # What is made -------------------------------------------------------------------------------

    def counter(self, name):
        party = self.world.signers[name].party
        self.counters[party] = self.counters.get(party, 0) + self.random.choice((1, 1, 1, 1, 3))
        return self.counters[party]

    def obligations(self, place):
        """{(plan, form, period, unit)} that this place takes reports for, by unit and by signer."""
        found = self.targets[place]
        if not found:
            units = {}
            for plan in place.model.plans.values():
                for form in plan.forms.values():
                    for period in form.periods:
                        bound, forest = place.model.bound(plan, form, period)
                        for unit in bound:
                            if place is self.world.parent and DISTRICT in forest.above[unit]:
                                continue
                            units.setdefault(unit, []).append((plan, form, period, unit))
            found['units'] = units
            found['all'] = [item for items in units.values() for item in items]
            for name, signer in self.world.signers.items():
                found[name] = [item for item in found['all'] if signer.unit in
                               place.model.bound(*item[:3])[1].above[item[3]]]
        return found

    def number(self, field):
        chance = self.random
        if field.type == 'yes-no':
            return chance.randrange(2)
        low = field.min if field.min is not None else -200
        high = min(field.max if field.max is not None else 10 ** 9, 120)
        value = chance.randint(low, high)
        return value * 1000 if field.max is None and chance.random() < 0.1 else value

    def values(self, form):
        chance, values = self.random, {}
        for field in form.fields:
            luck = chance.random()
            if luck < 0.12 and not field.required:
                continue
            if field.type == 'text':
                values[field.code] = f'chữ {chance.randrange(1000)}'
            elif luck < 0.2:
                values[field.code] = []
            elif luck < 0.35 and field.type != 'text':
                values[field.code] = [self.number(field)]
            else:
                values[field.code] = self.number(field)
        if 'phan' in values and chance.random() < 0.9:  # mostly within the constraint
            part, whole = values['phan'], values.get('so_a')
            if model.single(part).n and model.single(whole).n:
                values['phan'] = min(model.single(part).value, model.single(whole).value)
        return values

    def spoil(self, place, report, form):
        """One of the mistakes that a node refuses a report for."""
        chance = self.random
        number = next(field for field in form.fields if field.type in ('integer', 'money'))
        which = chance.randrange(15)
        if which == 0:
            report[0] = 'khong-co'
        elif which == 1:
            report[1] = 'khong-co'
        elif which == 2:
            report[2] = chance.choice(('2031-05', '2022-13', 'x', '2022-05-01', '2022-Q9'))
        elif which == 3:
            report[3] = chance.choice((999, 4_294_967_295))
        elif which == 4:
            report[3] = chance.choice((14, 17, 21, 11, 101, 1) if place is self.world.child
                                      else (23, 24, 31, 21, 20, 1))
        elif which == 5:
            report[6] = {**report[6], 'la': 1}
            report[5] = False
        elif which == 6:
            report[6] = {**report[6], number.code: 'chữ'}
            report[5] = False
        elif which == 7 and any(field.max is not None for field in form.fields):
            field = next(field for field in form.fields if field.max is not None)
            report[6] = {**report[6], field.code: field.max + 1}
            report[5] = False
        elif which == 8:
            field = next((field for field in form.fields
                          if field.type != 'text' and field.min is None and field.max is None
                          and field.type != 'yes-no'), None)
            if field is not None:
                report[6] = {**report[6], field.code: chance.choice((1 << 62, -(1 << 62)))}
                report[5] = False
        elif which == 9:
            report[6] = {code: value for code, value in report[6].items() if code != 'so_a'}
        elif which in (10, 11):
            report[4] = max(1, report[4] - chance.randint(1, 3))
        elif which == 12:
            report[7] = ''
        elif which == 13:
            report[5], report[6] = True, report[6] or {number.code: 1}
        else:
            report[6] = {**report[6], 'so_a': 5, 'phan': 6}
            report[5] = False

    def report(self, place, item, newest):
        chance = self.random
        plan, form, period, unit = item
        key = plan.code, form.code, period.label, unit
        cell = place.model.cells.get(key)
        last = newest.get(key, cell.revision if cell is not None else 0)
        revision = last + chance.choice((1, 1, 1, 1, 1, 2))
        if chance.random() < 0.03:
            revision = max(1, last)
        nil = chance.random() < 0.06
        values = {} if nil else self.values(form)
        if cell is not None and cell.values and chance.random() < 0.3 and not nil:
            values = {code: value[0] if isinstance(value, list) and value else value  # a true-up
                      for code, value in cell.values.items()}
        note = f'lần {revision}' if revision > 1 else ''
        report = [plan.code, form.code, period.label, unit, revision, nil, values, note]
        if chance.random() < 0.06:
            self.spoil(place, report, form)
        else:
            newest[key] = revision
        return report

    def near(self, items):
        """Mostly something of the last months, sometimes anything."""
        day = model.day_at(self.world.clock)
        for _ in range(4):
            item = self.random.choice(items)
            if item[2].first <= day <= item[2].end + 70:
                return item
        return item

    def submission(self, place, newest):
        chance = self.random
        names = [name for name, items in self.obligations(place).items()
                 if items and name.split()[0] in ('reporter', 'collector', 'second')]
        collectors = [name for name in names if name.startswith('collector')]
        name = chance.choice(collectors if chance.random() < 0.35 else names)
        items = self.obligations(place)[name]
        if not name.startswith('collector'):
            unit = self.world.signers[name].unit
            items = [item for item in items if item[3] == unit] or items
        count = chance.choice((1, 1, 1, 2, 3)) if chance.random() < 0.95 else chance.randint(4, 20)
        return name, [self.report(place, self.near(items), newest) for _ in range(count)]

    def act(self, place, items):
        chance = self.random
        plan, form, period, unit = self.near(items)
        for _ in range(3):
            if (plan.code, form.code, period.label, unit) in place.model.cells:
                break
            plan, form, period, unit = self.near(items)
        cell = place.model.cells.get((plan.code, form.code, period.label, unit)) or model.Cell()
        closed = bool(cell.flags & model.CLOSED_FLAG)
        kinds = [kind for kind in range(1, 9)
                 if place.model.fits(kind, cell, cell.revision, 1, closed)]
        weights = {model.ACCEPT: 6, model.RETURN: 4, model.WITHDRAW: 2, model.WAIVE: 4,
                   model.EXTEND: 2, model.EXEMPT_ACT: 2, model.CLOSE: 1, model.REOPEN: 3}
        if chance.random() < 0.2:
            kinds = list(weights)
        kind = chance.choices(kinds, [weights[kind] for kind in kinds])[0]
        if chance.random() < 0.04 and kind in (model.CLOSE, model.REOPEN):
            unit = chance.choice((101, 102, DISTRICT) if place is self.world.child else (20, CITY))
        if chance.random() < 0.1 and kind == model.REOPEN:
            closed = [key for key, held in place.model.cells.items()
                      if held.flags & model.CLOSED_FLAG]
            if closed:
                code, form_code, label, unit = chance.choice(sorted(closed))
                plan = place.model.plans[code]
                form = plan.forms[form_code]
                period = form.by_label[label]
        revision = cell.revision if kind in (model.ACCEPT, model.RETURN, model.WITHDRAW) else 0
        if revision and chance.random() < 0.05:
            revision = max(1, revision - 1)
        until = 0
        if kind == model.EXTEND:
            until = model.day_ms(model.day_at(self.world.clock) + chance.randint(-40, 60))
        reason = '' if kind in (model.ACCEPT, model.CLOSE) else f'vì {chance.randrange(100)}'
        if chance.random() < 0.02:
            reason = ''
        return [kind, plan.code, form.code, period.label, unit, revision, until, reason]

    def review(self, place):
        chance = self.random
        names = [name for name, items in self.obligations(place).items()
                 if items and name.startswith('reviewer')]
        name = chance.choice(names)
        items = self.obligations(place)[name]
        if chance.random() < 0.1:  # a reporter withdraws, or tries what only a reviewer may
            name = chance.choice([name for name, items in self.obligations(place).items()
                                  if items and name.split()[0] in ('reporter', 'collector')])
            items = self.obligations(place)[name]
            acts = [self.act(place, items) for _ in range(chance.randint(1, 3))]
            for act in acts:
                if act[0] != model.WITHDRAW and chance.random() < 0.7:
                    cell = place.model.cells.get(tuple(act[1:5])) or model.Cell()
                    act[0], act[5], act[6], act[7] = model.WITHDRAW, cell.revision or 1, 0, 'rút'
            return name, acts
        return name, [self.act(place, items)
                      for _ in range(chance.choice((1, 1, 2, 3, 8)))]

    def operation(self, place, newest, kind):
        chance = self.random
        old = self.history[place]
        if old and chance.random() < 0.04:
            operation = chance.choice(old)
            if operation.kind == kind:
                return Operation(kind, operation.signer, operation.items, operation.counter,
                                 operation.made, 'same')
        name, items = (self.submission(place, newest) if kind == 'submission'
                       else self.review(place))
        make = client.submission if kind == 'submission' else client.review
        created = self.world.clock - chance.randrange(10 ** 7)
        expected = None
        luck = chance.random()
        if luck < 0.01 and old:
            operation = chance.choice(old)
            if operation.kind == kind:
                name, counter, expected = operation.signer, operation.counter, 'id-conflict'
                created -= 1
        if expected is None and luck > 0.985 and kind == 'submission':
            if luck > 0.995:
                name, expected = chance.choice(('unknown', 'expired 12')), 'unknown-key'
            elif luck > 0.99:
                name, expected = 'reviewer 101', 'not-permitted'
            else:
                expected = 'bad-signature'
        if expected != 'id-conflict':
            counter = self.counter(name)
        made = make(self.world.keys[name], counter, items, created)
        if expected == 'bad-signature':
            made = client.Signed(made.data, made.signature[:-1] + bytes([made.signature[-1] ^ 1]))
        return Operation(kind, name, items, counter, made, expected)

    # What comes of it -----------------------------------------------------------------------------

    def check(self, place, operation, outcome, again):
        """One outcome against the model; again: the bytes may have arrived before."""
        signer = self.world.signers[operation.signer]
        where = (f'{place.name} {operation.kind} of {operation.signer} counter '
                 f'{operation.counter} {operation.items}')
        known = place.receipts.get((signer.party, operation.counter))
        if known is not None and known[0] == operation.made.digest:
            equal(f'{where}: the same receipt again', outcome.receipt and outcome.receipt.data,
                  known[1])
            return
        if operation.expected not in (None, 'same'):
            equal(f'{where}: {operation.expected}', (outcome.receipt, outcome.codes),
                  (None, [operation.expected]))
            if operation.expected == 'id-conflict':
                equal(f'{where}: highest', outcome.highest, place.highest[signer.party])
            return
        receipt = outcome.receipt
        if receipt is not None:
            place.saw(receipt.instant)
            judged = place.model.take(operation.kind, signer, operation.items,
                                      operation.made.digest, receipt.seq, receipt.instant)
            equal(f'{where}: judgements {outcome.problems}', receipt.judgements, judged)
            place.receipts[signer.party, operation.counter] = operation.made.digest, receipt.data
            place.highest[signer.party] = max(operation.counter,
                                              place.highest.get(signer.party, 0))
            if self.random.random() < 0.02:
                receipt.verify(place.daemon.key.public, operation.made)
            if len(self.history[place]) < 400 or self.random.random() < 0.1:
                self.history[place].append(operation)
        else:
            judged = place.model.take(operation.kind, signer, operation.items,
                                      operation.made.digest, 0, place.instant)
        problems = {index: client.CODE_NAMES[code] for index, code in enumerate(judged)
                    if code >= model.REFUSED_MIN}
        told = {problem.index: problem.code for problem in outcome.problems}  # the last of each
        # A receipt that is given again comes without the problems.
        if len(outcome.problems) < 64 and not (again and receipt is not None):
            equal(f'{where}: problems', told, problems)
        equal(f'{where}: stored', receipt is not None, len(problems) < len(judged))
        for code in judged:
            self.judged[code] = self.judged.get(code, 0) + 1

    def hand_in(self, place, operations, answers, again=False):
        self.done += len(operations)
        self.items += sum(len(operation.items) for operation in operations)
        pairs = list(zip(operations, answers))
        if again:
            # Some were taken before the node was killed: what was taken, in the order of its
            # entries. What was refused may have been refused in another state: it left nothing.
            pairs = sorted((pair for pair in pairs if pair[1].receipt is not None),
                           key=lambda pair: pair[1].receipt.seq)
        for operation, outcome in pairs:
            self.check(place, operation, outcome, again)

    def batch(self):
        chance = self.random
        place = self.world.child
        if not self.parent_down and chance.random() < 0.35:
            place = self.world.parent
        kind = 'review' if chance.random() < 0.3 else 'submission'
        newest = {}
        operations = [self.operation(place, newest, kind)
                      for _ in range(min(BATCH, self.wanted - self.done) or 1)]
        send = place.carrier.submit if kind == 'submission' else place.carrier.review
        if chance.random() < 0.03:
            self.crash(place, operations, kind)
        else:
            self.hand_in(place, operations, send(*[operation.made for operation in operations]))

    def crash(self, place, operations, kind):
        """Nobody hears the answers: the node is killed, the same bytes are sent again."""
        place.carrier.send('submit' if kind == 'submission' else 'review',
                           [[operation.made.data, operation.made.signature, 0]
                            for operation in operations])
        place.carrier.socket.poll(self.random.randrange(20))
        place.daemon.kill()
        place.start()
        self.world.set_clock(self.world.clock)
        send = place.carrier.submit if kind == 'submission' else place.carrier.review
        self.hand_in(place, operations, send(*[operation.made for operation in operations]), True)

    # Everything else that happens -----------------------------------------------------------------

    def events(self, batch, batches):
        chance, at = self.random, self.world
        day = START_DAY + DAYS * batch // batches
        at.set_clock(model.day_ms(day) + MORNING_MS)
        if chance.random() < 0.05:
            at.set_clock(at.clock - chance.randrange(10 ** 9))
            at.set_clock(at.clock)
        if batch == batches * 3 // 10:
            text = at.units_text.replace('12,p12,Phường 12,ward,101,2010-01-01,\n',
                                         '12,p12,Phường 12,ward,101,2010-01-01,2022-06-01\n'
                                         '12,p12,Phường 12,ward,102,2022-06-01,\n')
            for place in (at.parent, at.child):
                place.publish('units', 'units', text)
        elif batch == batches * 5 // 10:
            text = at.plan_texts['s1']
            text = text.replace('# constraint\n', 'thang,them,Thêm,integer,,flow,sum,sum,,,,T:L8\n'
                                '# constraint\n', 1)
            text = text.replace('# score\n', 'c16,tong,<=,500,year,cluster,,T:L10\n# score\n', 1)
            for place in (at.parent, at.child):
                place.publish('plan', 's1', text)
        elif batch == batches * 6 // 10:
            at.parent.disconnect()
            at.parent.daemon.stop()
            self.parent_down = max(2, batches // 12)
        elif self.parent_down == 1:
            at.parent.start()
            at.set_clock(at.clock)
            self.parent_down = 0
        elif self.parent_down:
            self.parent_down -= 1
        elif chance.random() < 0.02:
            place = chance.choice(self.places)
            place.disconnect()
            if chance.random() < 0.5:
                place.daemon.stop()
            else:
                place.daemon.kill()
            place.start()
            at.set_clock(at.clock)
        for place in self.places:
            self.targets[place].clear()

    # Comparing ------------------------------------------------------------------------------------

    def timed(self, name, function, *arguments):
        begin = time.monotonic()
        function(*arguments)
        self.seconds[name] = self.seconds.get(name, 0) + time.monotonic() - begin

    def compare(self, session, held, full):
        chance = self.random
        for plan in PLANS if full else (chance.choice(PLANS),):
            clock = self.world.clock
            self.timed('figures', world.compare_figures, session, held, plan)
            self.timed('obligations', world.compare_obligations, session, held, plan, clock)
            self.timed('longer', world.compare_longer, session, held, plan)
            if full or chance.random() < 0.2:
                self.timed('targets', world.compare_targets, session, held, plan, clock)
                self.timed('scores', world.compare_scores, session, held, plan, clock)
            self.timed('explain', self.compare_parts, session, held, plan)
        self.compared += 1

    def compare_parts(self, session, held, plan, moment=None):
        chance = self.random
        rows = sorted(held.figures(plan))
        for form, label, unit in chance.sample(rows, 4):
            field = chance.choice([field for field in held.plans[plan].forms[form].fields
                                   if field.type != 'text'])
            world.compare_explained(session, held, plan, form, label, unit, field.code, moment)
        if held.unit == DISTRICT:
            keys = sorted(key for key, cell in held.cells.items() if key[0] == plan
                          and cell.revision)
            for key in chance.sample(keys, min(4, len(keys))):
                world.compare_report(session, held, key, moment)
        for form, label in world.LONGER[plan][:2] if moment is None else ():
            unit = chance.choice([row[2] for row in rows if row[0] == form])
            field = chance.choice([field for field in held.plans[plan].forms[form].fields
                                   if field.type != 'text'])
            if (form, label, unit) in held.figures_over(plan, form, label):
                world.compare_explained(session, held, plan, form, label, unit, field.code)
        for form, label, unit in chance.sample([row for row in rows if row[0] in ('nua', 'nam')]
                                               or rows, 3):
            world.compare_nested(session, held, plan, form, label, unit, moment)

    def compare_as_of(self):
        place = self.world.child
        moments = sorted({entry[0] for entry in place.model.log})
        moment = self.random.choice(moments[10:]) + self.random.choice((0, 0, 1))
        past = place.model.as_of(moment)
        clock = max(instant for instant in moments if instant <= moment)
        session = place.control
        plan = self.random.choice([code for code in PLANS if code in past.plans])
        world.compare_figures(session, past, plan, moment)
        world.compare_obligations(session, past, plan, clock, moment)
        world.compare_targets(session, past, plan, clock, moment)
        self.compare_parts(session, past, plan, moment)

    def compare_parent_as_of(self):
        """At the city only what reports to it directly: nobody knows when the rest arrived."""
        place, unit = self.world.parent, 20
        moments = sorted({entry[0] for entry in place.model.log})
        moment = self.random.choice(moments[10:])
        past = place.model.as_of(moment)
        for plan in PLANS:
            rows = place.control.figures_as_of(moment, plan, unit=unit)
            wanted = past.figures(plan)
            world.match_rows(rows, {key: row for key, row in wanted.items() if key[2] == unit},
                             f'as of {moment}: {plan}')
            below = past.obligations(plan, moment)
            rows = place.control.obligations(plan, unit=unit, moment=moment)
            equal(f'city {plan}: obligations below {unit} as of {moment}',
                  [tuple(row) for row in rows], [row[:3] + below[row[:3]] for row in rows])

    def compare_states(self):
        """What depends on the clock, often."""
        place, clock = self.world.child, self.world.clock
        plan = self.random.choice(PLANS)
        world.compare_obligations(place.control, place.model, plan, clock)
        plan = self.random.choice(('s1', 's1', 's2'))
        world.compare_targets(place.control, place.model, plan, clock)

    def compare_parent(self, full):
        self.world.settle()
        self.compare(self.world.parent.control, self.world.parent_view(), full)

    def end(self):
        if self.parent_down:
            self.world.parent.start()
            self.world.set_clock(self.world.clock)
        self.compare(self.world.child.control, self.world.child.model, True)
        self.timed('settle', self.world.settle)
        self.compare_parent(True)
        for _ in range(2):
            self.timed('as of', self.compare_as_of)
        self.timed('as of', self.compare_parent_as_of)
        for place in self.places:
            counted = place.control.query('verify')[1]
            equal(f'{place.name}: verify', (counted['differences'], counted['details']), (0, []))

    def run(self):
        batches = max(1, -(-self.wanted // BATCH))
        for batch in range(batches):
            self.timed('events', self.events, batch, batches)
            self.timed('batches', self.batch)
            if batch % 3 == 0:
                self.timed('states', self.compare_states)
            if batch % max(2, batches // 12) == 1:
                self.compare(self.world.child.control, self.world.child.model, False)
                if not self.parent_down and self.random.random() < 0.3:
                    self.compare_parent(False)
        self.timed('end', self.end)


def run_seed(seed, operations, verbose=False):
    """None, or the words of what went wrong."""
    folder = tempfile.mkdtemp(prefix='baocao-oracle-')
    run, begin = None, time.monotonic()
    try:
        run = Run(seed, operations, folder)
        run.run()
        codes = ' '.join(f'{client.CODE_NAMES[code]}:{count}'
                         for code, count in sorted(run.judged.items()))
        print(f'seed {seed}: {run.done} operations, {run.items} reports and acts, '
              f'{run.compared} comparisons, 0 differences, {time.monotonic() - begin:.1f} s',
              flush=True)
        if verbose:
            print(codes)
            print(' '.join(f'{name} {spent:.1f}s' for name, spent in run.seconds.items()))
        return None
    except Exception as error:  # whatever it is, the seed is what one needs to see it again
        at = run.done if run else 0
        words = f'seed {seed}, operation {at}: {error}'
        if not isinstance(error, Difference):
            words += '\n' + traceback.format_exc()
        return words
    finally:
        if run is not None:
            run.world.close()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--seed', type=int, default=1, help='the first seed')
    parser.add_argument('--seeds', type=int, default=1, help='how many, from the first on')
    parser.add_argument('--operations', type=int, default=10_000)
    parser.add_argument('-v', '--verbose', action='store_true')
    arguments = parser.parse_args()
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        words = run_seed(seed, arguments.operations, arguments.verbose)
        if words:
            print(words)
            return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
