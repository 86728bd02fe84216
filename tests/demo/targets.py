"""Indicators and targets, evaluated a second time from what was sent (docs/domain.md, "Targets").

For the demonstration only: nothing is exempt, not applicable or estimated there, every figure is a
whole number, and the clock stands after the end of every plan, so that nothing is under way.
"""

import operator
from fractions import Fraction
from typing import NamedTuple

import tables

COMPARE = {'<': operator.lt, '<=': operator.le, 'equal': operator.eq, '=': operator.eq,
           '>=': operator.ge, '>': operator.gt}
SHARES = ('share-of-units', 'each')


class Result(NamedTuple):
    value: str
    coverage: str
    status: str
    reason: str


def holds(condition, values):
    """`a >= 3 or b = 1`; a comparison with a missing figure is false."""
    words = condition.split()
    parts = [words[at:at + 3] for at in range(0, len(words), 4)]
    found = [field in values and COMPARE[sign](values[field], int(number))
             for field, sign, number in parts]
    return any(found) if 'or' in words else all(found)


def hundredths(value):
    """Two digits behind the point, half up."""
    number = (value * 200 + 1) // 2
    return f'{number // 100}.{number % 100:02}'


class Evaluation:
    """All targets of one plan at one node's unit."""

    def __init__(self, plan, units, reports):
        self.plan = plan
        self.units = units
        self.values = {(report.form.code, report.period.label, report.unit): report.values
                       for report in reports if report.plan.code == plan.code}
        self.indicators = {row['code']: row for row in plan.indicators}

    def bound(self, form, period, unit, groups=()):
        """The units at and below the unit that must report."""
        on_day = self.units.on(period.last_day)
        return [number for number in self.plan.reporters(form, period, on_day)
                if unit in tables.chain(on_day, number) and
                (not groups or on_day[number]['group'] in groups)]

    def has_report(self, form, period, unit):
        return any((form.code, period.label, number) in self.values
                   for number in self.bound(form, period, unit))

    def periods_of(self, target, form, unit):
        periods = self.plan.all_periods(form)
        if target['per'] == 'year':
            return periods
        with_report = [period for period in periods if self.has_report(form, period, unit)]
        return with_report[-1:] or periods[:1]

    def evaluate(self, target, indicator, period, unit):
        form = self.plan.forms[indicator['form']]
        kind = indicator['kind']
        since = indicator.get('since') or period.label
        periods = [at for at in self.plan.all_periods(form) if since <= at.label <= period.label] \
            if kind == 'cumulative' else [period]
        groups = tables.words_of(indicator, 'groups')
        asked = [(form.code, at.label, number) for at in periods
                 for number in self.bound(form, at, unit, groups)]
        come = [self.values[key] for key in asked if key in self.values]
        value, reason = self.value_of(indicator, len(asked), come)
        if reason:
            return Result('', f'{len(come)}/{len(asked)}', 'not-measurable', reason)
        met = COMPARE[target['operator']](value, Fraction(target['value']))
        shown = f'{hundredths(value)}%' if kind in (*SHARES, 'ratio') else str(value)
        partly = 'not all have reported' if len(come) < len(asked) else ''
        return Result(shown, f'{len(come)}/{len(asked)}', 'met' if met else 'missed', partly)

    @staticmethod
    def value_of(indicator, expected, come):
        """(value, why there is none)"""
        kind, field = indicator['kind'], indicator.get('numerator')
        if kind == 'multiple' and indicator['baseline'] == 'unknown':
            return None, 'no baseline'
        if not expected or not come:
            return None, 'no report' if expected else 'no unit is expected'
        if kind in SHARES:
            meet = sum(holds(indicator['condition'], values) for values in come)
            return Fraction(100 * meet, expected), ''
        if kind == 'ratio':
            both = [values for values in come
                    if field in values and indicator['denominator'] in values]
            whole = sum(values[indicator['denominator']] for values in both)
            part = sum(values[field] for values in both)
            return (Fraction(100 * part, whole), '') if whole else (None, 'no denominator')
        numbers = [values[field] for values in come if field in values]
        if kind == 'multiple':
            return (Fraction(sum(numbers)) / Fraction(indicator['baseline']),
                    '') if numbers else (None, 'no figure')
        return (sum(numbers), '') if numbers else (None, 'no figure')

    def all(self, top):
        """{(target, period, unit's number): Result} as the node of unit top shows them."""
        found = {}
        for target in self.plan.targets:
            indicator = self.indicators[target['indicator']]
            form = self.plan.forms[indicator['form']]
            level = target.get('level')
            units = sorted({state['unit'] for state in self.units.states
                            if state['group'] == level}) if level else [top]
            for unit in units:
                for period in self.periods_of(target, form, unit):
                    on_day = self.units.on(period.last_day)
                    state = on_day.get(unit)
                    if state is None or (level and state['group'] != level) or \
                            not self.bound(form, period, unit, tables.words_of(indicator, 'groups')):
                        continue
                    found[target['code'], period.label, unit] = \
                        self.evaluate(target, indicator, period, unit)
        return found
