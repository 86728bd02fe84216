"""Units and plans as their files say: read here a second time, so that the nodes can be checked.

Standard library only. What is expected from whom, and when it is due, is worked out from the
tables by this file alone; nothing is asked of a node.
"""

import csv
import datetime
import os
from typing import NamedTuple

ZONE = datetime.timezone(datetime.timedelta(hours=7))
MONTHS = {'month': 1, 'quarter': 3, 'half-year': 6, 'year': 12}


def read_tables(path):
    """{table: [row as a dict, …]} of a table file."""
    tables, name, header = {}, None, None
    with open(path, encoding='utf-8', newline='') as file:
        lines = [line for line in file if line.strip() and not line.startswith('##')]
    for cells in csv.reader(lines):
        if cells[0].startswith('# ') and len(cells) == 1:
            name, header = cells[0][2:].strip(), None
            tables.setdefault(name, [])
        elif header is None:
            header = cells
        else:
            tables[name].append(dict(zip(header, cells)))
    return tables


def day_of(text):
    return datetime.date.fromisoformat(text)


class Units:
    """All dated states of all units."""

    def __init__(self, paths):
        self.states = []
        for path in paths:
            for row in read_tables(path)['unit']:
                row['unit'] = int(row['unit'])
                row['parent'] = int(row['parent'] or 0)
                row['from'] = day_of(row['from'])
                row['to'] = day_of(row['to']) if row['to'] else datetime.date.max
                self.states.append(row)

    def on(self, day):
        """{number: state} of that day."""
        return {state['unit']: state for state in self.states
                if state['from'] <= day < state['to']}


def chain(units, number):
    """The unit and everything above it, from what Units.on gave."""
    found = []
    while number:
        found.append(number)
        number = units[number]['parent']
    return found


class Period(NamedTuple):
    label: str
    start: datetime.date
    end: datetime.date  # the day after the last

    @property
    def last_day(self):
        return self.end - datetime.timedelta(days=1)


def month_start(year, index):
    """The first day of month number index from 0, over the ends of years."""
    return datetime.date(year + index // 12, index % 12 + 1, 1)


def periods_of_year(cadence, year):
    length = MONTHS[cadence]
    labels = {'month': '{}-{:02}', 'quarter': '{}-Q{}', 'half-year': '{}-H{}', 'year': '{}'}
    return [Period(labels[cadence].format(year, number + 1), month_start(year, number * length),
                   month_start(year, (number + 1) * length)) for number in range(12 // length)]


def position_of(period):
    """H1 of 2022-H1, 05 of 2022-05, nothing of 2022."""
    return period.label.partition('-')[2]


def words_of(row, name):
    return (row.get(name) or '').split()


class Field(NamedTuple):
    code: str
    type: str
    summed: bool


class Form:
    def __init__(self, row):
        self.code = row['code']
        self.cadence = row['cadence']
        self.positions = words_of(row, 'positions')
        self.fields = []
        self.duties = []
        self.dues = []
        self.constraints = []


class Plan:
    def __init__(self, path):
        tables = read_tables(path)
        head = tables['plan'][0]
        self.path = path
        self.code, self.issuer = head['code'], head['issuer']
        self.start, self.end = day_of(head['from']), day_of(head['to'])
        self.forms = {row['code']: Form(row) for row in tables['form']}
        self.indicators, self.targets = tables.get('indicator', []), tables.get('target', [])
        for name, target in (('field', 'fields'), ('duty', 'duties'), ('due', 'dues'),
                             ('constraint', 'constraints')):
            for row in tables.get(name, []):
                for form in words_of(row, 'form'):
                    getattr(self.forms[form], target).append(row)
        for form in self.forms.values():
            form.fields = [Field(row['code'], row['type'], row['over_units'] == 'sum')
                           for row in form.fields]

    def periods(self, form, year):
        """The form's periods of a year that begin within the horizon."""
        return [period for period in periods_of_year(form.cadence, year)
                if self.start <= period.start < self.end and
                (not form.positions or position_of(period) in form.positions)]

    def all_periods(self, form):
        """Those of the whole horizon, in order."""
        return [period for year in range(self.start.year, self.end.year + 1)
                for period in self.periods(form, year)]

    def reporters(self, form, period, units):
        """{unit: stated} of who owes the form for the period; units as on its last day."""
        by_code = {state['code']: number for number, state in units.items()}
        found = {}
        for duty in form.duties:
            kind, *words = duty['reporter'].split()
            stated = not duty['source'].startswith('proposed')
            if kind == 'unit':
                bound = [by_code[code] for code in words if code in by_code]
            else:
                top = by_code.get(duty.get('under'))
                addressees = words_of(duty, 'addressee')
                bound = [number for number, state in units.items()
                         if state['group'] in words and state['code'] not in addressees and
                         (not duty.get('under') or top in chain(units, number))]
            for number in bound:
                found[number] = found.get(number, False) or stated
        return found

    def due(self, form, period):
        """The instant before which a report is on time; None where unstated."""
        own = [row for row in form.dues if row.get('position') == position_of(period)]
        rules = [row['rule'] for row in own or form.dues if row in own or not row.get('position')]
        if not rules or rules[0] == 'unstated':
            return None
        operator, day = rules[0].split()
        if day.startswith('+'):
            due = period.end + datetime.timedelta(days=int(day) - 1)
        else:
            month, number = day.split('-')
            due = datetime.date(period.start.year, int(month), int(number))
        if operator == 'on':
            due += datetime.timedelta(days=1)
        return datetime.datetime.combine(due, datetime.time(), ZONE)


def shipped_units(source):
    folder = os.path.join(source, 'config', 'units')
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))
            if name.endswith('.units')]


def shipped_plans(source):
    folder = os.path.join(source, 'config', 'plans')
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))
            if name.endswith('.plan')]
