"""The city's demonstration: five plans, four districts, a year of synthetic reports of each."""

import datetime
import os
import random
import threading
from typing import NamedTuple

import tables
import targets
from tree import Chaos, Demo, DemoError, Tree

# Which year of each plan is reported, and the node that its reporters send to.
PLANS = {'pn-2017': (2017, 'phu-nhuan'), 'hcm-2016-2020': (2020, 'city'),
         'q5-2021': (2021, 'quan-5'), 'q11-2016-2020': (2020, 'quan-11'),
         'gv-2022': (2022, 'go-vap')}
CITY_CODE = '79'
# The city's node hears from few itself: the districts of this demonstration and its departments.
CITY_REPORTERS = {'768', '774', '772', '764', 'hcm.skhcn', 'hcm.stc'}
# When every plan has ended: the instant that the city's targets are asked at.
JUDGED_AT = datetime.datetime(2023, 1, 10, 8, tzinfo=tables.ZONE)
NEVER_SENT = 0.04  # of the reports, so that coverage has something to show
LATE = 0.12
NIL = 0.05
TEXTS = ('Không có kiến nghị', 'Đề nghị hỗ trợ kinh phí tập huấn', 'Đề nghị có hướng dẫn sớm hơn')


class Report(NamedTuple):
    """One report to be sent: whose, of what, at which moment of the made-up clock."""
    plan: tables.Plan
    form: tables.Form
    period: tables.Period
    unit: int
    at: datetime.datetime
    late: bool  # arrives after its due instant
    nil: bool
    values: dict

    @property
    def words(self):
        return self.plan.code, self.form.code, self.period.label


def moment(day, hour=9):
    return datetime.datetime.combine(day, datetime.time(hour), tables.ZONE)


def values_of(form, chance):
    values = {}
    for field in form.fields:
        if field.type == 'yes-no':
            values[field.code] = chance.randint(0, 1)
        elif field.type == 'text':
            values[field.code] = chance.choice(TEXTS)
        else:
            values[field.code] = chance.choice((0, chance.randint(1, 60)))
    for _ in form.constraints:
        keep_constraints(form, values)
    return values


def keep_constraints(form, values):
    """Exchanges two figures that stand the wrong way round; the plans ask nothing else."""
    for row in form.constraints:
        small, large = row['left'], row['right']
        if row['operator'] == '>=':
            small, large = large, small
        elif row['operator'] != '<=':
            raise DemoError(f'no values are made for {row["left"]} {row["operator"]} '
                            f'{row["right"]}')
        if values[small] > values[large]:
            values[small], values[large] = values[large], values[small]


def plan_reports(plan, year, units, seed, only=None):
    """Every report of the plan's year; which come late, or never, follows from the seed."""
    for form in plan.forms.values():
        for period in plan.periods(form, year):
            on_day = units.on(period.last_day)
            due = plan.due(form, period)
            for unit in plan.reporters(form, period, on_day):
                if only is not None and on_day[unit]['code'] not in only:
                    continue
                chance = random.Random(f'{seed} {plan.code} {form.code} {period.label} {unit}')
                if chance.random() < NEVER_SENT:
                    continue
                late = due is not None and chance.random() < LATE
                if due is None:
                    at = moment(period.end + datetime.timedelta(days=5))
                elif late:
                    at = moment(due.date() + datetime.timedelta(days=3))
                else:
                    at = moment(due.date() - datetime.timedelta(days=2))
                nil = chance.random() < NIL
                yield Report(plan, form, period, unit, at, late, nil,
                             {} if nil else values_of(form, chance))


class Sums:
    """What the figures must be: added up here from what was sent."""

    def __init__(self, units):
        self.units = units
        self.rows = {}  # (plan, form, period, unit) -> coverage, and sums by field

    def _row(self, plan, form, period, unit):
        return self.rows.setdefault((plan.code, form.code, period.label, unit), {
            'received': 0, 'nil': 0, 'on_time': 0, 'late': 0, 'expected': 0, 'stated': True,
            'sums': {field.code: 0 for field in form.fields if field.summed}})

    def expect(self, plan, year):
        for form in plan.forms.values():
            for period in plan.periods(form, year):
                on_day = self.units.on(period.last_day)
                for unit, stated in plan.reporters(form, period, on_day).items():
                    for above in tables.chain(on_day, unit):
                        row = self._row(plan, form, period, above)
                        row['expected'] += 1
                        row['stated'] = row['stated'] and stated

    def add(self, report):
        on_day = self.units.on(report.period.last_day)
        due = report.plan.due(report.form, report.period)
        for unit in tables.chain(on_day, report.unit):
            row = self._row(report.plan, report.form, report.period, unit)
            row['received'] += 1
            row['nil'] += report.nil
            row['late'] += report.late
            row['on_time'] += due is not None and not report.late
            for field in row['sums']:
                row['sums'][field] += report.values.get(field, 0)


class CityDemo(Demo):
    top = 'city'

    def __init__(self, source, folder, seed, only=(), kill=False):
        self.units_paths = tables.shipped_units(source)
        self.units = tables.Units(self.units_paths)
        self.plans = {}
        for path in tables.shipped_plans(source):
            plan = tables.Plan(path)
            if not only or plan.code in only:
                self.plans[plan.code] = plan
        if not self.plans:
            raise DemoError(f'there is no plan of {", ".join(only)}')
        self.years = {code: PLANS[code][0] for code in PLANS if code in self.plans}
        self.reports = []
        self.sums = Sums(self.units)
        for code, year in self.years.items():
            plan = self.plans[code]
            reporters = CITY_REPORTERS if plan.issuer == CITY_CODE else None
            self.reports += plan_reports(plan, year, self.units, seed, reporters)
            self.sums.expect(plan, year)
        for report in self.reports:
            self.sums.add(report)
        self.failures = []
        super().__init__(folder, len(self.reports), Chaos(len(self.reports)) if kill else None)

    def number_of(self, code):
        """The number of the unit that had this code in 2020."""
        return next(number for number, state in self.units.on(datetime.date(2020, 6, 1)).items()
                    if state['code'] == code)

    # Setting up.

    def reporters_of(self, node):
        """Units that send to this node."""
        return sorted({report.unit for report in self.reports
                       if PLANS[report.plan.code][1] == node})

    def set_up(self):
        self.progress.say('keys, nodes and contexts')
        self.tree = Tree(self.folder, self.chaos)
        commands = self.tree.commands
        self.tree.add('city', self.number_of(CITY_CODE), clock='2021-01-04T08:00:00+07:00')
        for code in self.plans:
            name = PLANS[code][1]
            if name != 'city':
                first = min(report.at for report in self.reports if report.plan.code == code)
                self.tree.add(name, self.number_of(self.plans[code].issuer), 'city',
                              clock=(first - datetime.timedelta(days=1)).isoformat())
        keys = {name: [] for name in self.tree.nodes}
        for name, node in self.tree.nodes.items():
            if name != 'city':
                keys['city'].append((node.public, node.unit, 'node', f'node {name}'))
            for unit in self.reporters_of(name)[1:]:  # the first one joins by a token
                reporter = self.reporter(name, unit)
                public = commands.new_key(reporter)
                keys[name].append((public, unit, 'reporter', reporter))
                commands.run('context', 'add', reporter, '--endpoint', node.endpoint,
                             '--node-key', node.public, '--key', reporter, '--unit', unit)
            reviewer = f'{name}.reviewer'
            keys[name].append((commands.new_key(reviewer), node.unit, 'reviewer', reviewer))
            commands.run('context', 'add', reviewer, '--endpoint', node.endpoint,
                         '--node-key', node.public, '--key', reviewer)
        keys['city'].append(self.page_key())
        for name, rows in keys.items():
            with open(self.keys_path(name), 'w', encoding='utf-8') as file:
                file.write('# key\nkey,unit,role,from,to,name\n')
                for public, unit, role, words in rows:
                    file.write(f'{public},{unit},{role},2010-01-01,,{words}\n')
        if self.chaos is not None:
            self.chaos.choose(self.tree)
        for name in self.tree.nodes:
            self.furnish(name)

    @staticmethod
    def reporter(node, unit):
        return f'{node}.{unit}'

    def keys_path(self, name):
        return os.path.join(self.folder, f'{name}.keys')

    def furnish(self, name):
        """Starts a node and publishes units, plans and keys at it."""
        commands = self.tree.commands
        self.tree.nodes[name].supervise()
        plans = [plan.path for code, plan in self.plans.items()
                 if name == 'city' or PLANS[code][1] == name]
        commands.run('--context', name, 'unit', 'publish', *self.units_paths)
        commands.run('--context', name, 'plan', 'publish', *plans)
        commands.run('--context', name, 'key', 'enrol', '--file', self.keys_path(name))
        for unit in self.reporters_of(name)[:1]:
            self.join(name, unit)

    def join(self, name, unit):
        """A unit that gets no more than one line of text, and makes its own key with it."""
        commands, reporter = self.tree.commands, self.reporter(name, unit)
        token = commands.run('--context', name, 'key', 'invite', '--unit', unit,
                             '--role', 'reporter', '--name', reporter).strip()
        commands.run('join', token, '--name', reporter)

    # Sending.

    def send_all(self):
        """The reports of each node in the order of its made-up clock; nodes side by side."""
        self.progress.say('reports')
        threads = [threading.Thread(target=self.send_to, args=(name,), daemon=True)
                   for name in self.tree.nodes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failures:
            raise DemoError('\n'.join(map(str, self.failures)))

    def send_to(self, name):
        try:
            mine = [report for report in self.reports if PLANS[report.plan.code][1] == name]
            for at in sorted({report.at for report in mine}):
                self.set_clock(name, at)
                for unit in sorted({report.unit for report in mine if report.at == at}):
                    self.send(name, unit, [report for report in mine
                                           if report.at == at and report.unit == unit])
        except Exception as error:  # told by the thread that waits
            self.failures.append(error)

    def set_clock(self, name, at):
        # Also in the settings, so that a node that dies wakes up on the same day.
        node = self.tree.nodes[name]
        node.settings['clock.start'] = at.isoformat()
        node.write_settings()
        self.tree.commands.run('--context', name, 'node', 'clock', at.isoformat())

    def send(self, name, unit, reports):
        """One ward fills its forms and sends them with its own key."""
        run = self.tree.commands.run
        context = ('--context', self.reporter(name, unit))
        files = []
        for report in reports:
            path = os.path.join(self.folder, f'{"_".join(report.words)}_{unit}.csv')
            run(*context, 'report', 'new', *report.words, '-o', path)
            filled = [f'{field}={value}' for field, value in report.values.items()]
            run(*context, 'report', 'fill', path, *(['--nil'] if report.nil else filled))
            files.append(path)
        run(*context, 'report', 'send', *files)
        for _ in files:
            self.progress.add()
            if self.chaos is not None:
                self.chaos.step()

    # Checking.

    def settle(self):
        self.progress.say('waiting for the city to acknowledge every rollup')
        self.tree.settle([name for name in self.tree.nodes if name != 'city'])
        self.set_clock('city', JUDGED_AT)

    def check(self, out):
        """Prints the city's view; the number of differences from what was sent."""
        differences = 0
        proposed = []
        out.write('plan\tperiod\tunit\tn/m\tfield\tvalue\n')
        for code in self.years:
            plan = self.plans[code]
            wanted = {key[1:]: row for key, row in self.sums.rows.items() if key[0] == code}
            top = self.number_of(plan.issuer)
            for row in self.tree.figures('city', code):
                key = (row['form'], row['period'], row['unit'])
                if key not in wanted:
                    # Of another year of the plan: nothing was sent.
                    differences += row['received'] != 0
                    continue
                differences += self.compare(wanted.pop(key), row)
                if row['unit'] == top:
                    lines = [(code, row['period'], self.name_of(row['unit']),
                              f'{row["received"]}/{row["expected"]}',
                              f'{row["form"]}.{field}', '-' if value is None else str(value))
                             for field, value in row['sums'].items()]
                    if row['stated']:
                        out.writelines('\t'.join(line) + '\n' for line in lines)
                    else:
                        proposed += lines
            differences += len(wanted)
        if proposed:
            out.write('# proposed forms: no document asks for them; not part of stated coverage\n')
            out.writelines('\t'.join(line) + '\n' for line in proposed)
        return (differences + self.check_coverage(out) + self.check_targets(out)
                + sum(self.tree.recounted(name) for name in self.tree.nodes))

    def check_coverage(self, out):
        """Prints what the city has of each form in all its periods; the number of differences."""
        city = self.number_of(CITY_CODE)
        names = ('received', 'expected', 'late')
        differences = 0
        proposed = []
        out.write('plan\tform\tn/m\tlate\n')
        for code in self.years:
            for form in self.plans[code].forms:
                wanted = {key[2]: row for key, row in self.sums.rows.items()
                          if (key[0], key[1], key[3]) == (code, form, city)}
                rows = [row for row in self.tree.figures('city', code, '--unit', city)
                        if row['form'] == form and row['period'] in wanted]
                counts = [sum(row[name] for row in rows) for name in names]
                differences += sum(count != sum(row[name] for row in wanted.values())
                                   for count, name in zip(counts, names))
                line = f'{code}\t{form}\t{counts[0]}/{counts[1]}\t{counts[2]}\n'
                if all(row['stated'] for row in rows):
                    out.write(line)
                else:
                    proposed.append(line)
        if proposed:
            out.write('# proposed forms\n')
            out.writelines(proposed)
        return differences

    def check_targets(self, out):
        """Prints every target at the city's node; the number of differences."""
        city = self.number_of(CITY_CODE)
        differences = 0
        out.write('target\tplan\tcode\tperiod\tunit\tvalue\tgoal\tn/m\tstatus\treason\n')
        for code in self.years:
            plan = self.plans[code]
            if not plan.targets:
                continue
            wanted = targets.Evaluation(plan, self.units, self.reports).all(city)
            for row in self.tree.targets('city', code):
                unit = self.number_of(row['unit'])
                said = targets.Result(row['value'] or '', row['coverage'], row['status'],
                                      row['reason'] or '')
                differences += wanted.pop((row['target'], row['period'], unit), None) != said
                out.write('\t'.join(('target', code, row['target'], row['period'],
                                     self.name_of(unit), said.value or '-', row['goal'],
                                     said.coverage, said.status, said.reason)) + '\n')
            differences += len(wanted)
        return differences

    def name_of(self, number):
        return self.units.on(datetime.date(2020, 6, 1))[number]['name']

    @staticmethod
    def compare(wanted, row):
        """How many of a row's numbers are not what they must be."""
        names = ('received', 'nil', 'on_time', 'late', 'expected', 'stated')
        return sum(row[name] != wanted[name] for name in names) + \
            sum((row['sums'].get(field) or 0) != value for field, value in wanted['sums'].items())
