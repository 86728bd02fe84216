"""An independent model of a node, written from docs/domain.md and docs/protocol.md.

It reads the same plan and unit tables as a node, takes the same signed reports and acts, and says
what the node must judge and answer. It shares no code with the node. Figures are Python integers
(counts of 10^-scale) and fractions: exact, without a bound.
"""

import csv
import datetime
import io
import re
from fractions import Fraction

SUM_MAX = (1 << 62) - 1
DAY_MS = 86_400_000
ZONE_MS = 7 * 3_600_000
EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()

ACCEPTED, ON_TIME, LATE = 0, 1, 2
(UNKNOWN_PLAN, UNKNOWN_FORM, UNKNOWN_PERIOD, UNKNOWN_UNIT, UNIT_NOT_VALID, NOT_YOUR_UNIT,
 NO_OBLIGATION, UNKNOWN_FIELD, WRONG_TYPE, OUT_OF_RANGE, OVERFLOW, MISSING_FIELD, STALE_REVISION,
 REASON_MISSING, NIL_WITH_VALUES, CONSTRAINT, CLOSED, ACT_NOT_POSSIBLE) = range(16, 34)
REFUSED_MIN = 16
NOT_PERMITTED = 69

NONE, RECEIVED, ACCEPTED_STATUS, RETURNED, WITHDRAWN = range(5)
NIL, EXEMPT, WAIVED, CLOSED_FLAG, REOPENED = 1, 2, 4, 8, 16
ACCEPT, RETURN, WITHDRAW, WAIVE, EXTEND, EXEMPT_ACT, CLOSE, REOPEN = range(1, 9)
STATE_NAMES = {RECEIVED: 'received', ACCEPTED_STATUS: 'accepted', RETURNED: 'returned',
               WITHDRAWN: 'withdrawn'}


# Days and tables -----------------------------------------------------------------------------

def day_of(text):
    return datetime.date.fromisoformat(text).toordinal()


def day_ms(day):
    """The instant at which a day begins in Asia/Ho_Chi_Minh."""
    return (day - EPOCH_DAY) * DAY_MS - ZONE_MS


def day_at(ms):
    return (ms + ZONE_MS) // DAY_MS + EPOCH_DAY


def tables_of(text):
    """{table: [{column: cell}, …]} of a table file."""
    tables, header, name = {}, None, None
    lines = [line for line in text.split('\n') if line and not line.startswith('##')]
    for line in lines:
        if line.startswith('# '):
            name, header = line[2:], None
        elif header is None:
            header = next(csv.reader(io.StringIO(line)))
        else:
            row = dict(zip(header, next(csv.reader(io.StringIO(line)))))
            tables.setdefault(name, []).append(row)
    return tables


def scaled(text, scale):
    """The count of 10^-scale that a decimal number says; it must be a whole one."""
    value = Fraction(text) * 10 ** scale
    if value.denominator != 1:
        raise ValueError(f'{text} has more than {scale} digits')
    return value.numerator


# Units ---------------------------------------------------------------------------------------

class State:
    """A unit in one of its states."""

    def __init__(self, row):
        self.unit = int(row['unit'])
        self.code = row['code']
        self.group = row['group']
        self.parent = int(row['parent']) if row['parent'] else 0
        self.first = day_of(row['from'])
        self.end = day_of(row['to']) if row['to'] else 1 << 40


class Forest:
    """The tree as it stands on one day."""

    def __init__(self, states):
        self.states = states
        self.by_code = {state.code: state.unit for state in states.values()}
        self.above = {}
        self.below = {unit: [] for unit in states}
        for unit in states:
            line, at = [], unit
            while at in states:
                line.append(at)
                at = states[at].parent
            self.above[unit] = line
            for other in line:
                self.below[other].append(unit)


class Units:
    def __init__(self, text):
        self.rows = [State(row) for row in tables_of(text)['unit']]
        self.numbers = {state.unit for state in self.rows}
        self._edges = sorted({state.first for state in self.rows}
                             | {state.end for state in self.rows})
        self._forests = {}
        self._ever = {}

    def ever_below(self, top):
        """The unit and all that were below it on any day."""
        if top not in self._ever:
            self._ever[top] = {unit for edge in self._edges
                               for unit in self.on(edge).below.get(top, ())}
        return self._ever[top]

    def on(self, day):
        key = sum(edge <= day for edge in self._edges)
        forest = self._forests.get(key)
        if forest is None:
            forest = Forest({state.unit: state for state in self.rows
                             if state.first <= day < state.end})
            self._forests[key] = forest
        return forest


# Periods -------------------------------------------------------------------------------------

MONTHS = {'month': 1, 'quarter': 3, 'half-year': 6, 'year': 12}


class Period:
    """label, window [first, end) in days."""

    def __init__(self, label, first, end, year=None, position=''):
        self.label, self.first, self.end = label, first, end
        self.year, self.position = year, position

    def __repr__(self):
        return self.label


def _civil_first(year, month):
    """The first day of a month that may be counted beyond the year's end."""
    return datetime.date(year + (month - 1) // 12, (month - 1) % 12 + 1, 1).toordinal()


def _decree_first(year, month):
    """The 15th of the month before."""
    month += 12 * year - 2
    return datetime.date(month // 12, month % 12 + 1, 15).toordinal()


def periods_of_year(calendar, cadence, year):
    if cadence == 'school-year':
        return [Period(f'{year}-{year + 1}', datetime.date(year, 9, 1).toordinal(),
                       datetime.date(year + 1, 9, 1).toordinal(), year)]
    made, months = [], MONTHS[cadence]
    first_of = _decree_first if calendar == 'decree-09' else _civil_first
    for index in range(12 // months):
        position = {'month': f'{index + 1:02}', 'quarter': f'Q{index + 1}',
                    'half-year': f'H{index + 1}', 'year': ''}[cadence]
        label = f'{year}-{position}' if position else f'{year}'
        made.append(Period(label + ('d' if calendar == 'decree-09' else ''),
                           first_of(year, 1 + index * months),
                           first_of(year, 1 + (index + 1) * months), year, position))
    return made


# Plans ---------------------------------------------------------------------------------------

class Field:
    def __init__(self, row):
        self.code = row['code']
        self.type = row['type']
        self.scale = int(row.get('scale') or 0)
        self.over_time = row['over_time']
        self.over_units = row['over_units']
        self.required = row.get('required') == 'yes'
        self.min = scaled(row['min'], self.scale) if row.get('min') else None
        self.max = scaled(row['max'], self.scale) if row.get('max') else None


class Duty:
    def __init__(self, row):
        words = row['reporter'].split(' ')
        self.by_group = words[0] == 'group'
        self.names = words[1:]
        self.under = row.get('under', '')
        self.addressees = row.get('addressee', '').split()
        self.stated = not row['source'].startswith('proposed')

    def binds(self, forest, unit):
        state = forest.states[unit]
        if not self.by_group:
            return state.code in self.names
        if state.group not in self.names or state.code in self.addressees:
            return False
        return not self.under or forest.by_code.get(self.under) in forest.above[unit]


class Form:
    def __init__(self, row):
        self.code = row['code']
        self.cadence = row['cadence']
        self.positions = row.get('positions', '').split()
        self.nested = row.get('nested') or 'stated'
        self.fields, self.rules, self.duties, self.constraints = [], {}, [], []
        self.periods, self.by_label, self.index = [], {}, {}

    def field(self, code):
        return self.fields[self.index[code]]


def _side(form, text):
    """A side of a constraint: [(field index or None, number)]."""
    return [(form.index[word], None) if word in form.index else (None, Fraction(word))
            for word in text.split(' + ')]


COMPARE = {'<': lambda a, b: a < b, '<=': lambda a, b: a <= b, '=': lambda a, b: a == b,
           'equal': lambda a, b: a == b, '>=': lambda a, b: a >= b, '>': lambda a, b: a > b}


class Indicator:
    def __init__(self, row, forms):
        self.code, self.kind = row['code'], row['kind']
        self.form = forms[row['form']]
        self.numerator = row.get('numerator', '')
        self.denominator = row.get('denominator', '')
        self.since = row.get('since', '')
        self.groups = row.get('groups', '').split()
        baseline = row.get('baseline', '')
        self.baseline = None if baseline in ('', 'unknown') else Fraction(baseline)
        self.condition, self.any = [], False
        if row.get('condition'):
            self.any = ' or ' in row['condition']
            for part in re.split(' and | or ', row['condition']):
                field, operator, number = part.split(' ')
                self.condition.append((field, COMPARE[operator], Fraction(number)))


class Target:
    def __init__(self, row, indicators):
        self.code = row['code']
        self.indicator = indicators[row['indicator']]
        self.operator = row['operator']
        self.value = Fraction(row['value'])
        self.per = row['per']
        self.level = row.get('level', '')
        self.by = day_of(row['by']) + 1 if row.get('by') else None


class Plan:
    def __init__(self, text):
        tables = tables_of(text)
        row, = tables['plan']
        self.code = row['code']
        self.first, self.end = day_of(row['from']), day_of(row['to'])
        self.calendar = row.get('calendar') or 'civil'
        self.counts = row.get('counts') or 'received'
        self.forms = {item['code']: Form(item) for item in tables['form']}
        for name, add in (('field', self._add_field), ('due', self._add_due),
                          ('duty', self._add_duty), ('constraint', self._add_constraint)):
            for item in tables.get(name, []):
                for code in item['form'].split():
                    add(self.forms[code], item)
        for form in self.forms.values():
            form.periods = self._periods(form)
            form.by_label = {period.label: period for period in form.periods}
            for period in form.periods:
                period.due = self._due(form, period)
        self.indicators = {item['code']: Indicator(item, self.forms)
                           for item in tables.get('indicator', [])}
        self.targets = [Target(item, self.indicators) for item in tables.get('target', [])]
        self.scores = tables.get('score', [])

    @staticmethod
    def _add_field(form, row):
        form.index[row['code']] = len(form.fields)
        form.fields.append(Field(row))

    @staticmethod
    def _add_due(form, row):
        for position in row.get('position', '').split() or ['']:
            form.rules[position] = row['rule']

    @staticmethod
    def _add_duty(form, row):
        form.duties.append(Duty(row))

    @staticmethod
    def _add_constraint(form, row):
        form.constraints.append((_side(form, row['left']), COMPARE[row['operator']],
                                 _side(form, row['right'])))

    def _periods(self, form):
        if form.cadence == 'once':
            label = datetime.date.fromordinal(self.first).isoformat()
            return [Period(label, self.first, self.end)]
        first_year = datetime.date.fromordinal(self.first).year
        last_year = datetime.date.fromordinal(self.end).year
        found = []
        for year in range(first_year - 1, last_year + 2):
            for period in periods_of_year(self.calendar, form.cadence, year):
                day = period.first
                if self.calendar == 'decree-09' and form.cadence != 'school-year':
                    day = period.end - 1
                if (self.first <= day < self.end
                        and (not form.positions or period.position in form.positions)):
                    found.append(period)
        return found

    @staticmethod
    def _due(form, period):
        """The instant before which a report is on time; None if unstated."""
        rule = form.rules.get(period.position, form.rules.get('', 'unstated'))
        if rule == 'unstated':
            return None
        word, when = rule.split(' ')
        if when.startswith('+'):
            last = datetime.date.fromordinal(period.end - 1)
            month = _civil_first(last.year, last.month + 1)
            day = month + int(when[1:]) - 1
        else:
            month, number = map(int, when.split('-'))
            if form.cadence in ('school-year', 'once'):
                year = datetime.date.fromordinal(period.first).year
                day = datetime.date(year, month, number).toordinal()
                if day < period.first:
                    day = datetime.date(year + 1, month, number).toordinal()
            else:
                day = datetime.date(period.year, month, number).toordinal()
        return day_ms(day + (word == 'on'))

    def longer(self, form, label):
        """The periods of the form within a longer window of its calendar; None if no such label."""
        if form.cadence not in MONTHS:
            return None
        for cadence, months in MONTHS.items():
            if months <= MONTHS[form.cadence]:
                continue
            for year in range(datetime.date.fromordinal(self.first).year - 1,
                              datetime.date.fromordinal(self.end).year + 2):
                for window in periods_of_year(self.calendar, cadence, year):
                    if window.label == label:
                        inside = [period for period in form.periods
                                  if window.first <= period.first and period.end <= window.end]
                        return inside or None
        return None


# What is held --------------------------------------------------------------------------------

class Cell:
    """One obligation, or what was closed at an inner unit."""

    __slots__ = ('revision', 'status', 'flags', 'extended', 'received', 'since', 'timeliness', 'values',
                 'note', 'counted', 'counted_values', 'signer', 'digest', 'origin', 'seq')

    def __init__(self):
        self.revision = self.status = self.flags = self.extended = self.received = self.since = 0
        self.timeliness = self.counted = self.origin = self.seq = 0
        self.values = self.counted_values = None
        self.signer = self.digest = b''
        self.note = ''

    @property
    def held(self):
        return self.status in (RECEIVED, ACCEPTED_STATUS)


class Signer:
    def __init__(self, key, unit, role, name):
        self.key, self.unit, self.role = key, unit, role
        self.party = (unit, role, name)


def _state(value):
    """The kind of a figure: None missing, 'na', or ('number', estimated)."""
    if value is None or isinstance(value, str):
        return None, 0, 0
    if isinstance(value, list):
        return ('number', value[0], 1) if value else ('na', 0, 0)
    return 'number', value, 0


class Combined:
    """A figure put together: value, how many numbers, estimates, and not applicable ones."""

    __slots__ = ('value', 'n', 'na', 'estimated', 'at')

    def __init__(self):
        self.value, self.n, self.na, self.estimated = None, 0, 0, 0

    def add(self, operator, other):
        if other.n:
            if self.value is None:
                self.value = other.value
            elif operator == 'sum':
                self.value += other.value
            elif operator == 'min':
                self.value = min(self.value, other.value)
            elif operator == 'max':
                self.value = max(self.value, other.value)
        self.n += other.n
        self.na += other.na
        self.estimated += other.estimated

    def row(self, operator):
        value = self.value
        if value is None and operator == 'sum':
            value = 0
        if value is not None and abs(value) > SUM_MAX:
            return None
        return [value, self.n, self.na, self.estimated]


def single(value):
    """A Combined of one report's figure."""
    kind, number, estimated = _state(value)
    made = Combined()
    if kind == 'number':
        made.value, made.n, made.estimated = number, 1, estimated
    elif kind == 'na':
        made.na = 1
    return made


def over_time(operator, values):
    """One unit's figure from those of its periods, the earliest first; as on the wire."""
    if operator == 'none':
        return None
    numbers, na = [], False
    for value in values:
        kind, number, estimated = _state(value)
        if kind == 'number':
            numbers.append((number, estimated))
        elif kind == 'na':
            na = True
    if not numbers:
        return [] if na else None
    if operator == 'last':
        return [numbers[-1][0]] if numbers[-1][1] else numbers[-1][0]
    if operator == 'sum':
        number = sum(number for number, _ in numbers)
    else:
        number = (min if operator == 'min' else max)(number for number, _ in numbers)
    return [number] if any(estimated for _, estimated in numbers) else number


class Coverage:
    __slots__ = ('received', 'nil', 'on_time', 'late', 'expected', 'returned', 'exempt', 'accepted',
                 'stated')

    def __init__(self):
        self.received = self.nil = self.on_time = self.late = self.expected = 0
        self.returned = self.exempt = self.accepted = 0
        self.stated = True

    def add(self, cell, stated):
        self.stated = self.stated and stated
        if cell is not None and cell.flags & EXEMPT:
            self.exempt += 1
            return
        self.expected += 1
        self.returned += cell is not None and cell.status == RETURNED
        if cell is None or not cell.held:
            return
        self.received += 1
        self.nil += bool(cell.flags & NIL)
        if cell.timeliness == ON_TIME or (cell.timeliness == LATE and cell.flags & WAIVED):
            self.on_time += 1
        elif cell.timeliness == LATE:
            self.late += 1
        self.accepted += cell.status == ACCEPTED_STATUS


class Node:
    """What one node holds."""

    def __init__(self, unit):
        self.unit = unit
        self.units = None
        self.plans = {}
        self.cells = {}
        self.ids = {}
        self.log = []
        self._bound = {}

    # What is in force ---------------------------------------------------------------------------

    def publish_units(self, text, instant=0):
        self.log.append((instant, 'units', text))
        self.units = Units(text)
        self._bound.clear()

    def publish_plan(self, text, instant=0):
        self.log.append((instant, 'plan', text))
        plan = Plan(text)
        self.plans[plan.code] = plan
        self._bound.clear()

    def as_of(self, instant):
        """Another node that took what this one took, up to an instant."""
        made = Node(self.unit)
        for entry in self.log:
            if entry[0] > instant:
                break
            if entry[1] == 'units':
                made.publish_units(entry[2], entry[0])
            elif entry[1] == 'plan':
                made.publish_plan(entry[2], entry[0])
            else:
                made.take(entry[1], entry[2], entry[3], entry[4], entry[5], entry[0])
        return made

    # Obligations ----------------------------------------------------------------------------------

    def bound(self, plan, form, period):
        """{unit: stated} of the units that are expected, and the tree of that day."""
        key = plan.code, form.code, period.label
        found = self._bound.get(key)
        if found is None:
            forest = self.units.on(period.end - 1)
            units = {}
            for unit in forest.below.get(self.unit, ()):
                binding = [duty for duty in form.duties if duty.binds(forest, unit)]
                if binding:
                    units[unit] = any(duty.stated for duty in binding)
            found = self._bound[key] = units, forest
        return found

    def due(self, cell, period):
        if cell is not None and cell.extended:
            return cell.extended
        return period.due

    def timeliness(self, cell, period, instant):
        due = self.due(cell, period)
        if due is None:
            return ACCEPTED
        return ON_TIME if instant < due else LATE

    # Judging --------------------------------------------------------------------------------------

    def take(self, kind, signer, items, digest, seq, instant):
        """Judges the reports or acts of one signed message; the list of judgements."""
        judge = self.judge_report if kind == 'submission' else self.judge_act
        judgements = [judge(signer, item, digest, seq, instant) for item in items]
        if any(judgement < REFUSED_MIN for judgement in judgements):
            self.log.append((instant, kind, signer, items, digest, seq))
        return judgements

    def _place(self, signer, plan_code, form_code, label, unit, instant, inner=False):
        """(code or None, plan, form, period, forest)"""
        plan = self.plans.get(plan_code)
        if plan is None:
            return UNKNOWN_PLAN, None, None, None, None
        form = plan.forms.get(form_code)
        if form is None:
            return UNKNOWN_FORM, None, None, None, None
        period = form.by_label.get(label)
        if period is None:
            return UNKNOWN_PERIOD, None, None, None, None
        if unit not in self.units.numbers:
            return UNKNOWN_UNIT, None, None, None, None
        forest = self.units.on(period.end - 1)
        if not self._speaks(signer, unit, forest, instant):
            return NOT_YOUR_UNIT, None, None, None, None
        if unit not in forest.states:
            return UNIT_NOT_VALID, None, None, None, None
        if self.unit not in forest.above[unit]:
            return NOT_YOUR_UNIT, None, None, None, None
        if not inner and unit not in self.bound(plan, form, period)[0]:
            return NO_OBLIGATION, None, None, None, None
        return None, plan, form, period, forest

    def _speaks(self, signer, unit, forest, instant):
        """A reporter for its own unit; others for those below theirs, then or today."""
        if signer.role == 'reporter':
            return unit == signer.unit
        if unit not in forest.states:
            return unit in self.units.ever_below(signer.unit)
        today = self.units.on(day_at(instant))
        return any(signer.unit in (unit, *on.above[unit]) for on in (forest, today)
                   if unit in on.states)

    @staticmethod
    def _value_problem(field, value):
        if isinstance(value, str) != (field.type == 'text'):
            return WRONG_TYPE
        kind, number, _ = _state(value)
        if kind != 'number':
            return None
        if field.type == 'yes-no' and number not in (0, 1):
            return WRONG_TYPE
        if ((field.min is not None and number < field.min)
                or (field.max is not None and number > field.max)):
            return OUT_OF_RANGE
        return OVERFLOW if abs(number) > SUM_MAX else None

    def _values_problem(self, form, nil, values):
        """The last problem that is found: values in their order, then what is missing."""
        last = None
        for code, value in values.items():
            problem = (self._value_problem(form.field(code), value) if code in form.index
                       else UNKNOWN_FIELD)
            last = problem or last
        if not nil and any(field.required and field.code not in values for field in form.fields):
            return MISSING_FIELD
        return last

    @staticmethod
    def _breaks(form, values):
        """Whether the figures break a constraint."""
        def amount(side):
            total = Fraction(0)
            for index, number in side:
                if index is None:
                    total += number
                    continue
                field = form.fields[index]
                kind, count, _ = _state(values.get(field.code))
                if kind != 'number':
                    return None
                total += Fraction(count, 10 ** field.scale)
            return total
        for left, compare, right in form.constraints:
            one, other = amount(left), amount(right)
            if one is not None and other is not None and not compare(one, other):
                return True
        return False

    def closed(self, key, cell, forest):
        """By an act on the unit or on one above it, and not reopened."""
        if cell is not None and cell.flags & (CLOSED_FLAG | REOPENED):
            return bool(cell.flags & CLOSED_FLAG)
        above = (self.cells.get((*key[:3], other)) for other in forest.above[key[3]][1:])
        return any(held is not None and held.flags & CLOSED_FLAG for held in above)

    def judge_report(self, signer, report, digest, seq, instant):
        plan_code, form_code, label, unit, revision, nil, values, note = report
        code, plan, form, period, forest = self._place(
            signer, plan_code, form_code, label, unit, instant)
        if code is not None:
            return code
        key = plan_code, form_code, label, unit
        cell = self.cells.get(key)
        if nil and values:
            return NIL_WITH_VALUES
        if revision > 1 and not note:
            return REASON_MISSING
        if cell is not None and revision <= cell.revision:
            return STALE_REVISION
        if self.closed(key, cell, forest) or (cell and cell.status == ACCEPTED_STATUS):
            return CLOSED
        code = self._values_problem(form, nil, values)
        if code is not None:
            return code
        if self._breaks(form, values):
            return CONSTRAINT
        if cell is None:
            cell = self.cells[key] = Cell()
        cell.flags = (cell.flags & (CLOSED_FLAG | REOPENED | (WAIVED if cell.held else 0))
                      | (NIL if nil else 0))
        if not cell.held:
            cell.since, cell.timeliness = instant, self.timeliness(cell, period, instant)
        cell.revision = revision
        cell.status = RECEIVED
        cell.received = instant
        cell.values, cell.note = dict(values), note
        cell.signer, cell.digest, cell.seq, cell.origin = signer.key, digest, seq, self.unit
        if plan.counts == 'received':
            cell.counted, cell.counted_values = revision, cell.values
        return cell.timeliness

    def judge_act(self, signer, act, digest, seq, instant):
        kind, plan_code, form_code, label, unit, revision, until, reason = act
        if signer.role != 'reviewer' and kind != WITHDRAW:
            return NOT_PERMITTED
        if not reason and kind not in (ACCEPT, CLOSE):
            return REASON_MISSING
        code, plan, form, period, forest = self._place(signer, plan_code, form_code, label, unit, instant,
                                                       inner=kind in (CLOSE, REOPEN))
        if code is not None:
            return code
        key = plan_code, form_code, label, unit
        cell = self.cells.get(key) or Cell()
        if not self.fits(kind, cell, revision, until, self.closed(key, cell, forest)):
            return ACT_NOT_POSSIBLE
        self.cells[key] = cell
        if kind == ACCEPT:
            cell.status = ACCEPTED_STATUS
            cell.flags &= ~REOPENED
            cell.counted, cell.counted_values = cell.revision, cell.values
        elif kind in (RETURN, WITHDRAW):
            cell.status = RETURNED if kind == RETURN else WITHDRAWN
            if cell.counted == cell.revision:
                cell.counted, cell.counted_values = 0, None
        elif kind == WAIVE:
            cell.flags |= WAIVED
        elif kind == EXTEND:
            cell.extended = until
            if cell.revision:
                cell.timeliness = self.timeliness(cell, period, cell.since)
                if cell.timeliness == ON_TIME:
                    cell.flags &= ~WAIVED
        elif kind == EXEMPT_ACT:
            cell.flags |= EXEMPT
        elif kind == CLOSE:
            cell.flags = (cell.flags | CLOSED_FLAG) & ~REOPENED
        elif kind == REOPEN:
            if cell.status == ACCEPTED_STATUS:
                cell.status = RECEIVED
            cell.flags = (cell.flags | REOPENED) & ~CLOSED_FLAG
        return ACCEPTED

    @staticmethod
    def fits(kind, cell, revision, until, closed):
        """Whether an act is possible; one that would change nothing is not."""
        if kind in (ACCEPT, RETURN, WITHDRAW) and (not cell.revision or revision != cell.revision):
            return False
        return {ACCEPT: cell.status == RECEIVED,
                RETURN: cell.held,
                WITHDRAW: cell.status in (RECEIVED, RETURNED) and not closed,
                WAIVE: cell.held and cell.timeliness == LATE and not cell.flags & WAIVED,
                EXTEND: until > 0,
                EXEMPT_ACT: not cell.held and not cell.flags & EXEMPT,
                CLOSE: not cell.flags & CLOSED_FLAG,
                REOPEN: cell.status == ACCEPTED_STATUS or closed}[kind]

    # Figures --------------------------------------------------------------------------------------

    def _figure(self, cell, field):
        if cell is None or not cell.counted:
            return None
        return cell.counted_values.get(field.code)

    def _own_values(self, cell, form):
        """The unit's own figures as in a cell of a rollup; nil if none count."""
        values = [None if field.type == 'text' else self._figure(cell, field)
                  for field in form.fields]
        if (cell is None or not cell.held) and values.count(None) == len(values):
            return None
        return values

    def line_in_window(self, unit, last):
        """
        The unit and those above it, on the last day of a window; a unit that is no more below this
        node then counts where it last stood.
        """
        line = self.units.on(last.end - 1).above.get(unit, ())
        if self.unit not in line:
            end = max(state.end for state in self.units.rows if state.unit == unit)
            line = self.units.on(end - 1).above[unit]
        return line[:line.index(self.unit) + 1] if self.unit in line else ()

    def counts_above(self, unit, field, last):
        """A stock has gone to others with a unit that ended, or left, before the last day of a window."""
        return (field.over_time != 'last'
                or self.unit in self.units.on(last.end - 1).above.get(unit, ()))

    def figures(self, plan_code, form_code=''):
        """{(form, period, unit): [counts, stated, values, sums]} over all periods of the plan."""
        plan, found = self.plans[plan_code], {}
        for form in plan.forms.values():
            if form_code in ('', form.code):
                for period in form.periods:
                    self._figures_of(plan, form, [period], period.label, found)
        return found

    def figures_over(self, plan_code, form_code, label):
        """The same over a longer window."""
        plan, found = self.plans[plan_code], {}
        form = plan.forms[form_code]
        self._figures_of(plan, form, plan.longer(form, label), label, found)
        return found

    def _figures_of(self, plan, form, periods, label, found):
        coverages, sums, own = {}, {}, {}
        long = label not in form.by_label
        combined = [field for field in form.fields if field.type != 'text']
        units = {}
        for period in periods:
            bound, forest = self.bound(plan, form, period)
            for unit, stated in bound.items():
                cell = self.cells.get((plan.code, form.code, period.label, unit))
                units.setdefault(unit, []).append((cell, stated, forest))
                for above in forest.above[unit]:
                    coverage = coverages.get(above)
                    if coverage is None:
                        coverage = coverages[above] = Coverage()
                    coverage.add(cell, stated)
                    if above == self.unit:
                        break
        for unit, parts in units.items():
            line = self.line_in_window(unit, periods[-1])
            values = {}
            for field in combined:
                if long:
                    value = over_time(field.over_time,
                                      [self._figure(cell, field) for cell, _, _ in parts])
                else:
                    value = self._figure(parts[0][0], field)
                values[field.code] = value
            if not long:
                own[unit] = self._own_values(parts[0][0], form)
            for above in line:
                row = sums.get(above)
                if row is None:
                    row = sums[above] = [Combined() for _ in form.fields]
                for index, field in enumerate(form.fields):
                    value = values.get(field.code)
                    if (value is not None and field.over_units != 'none' and
                            (above == unit or self.counts_above(unit, field, periods[-1]))):
                        row[index].add(field.over_units, single(value))
                if above == self.unit:
                    break
        for unit in coverages.keys() | sums.keys():
            coverage = coverages.get(unit) or Coverage()
            row = sums.get(unit) or [Combined() for _ in form.fields]
            written = []
            for index, field in enumerate(form.fields):
                if field.over_units == 'none' or (long and field.over_time == 'none'):
                    written.append(None)
                else:
                    written.append(row[index].row(field.over_units))
            found[form.code, label, unit] = (
                [coverage.received, coverage.nil, coverage.on_time, coverage.late,
                 coverage.expected, coverage.returned, coverage.exempt, coverage.accepted],
                coverage.stated, own.get(unit), written)

    def explain(self, plan_code, form_code, label, unit, field_code):
        """(total, rows of [period, unit, value, revision counted, status, received])."""
        plan = self.plans[plan_code]
        form = plan.forms[form_code]
        field = form.field(field_code)
        if label in form.by_label:
            periods = [form.by_label[label]]
            total = self.figures(plan_code, form_code)[form_code, label, unit][3]
        else:
            periods = plan.longer(form, label)
            total = self.figures_over(plan_code, form_code, label)[form_code, label, unit][3]
        rows = []
        for period in periods:
            for other in self.bound(plan, form, period)[0]:
                cell = self.cells.get((plan_code, form_code, period.label, other))
                value = self._figure(cell, field)
                if (value is not None and unit in self.line_in_window(other, periods[-1])
                        and (other == unit or self.counts_above(other, field, periods[-1]))):
                    rows.append([period.label, other, value, cell.counted, cell.status,
                                 cell.received])
        return total[form.index[field_code]], sorted(rows, key=lambda row: row[:2])

    # Obligations as they are shown ----------------------------------------------------------------

    def state(self, cell, period, clock):
        if cell is not None and cell.flags & EXEMPT:
            return 'exempt'
        if cell is not None and cell.status:
            return STATE_NAMES[cell.status]
        due = self.due(cell, period)
        if clock < day_ms(period.first):
            return 'not-yet'
        if due is not None and clock >= due:
            return 'overdue'
        if due is not None and clock >= due - 7 * DAY_MS:
            return 'due-soon'
        return 'expected'

    def obligations(self, plan_code, clock):
        """{(form, period, unit): (state, due, received, revision, timeliness, flags, counted,
        stated)}"""
        plan, found = self.plans[plan_code], {}
        for form in plan.forms.values():
            for period in form.periods:
                bound, _ = self.bound(plan, form, period)
                for unit, stated in bound.items():
                    cell = self.cells.get((plan_code, form.code, period.label, unit))
                    held = cell if cell is not None else Cell()
                    found[form.code, period.label, unit] = (
                        self.state(cell, period, clock), self.due(cell, period),
                        held.received if held.revision else None, held.revision,
                        held.timeliness, held.flags, held.counted, stated)
        return found

    # Nested cadences ------------------------------------------------------------------------------

    def source_form(self, plan, form, period, field_code):
        """The longest shorter form that has the field and whose periods make up the whole."""
        best = None
        for other in plan.forms.values():
            if (other.cadence in MONTHS and form.cadence in MONTHS
                    and MONTHS[other.cadence] < MONTHS[form.cadence]
                    and field_code in other.index
                    and (other.field(field_code).type, other.field(field_code).scale)
                    == (form.field(field_code).type, form.field(field_code).scale)):
                inside = [part for part in other.periods
                          if period.first <= part.first and part.end <= period.end]
                if sum(part.end - part.first for part in inside) != period.end - period.first:
                    continue
                if best is None or MONTHS[best[0].cadence] < MONTHS[other.cadence]:
                    best = other, inside
        return best

    def derived(self, plan, form, period, unit, field_code):
        """(value, form) of one unit by the shorter form; (None, None) where there is none."""
        best = self.source_form(plan, form, period, field_code)
        if best is None:
            return None, None
        other, inside = best
        field = other.field(field_code)
        values = []
        for part in inside:
            cell = self.cells.get((plan.code, other.code, part.label, unit))
            values.append(self._figure(cell, field))
        return over_time(field.over_time, values), other

    def _shown(self, plan, form, label, unit, field):
        """A number at a unit: over its subtree, its own of a field not combined over units."""
        if label in form.by_label:
            rows = {}
            self._figures_of(plan, form, [form.by_label[label]], label, rows)
        else:
            rows = self.figures_over(plan.code, form.code, label)
        row = rows.get((form.code, label, unit))
        if row is None or field.type == 'text':
            return None
        if field.over_units == 'none':
            if label in form.by_label:
                value = self._figure(self.cells.get((plan.code, form.code, label, unit)), field)
            else:
                value = over_time(field.over_time, [
                    self._figure(self.cells.get((plan.code, form.code, at.label, unit)), field)
                    for at in plan.longer(form, label)])
            kind, number, _ = _state(value)
            return number if kind == 'number' else None
        found = row[3][form.index[field.code]]
        return found[0] if found is not None and found[1] else None

    def nested(self, plan_code, form_code, label, unit):
        """[[field, stated, derived, difference, from_form, counts], …] of every field."""
        plan = self.plans[plan_code]
        form = plan.forms[form_code]
        rows = []
        for field in form.fields:
            best = self.source_form(plan, form, form.by_label[label], field.code)
            stated = self._shown(plan, form, label, unit, field)
            derived = best and self._shown(plan, best[0], label, unit, best[0].field(field.code))
            difference = stated - derived if None not in (stated, derived) else None
            rows.append([field.code, stated, derived, difference, best[0].code if best else '',
                         form.nested if best else 'stated'])
        return rows

    # Indicators and targets -----------------------------------------------------------------------

    def indicated(self, plan, form, period, unit, field_code):
        """The figure of a unit that counts in indicators."""
        field = form.field(field_code)
        if form.nested == 'derived' and self.source_form(plan, form, period, field_code):
            return self.derived(plan, form, period, unit, field_code)[0]
        return self._figure(self.cells.get((plan.code, form.code, period.label, unit)), field)

    def _members(self, plan, indicator, period, unit, alone):
        """[(unit, cell)] of those that are expected and not exempt."""
        bound, forest = self.bound(plan, indicator.form, period)
        found = []
        for other in bound:
            if (other != unit) if alone else (unit not in forest.above[other]):
                continue
            if indicator.groups and forest.states[other].group not in indicator.groups:
                continue
            cell = self.cells.get((plan.code, indicator.form.code, period.label, other))
            found.append((other, cell))
        return found

    def evaluate(self, plan, indicator, period, unit, alone=False):
        """{'value': Fraction or None, 'reason', 'numerator', 'denominator', 'n', 'm', 'short'}"""
        form = indicator.form
        result = {'value': None, 'reason': '', 'numerator': 0, 'denominator': 0, 'short': []}
        if indicator.kind == 'cumulative':
            since = form.by_label[indicator.since]
            periods = [other for other in form.periods
                       if since.first <= other.first <= period.first]
        else:
            periods = [period]
        members = [(at, other, cell) for at in periods
                   for other, cell in self._members(plan, indicator, at, unit, alone)]
        expected = [(at, other, cell) for at, other, cell in members
                    if cell is None or not cell.flags & EXEMPT]
        missing = [other for _, other, cell in expected if cell is None or not cell.held]
        n, m = len(expected) - len(missing), len(expected)
        result.update(n=n, m=m)
        if indicator.kind == 'multiple' and indicator.baseline is None:
            result['reason'] = 'no baseline'
        elif m == 0:
            result['reason'] = 'no unit is expected'
        elif n == 0:
            result['reason'] = 'no report'

        def number(other, code, at):
            kind, count, _ = _state(self.indicated(plan, form, at, other, code))
            return count if kind == 'number' else None

        if indicator.kind in ('share-of-units', 'each'):
            met, short, whole = 0, [], 0
            for _, other, _ in expected:
                figures = [self.indicated(plan, form, period, other, part[0])
                           for part in indicator.condition]
                if all(figure == [] for figure in figures):
                    continue
                whole += 1
                answers = []
                for figure, (code, compare, value) in zip(figures, indicator.condition):
                    kind, count, _ = _state(figure)
                    answers.append(kind == 'number' and compare(
                        Fraction(count, 10 ** form.field(code).scale), value))
                if (any if indicator.any else all)(answers):
                    met += 1
                else:
                    short.append(other)
            result.update(numerator=met, denominator=whole, short=sorted(short))
            if whole:
                result['value'] = Fraction(100 * met, whole)
            else:
                result['reason'] = result['reason'] or 'no denominator'
            return result
        scale = form.field(indicator.numerator).scale
        if indicator.kind == 'ratio':
            top = bottom = 0
            with_both = set()
            for at, other, _ in members:
                part = number(other, indicator.numerator, at)
                whole = number(other, indicator.denominator, at)
                if part is not None and whole is not None:
                    with_both.add(other)
                    top += part
                    bottom += whole
            result.update(numerator=top, denominator=bottom,
                          short=sorted(other for _, other, _ in expected if other not in with_both))
            if bottom > 0:
                result['value'] = 100 * Fraction(top, 10 ** scale) / Fraction(
                    bottom, 10 ** form.field(indicator.denominator).scale)
            else:
                result['reason'] = result['reason'] or 'no denominator'
            return result
        numbers = [number(other, indicator.numerator, at) for at, other, _ in members]
        numbers = [count for count in numbers if count is not None]
        result.update(numerator=sum(numbers), short=sorted(missing))
        result['value'] = Fraction(sum(numbers), 10 ** scale)
        if not numbers:
            result['reason'] = result['reason'] or 'no figure'
        if indicator.baseline is not None:
            result['value'] /= indicator.baseline
        return result

    def _any_report(self, plan, form, period, unit):
        bound, forest = self.bound(plan, form, period)
        cells = [self.cells.get((plan.code, form.code, period.label, other))
                 for other in bound if unit in forest.above[other]]
        return any(cell is not None and cell.held for cell in cells)

    def target_status(self, plan, target, period, result, clock):
        if result['reason']:
            return 'not-measurable'
        if COMPARE[target.operator](result['value'], target.value):
            return 'met'
        if target.per == 'year':
            first, end = period.first, period.end
        else:
            first, end = plan.first, plan.end
        end = target.by or end
        if clock >= day_ms(end):
            return 'missed'
        if target.operator in ('<', '<=') or (target.operator == 'equal'
                                              and result['value'] > target.value):
            return 'behind'
        elapsed = Fraction(max(0, day_at(clock) - first), max(1, end - first))
        return 'on-track' if result['value'] >= target.value * elapsed else 'behind'

    def target_periods(self, plan, target, unit, clock):
        """Those begun, the first in any case; of the horizon, the latest with a report."""
        form = target.indicator.form
        asked = form.periods
        if target.indicator.since:
            since = form.by_label[target.indicator.since]
            asked = [period for period in asked if period.first >= since.first]
        begun = [period for period in asked if clock >= day_ms(period.first)] or asked[:1]
        if target.per == 'year':
            return begun
        reported = [period for period in begun if self._any_report(plan, form, period, unit)]
        return reported[-1:] or begun[:1]

    def targets(self, plan_code, clock):
        """{(target, period, unit): (status, reason, numerator, denominator, n, m, [short])}"""
        plan, found = self.plans[plan_code], {}
        for target in plan.targets:
            for unit in self.units.numbers:
                if not target.level and unit != self.unit:
                    continue
                for period in self.target_periods(plan, target, unit, clock):
                    forest = self.units.on(period.end - 1)
                    if (unit not in forest.states or self.unit not in forest.above[unit]
                            or target.level not in ('', forest.states[unit].group)):
                        continue
                    result = self.evaluate(plan, target.indicator, period, unit)
                    if result['m'] == 0:
                        continue
                    partly = 'not all have reported' if result['n'] < result['m'] else ''
                    found[target.code, period.label, unit] = (
                        self.target_status(plan, target, period, result, clock),
                        result['reason'] or partly,
                        None if result['reason'] else result['numerator'], result['denominator'],
                        result['n'], result['m'], result['short'])
        return found

    # Scores ---------------------------------------------------------------------------------------

    def _timeliness_points(self, plan, row, points, unit, clock):
        expected = on_time = 0
        for code in row['ref'].split():
            form = plan.forms[code]
            for period in form.periods:
                if clock < day_ms(period.first) or unit not in self.bound(plan, form, period)[0]:
                    continue
                cell = self.cells.get((plan.code, code, period.label, unit))
                expected += cell is None or not cell.flags & EXEMPT
                on_time += (cell is not None and cell.held
                            and (cell.timeliness != LATE or bool(cell.flags & WAIVED)))
        if not expected:
            return 0
        return (Fraction(points * on_time, expected) + Fraction(1, 2)).__floor__()

    def _target_points(self, plan, row, points, unit, clock):
        target, = (target for target in plan.targets if target.code == row['ref'])
        form, latest = target.indicator.form, None
        for period in form.periods:
            cell = self.cells.get((plan.code, form.code, period.label, unit))
            if clock >= day_ms(period.first) and cell is not None and cell.held:
                latest = period
        if latest is None:
            return 0
        result = self.evaluate(plan, target.indicator, latest, unit, alone=True)
        return points if self.target_status(plan, target, latest, result, clock) == 'met' else 0

    def scores(self, plan_code, clock):
        """[[unit, total, [[term, points, of], …]], …]"""
        plan, found = self.plans[plan_code], []
        bound = set()
        for form in plan.forms.values():
            for period in form.periods:
                bound.update(self.bound(plan, form, period)[0])
        for unit in sorted(bound) if plan.scores else ():
            terms = []
            for row in plan.scores:
                points = scaled(row['points'], 2)
                earn = (self._timeliness_points if row['kind'] == 'timeliness'
                        else self._target_points)
                terms.append([row['term'], earn(plan, row, points, unit, clock), points])
            found.append([unit, sum(term[1] for term in terms), terms])
        return found
