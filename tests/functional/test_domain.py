"""The rules of docs/domain.md one by one, with numbers worked out by hand. Synthetic data."""

import harness
from domain_case import DomainCase, indicators, plan_text, targets
from harness import CITY, DISTRICT_A, DISTRICT_B, client, key_of, ms_of

SUM_MAX = (1 << 62) - 1


class Domain(DomainCase):
    """One node for the whole tree; each test has a plan of its own. It is 2 July 2022."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.city = cls.node('city', CITY, clock=cls.CLOCK)
        cls.furnish(cls.city)
        cls.plans = 0

    def tearDown(self):
        self.assertEqual(harness.differences(self.city), 0)

    def publish(self, *arguments, **options):
        """Publishes a plan of its own; its code."""
        type(self).plans += 1
        code = f'p{self.plans}'
        harness.publish(self.city, 'plan', code, plan_text(code, *arguments, **options))
        return code

    def longer(self, plan, form, period, unit):
        with self.city.session() as session:
            rows = session.figures(plan, form, period, unit)
        return harness.row_of(rows, form, period, unit).sums

    def single_field(self, operators, kind='integer,', nature='stock'):
        """A plan of a monthly form with one field so."""
        return self.publish(['f,month'], ['f,group ward'], [f'f,so,{kind},{nature},{operators}'])

    def report_all(self, plan, period, figures, form='f'):
        for unit, value in figures.items():
            self.reported(self.city, unit, plan, form, period, so=value)

    # Over units -----------------------------------------------------------------------------------

    def test_sum_over_units(self):
        plan = self.single_field('sum,sum', nature='flow')
        # a stated zero is a number; [7] is an estimate; [] is not applicable; 22 says nothing
        self.report_all(plan, '2022-05', {11: 5, 12: [7], 13: [], 21: 0})
        self.reported(self.city, 22, plan, 'f', '2022-05', nil=True)
        self.assertEqual(self.sums(self.city, plan, 'f', '2022-05', DISTRICT_A), [[12, 2, 1, 1]])
        self.assertEqual(self.sums(self.city, plan, 'f', '2022-05', DISTRICT_B), [[0, 1, 0, 0]])
        row = self.row(self.city, plan, 'f', '2022-05', CITY)
        self.assertEqual(row.sums, [[12, 3, 1, 1]])  # 5 + 7 + 0
        self.assertEqual((row.received, row.expected, row.nil), (5, 5, 1))

    def test_a_report_that_no_duty_asks_for_any_more_counts_in_no_figure(self):
        plan = self.single_field('sum,sum', nature='flow')
        self.report_all(plan, '2022-05', {11: 3, 21: 4})
        self.assertEqual(self.sums(self.city, plan, 'f', '2022-05', CITY), [[7, 2, 0, 0]])
        text = plan_text(plan, ['f,month'], ['f,unit 21'], ['f,so,integer,,flow,sum,sum'])
        harness.publish(self.city, 'plan', plan, text)
        for period in ('2022-05', '2022'):  # 3 of unit 11 is kept and no longer counted
            self.assertEqual(self.longer(plan, 'f', period, CITY), [[4, 1, 0, 0]])
            with self.city.session() as session:
                _, (_, total, rows) = session.query('explain', plan, 'f', period, CITY, 'so', 0)
            self.assertEqual((total, [row[1] for row in rows]), ([4, 1, 0, 0], [21]))

    def test_a_plan_stands_below_one_that_is_published_and_never_below_itself(self):
        def text(code, parent=''):
            return plan_text(code, ['f,month'], ['f,group ward'], ['f,so,integer,,flow,sum,sum'],
                             parent=parent)

        def refused(code, parent):
            with self.city.session(key_of('operator')) as session:
                outcome = session.publish('plan', code, text(code, parent))
            return outcome.codes
        self.assertEqual(refused('pa', 'nowhere'), ['bad-text'])
        harness.publish(self.city, 'plan', 'pa', text('pa'))
        harness.publish(self.city, 'plan', 'pb', text('pb', 'pa'))
        self.assertEqual(refused('pa', 'pb'), ['bad-text'])

    def test_min_over_units(self):
        plan = self.single_field('min,min')
        self.report_all(plan, '2022-05', {11: 5, 12: [-3], 13: [], 21: 0})
        self.assertEqual(self.sums(self.city, plan, 'f', '2022-05', DISTRICT_A), [[-3, 2, 1, 1]])
        self.assertEqual(self.sums(self.city, plan, 'f', '2022-05', DISTRICT_B), [[0, 1, 0, 0]])
        self.assertEqual(self.sums(self.city, plan, 'f', '2022-05', CITY), [[-3, 3, 1, 1]])
        # the least goes: the next one comes back
        self.reported(self.city, 12, plan, 'f', '2022-05', revision=2, so=9)
        self.assertEqual(self.sums(self.city, plan, 'f', '2022-05', CITY), [[0, 3, 1, 0]])

    def test_max_over_units(self):
        plan = self.single_field('max,max')
        self.report_all(plan, '2022-05', {11: -5, 12: -3, 13: []})
        self.assertEqual(self.sums(self.city, plan, 'f', '2022-05', DISTRICT_A), [[-3, 2, 1, 0]])
        # nobody of district B: no greatest, not 0
        self.assertEqual(self.sums(self.city, plan, 'f', '2022-05', DISTRICT_B), [[None, 0, 0, 0]])

    def test_none_over_units(self):
        plan = self.single_field('last,none')
        self.report_all(plan, '2022-05', {11: 5, 12: 7})
        self.assertEqual(self.sums(self.city, plan, 'f', '2022-05', DISTRICT_A), [None])
        self.assertEqual(self.row(self.city, plan, 'f', '2022-05', 11).values, [5])

    def test_decimals_are_exact(self):
        plan = self.single_field('sum,sum', 'decimal,2', 'flow')
        # 0.10 + 0.20 + 0.03
        self.report_all(plan, '2022-05', {11: 10, 12: 20, 13: 3})
        self.assertEqual(self.sums(self.city, plan, 'f', '2022-05', CITY), [[33, 3, 0, 0]])

    def test_a_sum_that_would_leave_the_range_is_refused(self):
        plan = self.single_field('sum,sum', nature='flow')
        self.assertEqual(self.send(self.city, 11, plan, 'f', '2022-05', so=SUM_MAX + 1).codes,
                         ['overflow'])
        self.reported(self.city, 11, plan, 'f', '2022-05', so=SUM_MAX - 1)
        self.reported(self.city, 12, plan, 'f', '2022-05', so=1)
        self.assertEqual(self.send(self.city, 21, plan, 'f', '2022-05', so=1).codes, ['overflow'])
        self.assertEqual(self.sums(self.city, plan, 'f', '2022-05', CITY), [[SUM_MAX, 2, 0, 0]])
        self.reported(self.city, 12, plan, 'f', '2022-05', revision=2, so=-5)
        self.reported(self.city, 21, plan, 'f', '2022-05', so=6)
        self.assertEqual(self.sums(self.city, plan, 'f', '2022-05', CITY), [[SUM_MAX, 3, 0, 0]])
        # Over time nothing is refused, and nothing wrong is shown.
        self.reported(self.city, 11, plan, 'f', '2022-06', so=SUM_MAX)
        self.assertEqual(self.longer(plan, 'f', '2022', CITY), [None])

    # Over time ------------------------------------------------------------------------------------

    def over_time(self, operators, expected, nature='stock'):
        """Ward 11: 5, [2], not applicable; ward 12: not applicable; ward 13: 4, missing, 1."""
        plan = self.single_field(operators, nature=nature)
        self.report_all(plan, '2022-01', {11: 5, 12: [], 13: 4})
        self.report_all(plan, '2022-03', {11: [], 13: 1})
        self.report_all(plan, '2022-02', {11: [2]})
        self.assertEqual(self.longer(plan, 'f', '2022-Q1', DISTRICT_A), [expected])
        # nothing in April: nothing changes over the half-year
        self.assertEqual(self.longer(plan, 'f', '2022-H1', DISTRICT_A), [expected])
        return plan

    def test_sum_over_time(self):
        # ward 11: 5 + 2, estimated; ward 12 not applicable; ward 13: 4 + 1. Together 12.
        self.over_time('sum,sum', [12, 2, 1, 1], 'flow')

    def test_min_over_time(self):
        # ward 11: 2; ward 13: 1
        self.over_time('min,min', [1, 2, 1, 1])

    def test_max_over_time(self):
        # ward 11: 5 of 5 and [2]: one is an estimate; ward 13: 4
        self.over_time('max,max', [5, 2, 1, 1])

    def test_last_over_time(self):
        # ward 11: [2] of February, since March has no number; ward 13: 1 of March
        self.over_time('last,sum', [3, 2, 1, 1])

    def test_none_over_time(self):
        plan = self.over_time('none,sum', None)
        self.assertEqual(self.sums(self.city, plan, 'f', '2022-01', DISTRICT_A), [[9, 2, 1, 0]])

    def test_coverage_over_time_counts_each_period(self):
        plan = self.single_field('sum,sum', nature='flow')
        self.report_all(plan, '2022-01', {11: 5, 12: 1})
        self.report_all(plan, '2022-02', {11: 5})
        with self.city.session() as session:
            row = harness.row_of(session.figures(plan, 'f', '2022-Q1', DISTRICT_A), 'f', '2022-Q1',
                                 DISTRICT_A)
        self.assertEqual((row.received, row.expected), (3, 9))  # 3 wards, 3 months

    # Values ---------------------------------------------------------------------------------------

    def test_a_true_up_replaces_the_estimate(self):
        plan = self.single_field('sum,sum', nature='flow')
        self.report_all(plan, '2022-05', {11: [100], 12: 50})
        self.assertEqual(self.sums(self.city, plan, 'f', '2022-05', CITY), [[150, 2, 0, 1]])
        self.reported(self.city, 11, plan, 'f', '2022-05', revision=2, note='số chính thức', so=93)
        self.assertEqual(self.sums(self.city, plan, 'f', '2022-05', CITY), [[143, 2, 0, 0]])

    def test_a_constraint_speaks_where_all_its_fields_are_numbers(self):
        plan = self.publish(
            ['f,month'], ['f,group ward'],
            ['f,ca,decimal,1,flow,sum,sum', 'f,mot,decimal,2,flow,sum,sum',
             'f,hai,integer,,flow,sum,sum'],
            rest='# constraint\nform,left,operator,right,label,source\n'
                 'f,mot + hai,equal,ca,Hai phần là cả,proposed\n')
        # 1.25 + 2 = 3.25 is not 3.2
        self.assertEqual(self.send(self.city, 11, plan, 'f', '2022-05', ca=32, mot=125,
                                   hai=2).codes, ['constraint'])
        self.reported(self.city, 11, plan, 'f', '2022-05', ca=32, mot=[120], hai=2)
        self.reported(self.city, 12, plan, 'f', '2022-05', ca=32, mot=125)
        self.reported(self.city, 13, plan, 'f', '2022-05', ca=32, mot=125, hai=[])

    # Calendars ------------------------------------------------------------------------------------

    def dues(self, plan, form, unit=11):
        with self.city.session() as session:
            return {row.period: row.due for row in session.obligations(plan, form, '', unit)
                    if row.unit == unit}

    def test_the_civil_calendar(self):
        plan = self.publish(['m,month', 'q,quarter', 'h,half-year', 'y,year'],
                            ['m q h y,group ward'], ['m q h y,so,integer,,flow,sum,sum'],
                            due=['m,on +5', 'h,before 12-31', 'q,before +5'])
        self.assertEqual(len(self.dues(plan, 'm')), 12)
        # February's report is on time to the end of 5 March
        self.assertEqual(self.dues(plan, 'm')['2022-02'], ms_of('2022-03-06T00:00:00+07:00'))
        self.assertEqual(self.dues(plan, 'q')['2022-Q4'], ms_of('2023-01-05T00:00:00+07:00'))
        # 31 December of the label's year, both halves
        self.assertEqual(self.dues(plan, 'h')['2022-H1'], ms_of('2022-12-31T00:00:00+07:00'))
        self.assertEqual(self.dues(plan, 'y'), {'2022': None})

    def test_the_calendar_of_decree_09(self):
        plan = self.publish(['m,month', 'y,year'], ['m y,group ward'],
                            ['m y,so,integer,,flow,sum,sum'], calendar='decree-09',
                            due=['m,on +5', 'y,before 12-20'])
        # from 2022-01d, which begins on 15 December 2021, to 2022-12d, which ends on 14 December
        self.assertEqual(list(self.dues(plan, 'm')), [f'2022-{month:02}d' for month in
                                                      range(1, 13)])
        self.assertEqual(self.dues(plan, 'm')['2022-05d'], ms_of('2022-06-06T00:00:00+07:00'))
        self.assertEqual(self.dues(plan, 'y'), {'2022d': ms_of('2022-12-20T00:00:00+07:00')})
        # On 2 July the month from 15 June to 14 July has begun, the one from 15 July has not.
        self.assertEqual(self.obligation(self.city, plan, 'm', '2022-07d', 11).state, 'expected')
        self.assertEqual(self.obligation(self.city, plan, 'm', '2022-08d', 11).state, 'not-yet')
        self.report_all(plan, '2022-01d', {11: 1}, 'm')
        self.report_all(plan, '2022-12d', {11: 2}, 'm')
        self.assertEqual(self.longer(plan, 'm', '2022d', CITY), [[3, 1, 0, 0]])
        self.assertEqual(self.longer(plan, 'm', '2022-Q1d', CITY), [[1, 1, 0, 0]])

    def test_the_school_year(self):
        plan = self.publish(['s,school-year'], ['s,group ward'], ['s,so,integer,,stock,last,sum'],
                            due=['s,before 06-10'])
        # The one that begins within 2022; the first 10 June from its beginning on.
        self.assertEqual(self.dues(plan, 's'), {'2022-2023': ms_of('2023-06-10T00:00:00+07:00')})
        self.assertEqual(self.obligation(self.city, plan, 's', '2022-2023', 11).state, 'not-yet')

    def test_a_request_is_asked_once(self):
        plan = self.publish(['r,once'], ['r,group ward'], ['r,so,integer,,stock,last,sum'],
                            start='2022-06-15', end='2022-09-01', due=['r,before 07-05'])
        self.assertEqual(self.dues(plan, 'r'), {'2022-06-15': ms_of('2022-07-05T00:00:00+07:00')})
        # three days before it is due
        self.assertEqual(self.obligation(self.city, plan, 'r', '2022-06-15', 11).state, 'due-soon')
        self.report_all(plan, '2022-06-15', {11: 4, 21: 6}, 'r')
        self.assertEqual(self.sums(self.city, plan, 'r', '2022-06-15', CITY), [[10, 2, 0, 0]])

    def test_a_unit_is_expected_if_it_exists_on_the_last_day(self):
        # Ward 14 ended on 31 December 2020: it owes December 2020 and nothing after.
        plan = self.publish(['m,month'], ['m,group ward'], ['m,so,integer,,flow,sum,sum'],
                            start='2020-11-01', end='2021-03-01')
        self.assertEqual(list(self.dues(plan, 'm', 14)), ['2020-11', '2020-12'])
        self.assertEqual(self.send(self.city, 14, plan, 'm', '2021-01', so=1).codes,
                         ['unit-not-valid'])

    def test_a_stock_is_not_counted_again_at_who_took_it_over(self):
        harness.publish(self.city, 'units', 'merged', '''# unit
unit,code,name,group,parent,from,to
16,16,Phường cũ,ward,20,2010-01-01,2021-03-01
17,17,Phường mới,ward,20,2021-03-01,2021-07-01
''')
        harness.publish(self.city, 'keys', 'merged', client.keys_text(
            [(key_of(f'ward {unit}').hex, unit, 'reporter', '2010-01-01', '', 'W') for unit in (16, 17)]))
        plan = self.publish(['m,month'], ['m,group ward'], ['m,truong,integer,,stock,last,sum',
                                                            'm,moi,integer,,flow,sum,sum'],
                            start='2021-01-01', end='2022-01-01')
        for unit, period, schools, new in ((16, '2021-02', 20, 3), (17, '2021-03', 20, 1),
                                           (21, '2021-03', 7, 4)):
            self.reported(self.city, unit, plan, 'm', period, truong=schools, moi=new)
        # what was new is new, also where it was; a school is not there twice
        self.assertEqual(self.longer(plan, 'm', '2021-H1', DISTRICT_B), [[27, 2, 0, 0], [8, 3, 0, 0]])
        self.assertEqual(self.longer(plan, 'm', '2021-Q1', DISTRICT_B), [[27, 2, 0, 0], [8, 3, 0, 0]])
        self.assertEqual(self.longer(plan, 'm', '2021-H1', 16), [[20, 1, 0, 0], [3, 1, 0, 0]])
        with self.city.session() as session:
            for field, units in (('truong', [17, 21]), ('moi', [16, 17, 21])):
                total, parts = session.explain(plan, 'm', '2021-H1', DISTRICT_B, field)
                self.assertEqual([part.unit for part in parts], units)
                self.assertEqual(total[0], sum(part.value for part in parts))

    # Nested cadences ------------------------------------------------------------------------------

    def nested(self, plan, form, period, unit):
        with self.city.session() as session:
            return [list(row) for row in session.nested(plan, form, period, unit)]

    def nested_plan(self, which):
        return self.publish(
            ['m,month', f'h,half-year,,{which}', f'y,year,,{which}'], ['m h y,group ward'],
            ['m h y,so,integer,,flow,sum,sum', 'h y,moi,integer,,flow,sum,sum'],
            rest=indicators('i,h,sum,so', 'j,y,share-of-units,,,so >= 40')
            + targets('t,i,>=,50,year,district', 'u,j,equal,100,year,district'))

    def fill_nested(self, plan):
        """Months: ward 11 10 + 20 + 5, ward 12 7. Half-year: ward 11 40, ward 12 says nothing."""
        for period, value in (('2022-01', 10), ('2022-02', 20), ('2022-06', 5)):
            self.report_all(plan, period, {11: value}, 'm')
        self.report_all(plan, '2022-03', {12: 7}, 'm')
        self.report_all(plan, '2022-07', {11: 1000}, 'm')  # of the other half
        self.reported(self.city, 11, plan, 'h', '2022-H1', so=40, moi=3)

    def test_stated_and_derived_stand_side_by_side(self):
        plan = self.nested_plan('stated')
        self.fill_nested(plan)
        # 40 stated, 35 derived; moi is asked for in no shorter form
        self.assertEqual(self.nested(plan, 'h', '2022-H1', 11), [
            ['so', 40, 35, 5, 'm', 'stated'], ['moi', 3, None, None, '', 'stated']])
        self.assertEqual(self.nested(plan, 'h', '2022-H1', 12), [
            ['so', None, 7, None, 'm', 'stated'], ['moi', None, None, None, '', 'stated']])
        self.assertEqual(self.nested(plan, 'h', '2022-H1', DISTRICT_A)[0],
                         ['so', 40, 42, -2, 'm', 'stated'])
        # The year comes from the halves, the longest shorter form; never from both.
        self.assertEqual(self.nested(plan, 'y', '2022', 11)[0],
                         ['so', None, 40, None, 'h', 'stated'])
        # The stated one counts: 40 of 50.
        row = self.targets_of(self.city, plan, DISTRICT_A)['t', '2022-H1']
        self.assertEqual((row.status, row.numerator), ('missed', 40))

    def test_derived_figures_count_where_the_form_says_so(self):
        plan = self.nested_plan('derived')
        self.fill_nested(plan)
        self.assertEqual(self.nested(plan, 'h', '2022-H1', 11)[0],
                         ['so', 40, 35, 5, 'm', 'derived'])
        row = self.targets_of(self.city, plan, DISTRICT_A)['t', '2022-H1']
        # 35 + 7; one of three has sent the half-year report
        self.assertEqual((row.status, row.numerator, row.n, row.m), ('missed', 42, 1, 3))
        # Figures are what the reports say.
        self.assertEqual(self.sums(self.city, plan, 'h', '2022-H1', DISTRICT_A)[0], [40, 1, 0, 0])
        # The year of ward 11 by the half-year's reports: 40 >= 40. It must report before it counts.
        row = self.targets_of(self.city, plan, DISTRICT_A)['u', '2022']
        self.assertEqual((row.status, row.reason), ('not-measurable', 'no report'))
        self.reported(self.city, 11, plan, 'y', '2022', so=1)
        row = self.targets_of(self.city, plan, DISTRICT_A)['u', '2022']
        self.assertEqual((row.status, row.numerator, row.denominator, row.units),
                         ('behind', 1, 3, [12, 13]))

    def test_a_field_of_another_scale_is_not_derived_from(self):
        plan = self.publish(['m,month', 'q,quarter', 'y,year'], ['m q y,group ward'],
                            ['m,so,decimal,2,flow,sum,sum', 'q,so,decimal,1,flow,sum,sum',
                             'y,so,decimal,2,flow,sum,sum'])
        self.report_all(plan, '2022-01', {11: 125}, 'm')
        self.report_all(plan, '2022-Q1', {11: 12}, 'q')
        self.report_all(plan, '2022', {11: 130}, 'y')
        # 1.30 - 1.25: the quarter, which is longer, counts in tenths
        self.assertEqual(self.nested(plan, 'y', '2022', 11),
                         [['so', 130, 125, 5, 'm', 'stated']])
        self.assertEqual(self.nested(plan, 'q', '2022-Q1', 11),
                         [['so', 12, None, None, '', 'stated']])

    # Targets --------------------------------------------------------------------------------------

    YEAR_FIELDS = ('y,a,integer,,flow,sum,sum', 'y,b,decimal,1,flow,sum,sum',
                   'y,co,yes-no,,stock,last,sum')

    def targets_plan(self, some_indicators, some_targets, due=(), **options):
        return self.publish(['y,year'], ['y,group ward'], self.YEAR_FIELDS, due=due,
                            rest=indicators(*some_indicators) + targets(*some_targets), **options)

    def judged(self, plan, unit=DISTRICT_A, period='2022'):
        """{target: row}"""
        return {code: row for (code, label), row in
                self.targets_of(self.city, plan, unit).items() if label == period}

    def test_each_status(self):
        # 2022 has 365 days; on 2 July 31+28+31+30+31+30 + 1 = 182 of them have passed.
        plan = self.targets_plan(
            ['i,y,sum,a'],
            ['met,i,>=,182,year,district', 'strict,i,>,182,year,district',
             'track,i,>=,365,year,district', 'behind,i,>=,366,year,district',
             'behind2,i,>=,365.5,year,district',
             'missed,i,>=,183,year,district,2022-07-01', 'last,i,>=,183,year,district,2022-07-02',
             'equal,i,equal,365,year,district', 'over,i,equal,181,year,district', 'less,i,<,182,year,district',
             'most,i,<=,182,year,district'])
        before = self.judged(plan)
        self.assertEqual({(row.status, row.reason) for row in before.values()},
                         {('not-measurable', 'no report')})
        self.assertEqual({(row.n, row.m, row.short) for row in before.values()}, {(0, 3, 3)})
        for unit, a in ((11, 100), (12, 50), (13, 32)):  # together 182
            self.reported(self.city, unit, plan, 'y', '2022', a=a)
            rows = self.judged(plan)
            self.assertEqual({row.reason for row in rows.values()},
                             {'' if unit == 13 else 'not all have reported'})
        self.assertEqual({code: row.status for code, row in rows.items()}, {
            'met': 'met',           # 182 >= 182
            'strict': 'on-track',   # 182 > 182 is false; 182 >= 182 * 182/365
            'track': 'on-track',    # 182 >= 365 * 182/365 = 182
            'behind': 'behind',     # 366 * 182/365 is more than 182
            'behind2': 'behind',    # so is 365.5 * 182/365
            'missed': 'missed',     # 1 July was the last day
            'last': 'on-track',     # 2 July is: 182 >= 183 * 182/183
            'equal': 'on-track',    # 182 is not 365, but on the way
            'over': 'behind',       # 182 is above 181, and grows
            'less': 'behind',       # no on-track for <
            'most': 'met'})         # 182 <= 182
        self.assertEqual((rows['met'].numerator, rows['met'].denominator, rows['met'].n,
                          rows['met'].m, rows['met'].short), (182, 0, 3, 3, 0))

    def test_a_ratio_is_of_sums_over_units_that_have_both(self):
        plan = self.targets_plan(['i,y,ratio,b,a'], [
            'half,i,>=,50,year,district', 'more,i,>,50,year,district',
            'below,i,<=,49.9,year,district'])
        self.reported(self.city, 11, plan, 'y', '2022', b=30, a=10)  # 3.0 of 10
        self.reported(self.city, 12, plan, 'y', '2022', b=70, a=10)  # 7.0 of 10
        self.reported(self.city, 13, plan, 'y', '2022', b=900, a=[])  # not both
        rows = self.judged(plan)
        # (3.0 + 7.0) / 20 = 50 percent, not the mean of anything else
        self.assertEqual((rows['half'].status, rows['half'].numerator, rows['half'].denominator,
                          rows['half'].scale), ('met', 100, 20, 1))
        self.assertEqual(rows['half'].units, [13])
        self.assertEqual(rows['more'].status, 'on-track')
        self.assertEqual(rows['below'].status, 'behind')
        # district B: a ratio of 0 / 0, then one of less than nothing
        self.reported(self.city, 21, plan, 'y', '2022', b=0, a=0)
        for unit, a in ((21, 0), (22, -3)):
            self.reported(self.city, unit, plan, 'y', '2022', b=12, a=a, revision=2)
            row = self.judged(plan, DISTRICT_B)['half']
            self.assertEqual((row.status, row.reason), ('not-measurable', 'no denominator'))

    def test_a_share_of_units(self):
        plan = self.targets_plan(
            ['i,y,share-of-units,,,co = 1', 'g,y,share-of-units,,,co = 1,,,department'],
            ['half,i,>=,50,year,', 'all,i,equal,100,year,', 'nobody,g,equal,100,year,'])
        self.reported(self.city, 11, plan, 'y', '2022', co=1)
        self.reported(self.city, 12, plan, 'y', '2022', co=0)
        self.reported(self.city, 13, plan, 'y', '2022', co=[])  # leaves the denominator
        rows = self.judged(plan)
        # 1 of 2
        self.assertEqual((rows['half'].status, rows['half'].numerator, rows['half'].denominator),
                         ('met', 1, 2))
        self.assertEqual(rows['half'].units, [12])
        # the city: 21 and 22 are expected, have not reported and do not meet it: 1 of 4
        row = self.judged(plan, CITY)['half']
        self.assertEqual((row.status, row.numerator, row.denominator, row.n, row.m, row.units),
                         ('on-track', 1, 4, 3, 5, [12, 21, 22]))  # 25 >= 50 * 182/365 = 24.9…
        row = self.judged(plan, CITY)['nobody']
        self.assertEqual((row.status, row.reason), ('not-measurable', 'no unit is expected'))
        # an exempt unit leaves it too: 1 of 3
        self.acted(self.city, 'exempt', plan, 'y', '2022', 21, by='reviewer 1')
        row = self.judged(plan, CITY)['half']
        self.assertEqual((row.numerator, row.denominator, row.m), (1, 3, 4))

    def test_each_unit_with_one_of_two_conditions(self):
        plan = self.targets_plan(['i,y,each,,,a >= 3 or b >= 1.5', 'j,y,each,,,a >= 3 and b < 9'],
                                 ['t,i,equal,100,year,district', 'u,j,>=,33.3,year,district'])
        self.reported(self.city, 11, plan, 'y', '2022', a=3)
        self.reported(self.city, 12, plan, 'y', '2022', a=2, b=15)
        self.reported(self.city, 13, plan, 'y', '2022', a=2, b=14)
        rows = self.judged(plan)
        self.assertEqual((rows['t'].numerator, rows['t'].denominator, rows['t'].short,
                          rows['t'].units), (2, 3, 1, [13]))
        # a missing figure makes a comparison false: nobody has both
        self.assertEqual((rows['u'].status, rows['u'].numerator, rows['u'].units),
                         ('behind', 0, [11, 12, 13]))
        self.reported(self.city, 13, plan, 'y', '2022', revision=2, a=4, b=0)
        rows = self.judged(plan)
        self.assertEqual(rows['t'].status, 'met')
        # 1/3 is 33.33…: at least 33.3
        self.assertEqual(rows['u'].status, 'met')

    def test_a_multiple_of_a_baseline(self):
        plan = self.targets_plan(['i,y,multiple,a,,,12', 'k,y,multiple,a,,,unknown'],
                                 ['t,i,>=,2.5,year,district', 'u,i,>,2.5,year,district',
                                  'v,k,>=,2,year,district'])
        self.reported(self.city, 11, plan, 'y', '2022', a=30)
        rows = self.judged(plan)
        self.assertEqual((rows['t'].status, rows['t'].numerator), ('met', 30))  # 30/12 = 2.5
        self.assertEqual(rows['u'].status, 'on-track')
        self.assertEqual((rows['v'].status, rows['v'].reason), ('not-measurable', 'no baseline'))

    def test_a_cumulative_figure_begins_with_its_period(self):
        plan = self.publish(['m,month'], ['m,group ward'], ['m,a,integer,,flow,sum,sum'],
                            rest=indicators('i,m,cumulative,a,,,,2022-03')
                            + targets('t,i,>=,30,year,district', 'h,i,>=,30,horizon,district'))
        for period, a in (('2022-02', 1000), ('2022-03', 10), ('2022-05', 20), ('2022-08', 5)):
            self.reported(self.city, 11, plan, 'm', period, a=a)
        rows = self.targets_of(self.city, plan, DISTRICT_A)
        found = {period: (row.status, row.numerator) for (code, period), row in rows.items()
                 if code == 't'}
        self.assertNotIn('2022-02', found)
        self.assertEqual(found['2022-04'], ('missed', 10))
        self.assertEqual(found['2022-05'], ('met', 30))
        self.assertEqual(found['2022-07'], ('met', 30))
        self.assertNotIn('2022-08', found)  # it has not begun
        # per horizon: one result, of May, the latest begun with a report; 3 wards, 3 months
        row, = [row for (code, _), row in rows.items() if code == 'h']
        self.assertEqual((row.period, row.status, row.n, row.m), ('2022-05', 'met', 2, 9))

    def test_what_comes_before_the_begin_of_a_cumulative_figure_hides_no_target(self):
        plan = self.publish(['m,month'], ['m,group ward'], ['m,a,integer,,flow,sum,sum'],
                            rest=indicators('i,m,cumulative,a,,,,2022-03')
                            + targets('h,i,>=,30,horizon,district'))
        for reports in (0, 1):
            if reports:
                self.reported(self.city, 11, plan, 'm', '2022-02', a=1000)
            (_, period), = rows = self.targets_of(self.city, plan, DISTRICT_A)
            row = rows['h', period]
            self.assertEqual((period, row.status, row.reason, row.m),
                             ('2022-03', 'not-measurable', 'no report', 3))

    def test_a_target_of_the_horizon_is_of_the_latest_report(self):
        plan = self.targets_plan(['i,y,sum,a'], ['t,i,>=,1000,horizon,district'],
                                 start='2020-01-01', end='2024-01-01')
        # nothing has come: of the first period
        (_, period), = self.targets_of(self.city, plan, DISTRICT_A)
        self.assertEqual(period, '2020')
        self.reported(self.city, 11, plan, 'y', '2021', a=700)
        (_, period), = self.targets_of(self.city, plan, DISTRICT_A)
        row = self.judged(plan, period='2021')['t']
        # 1461 days, 366 + 365 + 182 = 913 have passed: 1000 * 913/1461 = 624.9…
        self.assertEqual((period, row.status), ('2021', 'on-track'))
        self.reported(self.city, 11, plan, 'y', '2022', a=624)
        self.assertEqual(self.judged(plan, period='2022')['t'].status, 'behind')

    def test_every_unit_of_the_level_is_judged(self):
        plan = self.targets_plan(['i,y,sum,a'], ['w,i,>=,10,year,ward', 'd,i,>=,10,year,district'])
        for unit, a in ((11, 10), (12, 9), (21, 30)):
            self.reported(self.city, unit, plan, 'y', '2022', a=a)
        with self.city.session() as session:
            found = {(row.target, row.unit): row.status for row in session.targets(plan)}
        self.assertEqual(found, {
            ('w', 11): 'met', ('w', 12): 'on-track', ('w', 13): 'not-measurable',
            ('w', 21): 'met', ('w', 22): 'not-measurable', ('d', 10): 'met', ('d', 20): 'met'})

    def test_reports_without_the_figure_measure_nothing(self):
        plan = self.targets_plan(['i,y,sum,a'], ['t,i,<,10,year,district'])
        self.reported(self.city, 11, plan, 'y', '2022', a=[])
        self.reported(self.city, 12, plan, 'y', '2022', nil=True)
        row = self.judged(plan)['t']
        self.assertEqual((row.status, row.reason, row.n), ('not-measurable', 'no figure', 2))

    # Scores ---------------------------------------------------------------------------------------

    def test_a_score_is_the_sum_of_its_terms(self):
        scale = ('# score\nterm,title,kind,ref,points,source\n'
                 'd1,Đạt,target,t,60,proposed\nd2,Đúng hạn,timeliness,m,40.5,proposed\n')
        plan = self.publish(['m,month'], ['m,group ward'], ['m,a,integer,,flow,sum,sum'],
                            due=['m,on +5'],
                            rest=indicators('i,m,sum,a') + targets('t,i,>=,10,year,ward') + scale)
        self.reported(self.city, 11, plan, 'm', '2022-05', a=10)  # late: it is 2 July
        self.reported(self.city, 11, plan, 'm', '2022-06', a=9)
        self.reported(self.city, 11, plan, 'm', '2022-07', a=12)
        self.reported(self.city, 12, plan, 'm', '2022-06', a=99)
        self.reported(self.city, 12, plan, 'm', '2022-07', a=9)
        with self.city.session() as session:
            one, = session.scores(plan, 11)
            other, = session.scores(plan, 12)
        # January to July have begun: 7 expected, 2 on time: 40.50 * 2/7 = 11.571… is 11.57.
        # The target in July, the latest report: 12 >= 10; ward 12 has 9.
        self.assertEqual(one, [11, 7157, [['d1', 6000, 6000], ['d2', 1157, 4050]]])
        self.assertEqual(other, [12, 1157, [['d1', 0, 6000], ['d2', 1157, 4050]]])
        self.acted(self.city, 'waive', plan, 'm', '2022-05', 11, by='reviewer 1')
        with self.city.session() as session:
            one, = session.scores(plan, 11)
        # 40.50 * 3/7 = 17.357… is 17.36
        self.assertEqual(one[2][1], ['d2', 1736, 4050])

    # Explaining, and as known then ----------------------------------------------------------------

    def test_explained_parts_add_up_to_the_figure(self):
        plan = self.single_field('sum,sum', nature='flow')
        self.report_all(plan, '2022-01', {11: 5, 12: [7], 21: 100})
        self.report_all(plan, '2022-02', {11: 11, 13: []})
        made, outcome = harness.submit(self.city, 13, client.report(
            plan, 'f', '2022-03', 13, {'so': 2}))
        with self.city.session() as session:
            total, parts = session.explain(plan, 'f', '2022-Q1', DISTRICT_A, 'so')
            city_total, city_parts = session.explain(plan, 'f', '2022-01', CITY, 'so')
        self.assertEqual([(part.period, part.unit, part.value) for part in parts], [
            ('2022-01', 11, 5), ('2022-01', 12, [7]), ('2022-02', 11, 11), ('2022-02', 13, []),
            ('2022-03', 13, 2)])
        # 5 + 7 + 11 + 2; three units have numbers, ward 12's is an estimate
        self.assertEqual(total, [25, 3, 0, 1])
        self.assertEqual(total, self.longer(plan, 'f', '2022-Q1', DISTRICT_A)[0])
        self.assertEqual((city_total, len(city_parts)), ([112, 3, 0, 1], 3))
        last = parts[-1]
        self.assertEqual((last.digest, last.signer, last.origin_unit, last.origin_seq),
                         (made.digest, key_of('ward 13').public, CITY, outcome.receipt.seq))

    def test_what_was_known_then(self):
        plan = self.single_field('sum,sum', nature='flow')
        first = self.send(self.city, 11, plan, 'f', '2022-06', so=5).receipt.instant
        with self.city.session() as session:
            session.clock(session.clock(0) + 1000)  # the next commit has a later instant
        second = self.send(self.city, 11, plan, 'f', '2022-06', revision=2, so=9).receipt.instant
        self.acted(self.city, 'return', plan, 'f', '2022-06', 11, 2, by='reviewer 1')
        with self.city.session() as session:
            for moment, wanted, state in ((first, [5, 1, 0, 0], 'received'),
                                          (second - 1, [5, 1, 0, 0], 'received')):
                rows = session.figures_as_of(moment, plan, 'f', '2022-06', CITY)
                self.assertEqual(harness.row_of(rows, 'f', '2022-06', CITY).sums, [wanted])
                row, = session.obligations(plan, 'f', '2022-06', 11, moment=moment)
                self.assertEqual(row.state, state)
                total, parts = session.explain(plan, 'f', '2022-06', CITY, 'so', moment=moment)
                self.assertEqual((total, len(parts)), (wanted, 1))
            with self.assertRaises(client.Refused):  # before the plan there was none
                session.figures_as_of(ms_of('2022-07-02T07:00:00+07:00'), plan)
        self.assertEqual(self.sums(self.city, plan, 'f', '2022-06', CITY), [[0, 0, 0, 0]])

    def test_a_made_up_clock_is_not_set_back(self):
        with self.city.session() as session:
            now = session.clock(0)
            self.assertGreaterEqual(now, ms_of(self.CLOCK))
            later = session.clock(now + 5000)
            self.assertGreaterEqual(later, now + 5000)
            self.assertGreaterEqual(session.clock(now), later)


if __name__ == '__main__':
    harness.main()
