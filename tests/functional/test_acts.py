"""Acts on obligations, with numbers worked out by hand; a district below a city. Synthetic data."""

import harness
from domain_case import DomainCase, plan_text
from harness import CITY, DISTRICT_A, client, key_of, ms_of

PLAN, ACCEPTED_PLAN = 'p', 'q'
FIELDS = ('thang,lop,integer,,flow,sum,sum', 'thang,thap,integer,,flow,min,min',
          'thang,cao,integer,,stock,last,max')
# Due by the end of the 5th of the next month: on 1 June, May is on time and April is late.
TEXT = plan_text(PLAN, ['thang,month'], ['thang,group ward'], FIELDS, due=['thang,on +5'])
ACCEPTED_TEXT = plan_text(ACCEPTED_PLAN, ['thang,month'], ['thang,group ward'], FIELDS,
                          counts='accepted')
FORM = 'thang'


class Acts(DomainCase):
    CLOCK = '2022-06-01T08:00:00+07:00'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.city = cls.node('city', CITY, clock=cls.CLOCK)
        cls.district = cls.node('a', DISTRICT_A, cls.city, start=False, clock=cls.CLOCK)
        cls.furnish(cls.city, [cls.district])
        cls.district.start()
        cls.furnish(cls.district)
        for daemon in (cls.city, cls.district):
            harness.publish(daemon, 'plan', PLAN, TEXT)
            harness.publish(daemon, 'plan', ACCEPTED_PLAN, ACCEPTED_TEXT)

    def tearDown(self):
        self.settle(self.district)
        self.assertEqual(harness.differences(self.district), 0)
        self.assertEqual(harness.differences(self.city), 0)

    def three(self, period, plan=PLAN):
        """Wards 11, 12, 13 report lop 10, 20, 30; thap 3, 1, 5; cao 7, 9, 8."""
        for unit, lop, thap, cao in ((11, 10, 3, 7), (12, 20, 1, 9), (13, 30, 5, 8)):
            self.reported(self.district, unit, plan, FORM, period, lop=lop, thap=thap, cao=cao)

    def at_both(self, period, plan=PLAN):
        """The sums of district A at the district's own node and at the city."""
        self.settle(self.district)
        found = [self.sums(daemon, plan, FORM, period, DISTRICT_A)
                 for daemon in (self.district, self.city)]
        self.assertEqual(found[0], found[1])
        # District B has not reported: the city's sums are those of district A.
        self.assertEqual(self.sums(self.city, plan, FORM, period, CITY), found[0])
        return found[0]

    def coverage(self, daemon, period, unit=DISTRICT_A, plan=PLAN):
        row = self.row(daemon, plan, FORM, period, unit)
        return row.received, row.expected, row.on_time, row.late, row.returned, row.exempt, \
            row.accepted

    def test_a_returned_report_takes_exactly_its_figures_away_everywhere(self):
        period = '2022-05'
        self.three(period)
        # 10 + 20 + 30; least of 3, 1, 5; greatest of 7, 9, 8
        self.assertEqual(self.at_both(period), [[60, 3, 0, 0], [1, 3, 0, 0], [9, 3, 0, 0]])
        self.acted(self.district, 'return', PLAN, FORM, period, 12, 1)
        # without ward 12: 10 + 30; least of 3, 5; greatest of 7, 8
        self.assertEqual(self.at_both(period), [[40, 2, 0, 0], [3, 2, 0, 0], [8, 2, 0, 0]])
        self.assertEqual(self.coverage(self.district, period), (2, 3, 2, 0, 1, 0, 0))
        self.assertEqual(self.obligation(self.city, PLAN, FORM, period, 12).state, 'returned')
        self.reported(self.district, 12, PLAN, FORM, period, revision=2, lop=25, thap=4, cao=6)
        # 10 + 25 + 30; least of 3, 4, 5; greatest of 7, 6, 8
        self.assertEqual(self.at_both(period), [[65, 3, 0, 0], [3, 3, 0, 0], [8, 3, 0, 0]])
        self.assertEqual(self.coverage(self.city, period), (3, 3, 3, 0, 0, 0, 0))

    def test_an_accepted_report_is_closed_until_it_is_reopened(self):
        period = '2022-06'
        self.three(period)
        self.acted(self.district, 'accept', PLAN, FORM, period, 11, 1, reason='')
        self.assertEqual(self.obligation(self.district, PLAN, FORM, period, 11).state, 'accepted')
        self.assertEqual(self.coverage(self.district, period)[-1], 1)
        outcome = self.send(self.district, 11, PLAN, FORM, period, revision=2, lop=11)
        self.assertEqual(outcome.codes, ['closed'])
        self.assertEqual(self.act(self.district, 'reopen', PLAN, FORM, period, 11, reason=''),
                         ['reason-missing'])
        self.acted(self.district, 'reopen', PLAN, FORM, period, 11)
        self.reported(self.district, 11, PLAN, FORM, period, revision=2, lop=11)
        # 11 + 20 + 30; ward 11 states no thap and no cao any more
        self.assertEqual(self.at_both(period), [[61, 3, 0, 0], [1, 2, 0, 0], [9, 2, 0, 0]])

    def test_what_is_not_closed_is_not_reopened(self):
        self.assertEqual(self.act(self.district, 'reopen', PLAN, FORM, '2022-12', 11),
                         ['act-not-possible'])

    def test_an_exempt_unit_leaves_the_denominator_and_a_report_brings_it_back(self):
        period = '2022-07'
        self.reported(self.district, 11, PLAN, FORM, period, lop=10)
        self.assertEqual(self.coverage(self.district, period)[:2], (1, 3))
        self.acted(self.district, 'exempt', PLAN, FORM, period, 12)
        self.settle(self.district)
        for daemon in (self.district, self.city):
            received, expected, _, _, _, exempt, _ = self.coverage(daemon, period)
            self.assertEqual((received, expected, exempt), (1, 2, 1))
        # District B's wards are expected at the city: 2 of A and 2 of B
        self.assertEqual(self.coverage(self.city, period, CITY)[:2], (1, 4))
        self.assertEqual(self.obligation(self.district, PLAN, FORM, period, 12).state, 'exempt')
        self.assertEqual(self.act(self.district, 'exempt', PLAN, FORM, period, 12),
                         ['act-not-possible'])
        self.assertEqual(self.act(self.district, 'exempt', PLAN, FORM, period, 11),
                         ['act-not-possible'])
        self.reported(self.district, 12, PLAN, FORM, period, lop=5)
        self.assertEqual(self.coverage(self.district, period)[:2], (2, 3))

    def test_a_waived_lateness_counts_as_on_time_and_is_shown(self):
        period = '2022-04'  # due before 6 May
        self.assertEqual(self.reported(self.district, 11, PLAN, FORM, period, lop=1),
                         'accepted-late')
        self.assertEqual(self.coverage(self.district, period)[2:4], (0, 1))
        self.acted(self.district, 'waive', PLAN, FORM, period, 11)
        self.assertEqual(self.coverage(self.district, period)[2:4], (1, 0))
        row = self.obligation(self.district, PLAN, FORM, period, 11)
        self.assertEqual((row.timeliness, row.flags), (2, client.FLAG_WAIVED))
        self.assertEqual(self.act(self.district, 'waive', PLAN, FORM, period, 11),
                         ['act-not-possible'])
        # A correction of what stands changes neither; what was returned is late anew.
        self.reported(self.district, 11, PLAN, FORM, period, revision=2, lop=2)
        self.assertEqual(self.coverage(self.district, period)[2:4], (1, 0))
        self.acted(self.district, 'return', PLAN, FORM, period, 11, 2)
        self.reported(self.district, 11, PLAN, FORM, period, revision=3, lop=3)
        self.assertEqual(self.coverage(self.district, period)[2:4], (0, 1))

    def test_what_is_on_time_is_not_waived(self):
        self.reported(self.district, 11, PLAN, FORM, '2022-08', lop=1)
        self.assertEqual(self.act(self.district, 'waive', PLAN, FORM, '2022-08', 11),
                         ['act-not-possible'])

    def test_an_extension_moves_the_due_instant_of_one_obligation(self):
        period, until = '2022-03', ms_of('2022-06-10T00:00:00+07:00')
        self.reported(self.district, 11, PLAN, FORM, period, lop=1)
        self.assertEqual(self.coverage(self.district, period)[2:4], (0, 1))
        self.acted(self.district, 'extend', PLAN, FORM, period, 11, until=until)
        self.assertEqual(self.coverage(self.district, period)[2:4], (1, 0))
        self.assertEqual(self.obligation(self.district, PLAN, FORM, period, 11).due, until)
        # back to an instant before the report came: late again
        self.acted(self.district, 'extend', PLAN, FORM, period, 11,
                   until=ms_of('2022-05-01T00:00:00+07:00'))
        self.assertEqual(self.coverage(self.district, period)[2:4], (0, 1))
        # ward 12 has not reported: nine days before the extension it is no more overdue
        self.assertEqual(self.obligation(self.district, PLAN, FORM, period, 12).state, 'overdue')
        self.acted(self.district, 'extend', PLAN, FORM, period, 12, until=until)
        self.assertEqual(self.obligation(self.district, PLAN, FORM, period, 12).state, 'expected')
        self.acted(self.district, 'extend', PLAN, FORM, period, 12,
                   until=ms_of('2022-06-08T08:00:00+07:00'))
        self.assertEqual(self.obligation(self.district, PLAN, FORM, period, 12).state, 'due-soon')
        self.assertEqual(self.reported(self.district, 12, PLAN, FORM, period, lop=1),
                         'accepted-on-time')
        self.assertEqual(self.act(self.district, 'extend', PLAN, FORM, period, 12),
                         ['act-not-possible'])

    def test_a_withdrawn_report_takes_its_figures_with_it(self):
        period = '2022-02'
        self.three(period)
        self.acted(self.district, 'withdraw', PLAN, FORM, period, 13, 1, by='ward 13')
        # without ward 13: 10 + 20; least of 3, 1; greatest of 7, 9
        self.assertEqual(self.at_both(period), [[30, 2, 0, 0], [1, 2, 0, 0], [9, 2, 0, 0]])
        self.assertEqual(self.coverage(self.district, period)[:2], (2, 3))
        self.assertEqual(self.obligation(self.city, PLAN, FORM, period, 13).state, 'withdrawn')
        self.acted(self.district, 'accept', PLAN, FORM, period, 12, 1, reason='')
        self.assertEqual(self.act(self.district, 'withdraw', PLAN, FORM, period, 12, 1),
                         ['act-not-possible'])
        self.acted(self.district, 'return', PLAN, FORM, period, 12, 1)
        self.acted(self.district, 'withdraw', PLAN, FORM, period, 12, 1, by='collector 10')
        self.assertEqual(self.at_both(period), [[10, 1, 0, 0], [3, 1, 0, 0], [7, 1, 0, 0]])

    def test_a_closed_district_takes_no_revisions_but_of_a_reopened_ward(self):
        period = '2022-01'
        self.three(period)
        self.acted(self.district, 'close', PLAN, FORM, period, DISTRICT_A, reason='')
        for unit in (11, 12):
            outcome = self.send(self.district, unit, PLAN, FORM, period, revision=2, lop=1)
            self.assertEqual(outcome.codes, ['closed'])
        self.assertEqual(self.act(self.district, 'close', PLAN, FORM, period, DISTRICT_A),
                         ['act-not-possible'])
        self.acted(self.district, 'reopen', PLAN, FORM, period, 12)
        self.reported(self.district, 12, PLAN, FORM, period, revision=2, lop=21, thap=1, cao=9)
        self.assertEqual(self.send(self.district, 11, PLAN, FORM, period, revision=2,
                                   lop=1).codes, ['closed'])
        self.assertEqual(self.at_both(period)[0], [61, 3, 0, 0])  # 10 + 21 + 30
        self.acted(self.district, 'close', PLAN, FORM, period, 12)
        self.assertEqual(self.send(self.district, 12, PLAN, FORM, period, revision=3,
                                   lop=1).codes, ['closed'])
        self.acted(self.district, 'reopen', PLAN, FORM, period, DISTRICT_A)
        self.reported(self.district, 11, PLAN, FORM, period, revision=2, lop=11)
        self.assertEqual(self.send(self.district, 12, PLAN, FORM, period, revision=3,
                                   lop=1).codes, ['closed'])

    def test_an_act_on_another_revision_changes_nothing(self):
        period = '2022-09'
        self.reported(self.district, 11, PLAN, FORM, period, lop=1)
        self.reported(self.district, 11, PLAN, FORM, period, revision=2, lop=2)
        with self.district.session() as session:
            before = session.status()['seq']
            for kind in ('accept', 'return', 'withdraw'):
                for revision in (0, 1, 3):
                    self.assertEqual(self.act(self.district, kind, PLAN, FORM, period, 11,
                                              revision), ['act-not-possible'])
            self.assertEqual(session.status()['seq'], before)
        self.assertEqual(self.obligation(self.district, PLAN, FORM, period, 11).state, 'received')

    def test_who_may_not_act(self):
        period = '2022-10'
        self.reported(self.district, 11, PLAN, FORM, period, lop=1)
        for kind in ('accept', 'return', 'waive', 'extend', 'exempt', 'close', 'reopen'):
            for by in ('ward 11', 'collector 10'):
                self.assertEqual(self.act(self.district, kind, PLAN, FORM, period, 11, 1, by=by),
                                 ['not-permitted'], (kind, by))
        self.assertEqual(self.act(self.district, 'accept', PLAN, FORM, period, 11, 1,
                                  by='reviewer 20'), ['not-your-unit'])
        self.assertEqual(self.act(self.district, 'withdraw', PLAN, FORM, period, 11, 1,
                                  by='ward 12'), ['not-your-unit'])
        for by in ('operator', 'reader'):
            with self.assertRaises(client.Refused) as caught:
                self.act(self.district, 'accept', PLAN, FORM, period, 11, 1, by=by)
            self.assertEqual(caught.exception.code, 'not-permitted')
        # the city's reviewer stands above the district
        self.acted(self.district, 'accept', PLAN, FORM, period, 11, 1, by='reviewer 1')

    def test_an_act_names_something_that_is_there(self):
        for wanted, plan, form, period, unit in (
                ('unknown-plan', 'khong', FORM, '2022-10', 11),
                ('unknown-form', PLAN, 'khong', '2022-10', 11),
                ('unknown-period', PLAN, FORM, '2023-10', 11),
                ('unknown-unit', PLAN, FORM, '2022-10', 999),
                ('unit-not-valid', PLAN, FORM, '2022-10', 14),
                ('no-obligation', PLAN, FORM, '2022-10', 15)):
            self.assertEqual(self.act(self.district, 'exempt', plan, form, period, unit), [wanted])

    def test_the_district_acts_on_what_it_told_the_city_of_and_the_city_only_on_the_rest(self):
        period, until = '2022-08', ms_of('2023-02-01T00:00:00+07:00')
        self.reported(self.district, 13, PLAN, FORM, period, lop=5)
        self.settle(self.district)
        self.assertEqual(self.act(self.city, 'return', PLAN, FORM, period, 13, 1,
                                  by='reviewer 1'), ['act-not-possible'])
        self.acted(self.city, 'exempt', PLAN, FORM, '2022-12', 13, by='reviewer 1')
        self.assertEqual(self.obligation(self.city, PLAN, FORM, period, 13).state, 'received')
        self.assertEqual(self.obligation(self.city, PLAN, FORM, '2022-12', 13).state, 'exempt')
        self.acted(self.district, 'accept', PLAN, FORM, period, 13, 1)
        self.acted(self.district, 'extend', PLAN, FORM, '2022-12', 13, until=until)
        self.settle(self.district)
        self.assertEqual(self.obligation(self.city, PLAN, FORM, period, 13).state, 'accepted')
        row = self.obligation(self.city, PLAN, FORM, '2022-12', 13)
        self.assertEqual((row.state, row.due), ('not-yet', until))

    def test_the_same_review_again_gets_the_same_receipt(self):
        key = key_of('reviewer 10')
        made = client.review(key, harness.next_counter(key), [
            client.act('exempt', PLAN, FORM, '2022-11', 11, reason='bão'),
            client.act('exempt', PLAN, FORM, '2022-11', 11, reason='bão')])
        with self.district.session(key) as session:
            first, = session.review(made)
            again, = session.review(made)
        self.assertEqual(first.receipt.judgement_names, ['accepted', 'act-not-possible'])
        self.assertEqual(first.receipt.data, again.receipt.data)

    def test_where_only_accepted_figures_count_an_unreviewed_revision_changes_nothing(self):
        period = '2022-05'
        self.reported(self.district, 11, ACCEPTED_PLAN, FORM, period, lop=10)
        self.reported(self.district, 12, ACCEPTED_PLAN, FORM, period, lop=20)
        # received 2 of 3, but nothing counts yet
        self.assertEqual(self.at_both(period, ACCEPTED_PLAN)[0], [0, 0, 0, 0])
        self.assertEqual(self.coverage(self.city, period, plan=ACCEPTED_PLAN)[:2], (2, 3))
        self.acted(self.district, 'accept', ACCEPTED_PLAN, FORM, period, 11, 1, reason='')
        self.assertEqual(self.at_both(period, ACCEPTED_PLAN)[0], [10, 1, 0, 0])
        self.acted(self.district, 'reopen', ACCEPTED_PLAN, FORM, period, 11)
        self.reported(self.district, 11, ACCEPTED_PLAN, FORM, period, revision=2, lop=17)
        # revision 2 waits: revision 1 still counts
        self.assertEqual(self.at_both(period, ACCEPTED_PLAN)[0], [10, 1, 0, 0])
        row = self.obligation(self.city, ACCEPTED_PLAN, FORM, period, 11)
        self.assertEqual((row.state, row.revision, row.counted), ('received', 2, 1))
        self.acted(self.district, 'return', ACCEPTED_PLAN, FORM, period, 11, 2)
        self.assertEqual(self.at_both(period, ACCEPTED_PLAN)[0], [10, 1, 0, 0])
        self.reported(self.district, 11, ACCEPTED_PLAN, FORM, period, revision=3, lop=18)
        self.acted(self.district, 'accept', ACCEPTED_PLAN, FORM, period, 11, 3, reason='')
        self.assertEqual(self.at_both(period, ACCEPTED_PLAN)[0], [18, 1, 0, 0])
        self.acted(self.district, 'return', ACCEPTED_PLAN, FORM, period, 11, 3)
        self.assertEqual(self.at_both(period, ACCEPTED_PLAN)[0], [0, 0, 0, 0])


if __name__ == '__main__':
    harness.main()
