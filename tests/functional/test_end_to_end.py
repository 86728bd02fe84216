#!/usr/bin/python3
"""Reports travel from wards through districts to the city and come out as the same figures."""

import subprocess
import sys

import harness
from harness import (CITY, DISTRICT_A, DISTRICT_B, PLAN, client, figures, key_of, month_report,
                     ms_of, row_of, submit, sum_of, wait_for)

CLOCK = '2022-06-01T08:00:00+07:00'


class TreeCase(harness.NodeCase):
    """A city and two districts, furnished and linked, their clocks on 1 June 2022."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.city = cls.node('city', CITY, clock=CLOCK)
        cls.a = cls.node('a', DISTRICT_A, cls.city, start=False, clock=CLOCK)
        cls.b = cls.node('b', DISTRICT_B, cls.city, start=False, clock=CLOCK)
        harness.furnish(cls.city, (cls.a, cls.b))
        for district in (cls.a, cls.b):
            district.start()
            harness.furnish(district)

    def settle(self):
        """Waits until the city has acknowledged everything."""
        for district in (self.a, self.b):
            wait_for(district, lambda session: session.status()['upstream']['pending'] == 0)

    def accepted(self, daemon, unit, *reports, **options):
        made, outcome = submit(daemon, unit, *reports, **options)
        self.assertIsNotNone(outcome.receipt, outcome.problems)
        return made, outcome.receipt


class EndToEnd(TreeCase):
    def tearDown(self):
        for daemon in (self.city, self.a, self.b):
            self.assertEqual(harness.differences(daemon), 0, daemon.name)

    def test_reports_of_wards_come_out_as_equal_figures_at_the_city(self):
        for unit, number in ((11, 3), (12, 4), (13, 5)):
            self.accepted(self.a, unit, month_report(unit, '2022-01', number))
        for unit, number in ((21, 20), (22, 30)):
            self.accepted(self.b, unit, month_report(unit, '2022-01', number))

        def whole(session):
            return row_of(session.figures(PLAN), 'thang', '2022-01', CITY).received == 5
        wait_for(self.city, whole)
        for unit, total in ((DISTRICT_A, 12), (DISTRICT_B, 50), (CITY, 62)):
            self.assertEqual(sum_of(self.city, '2022-01', unit)[0], total)

    def test_the_city_and_its_district_have_the_same_rows(self):
        self.accepted(self.a, 11, month_report(11, '2022-02', 3, values={
            'hoc-vien': [120], 'chi': 5_000_000, 'diem': 85, 'csdl': 1, 'ghi-chu': 'Đủ'}))
        self.accepted(self.a, 12, month_report(12, '2022-02', 0, values={'hoc-vien': []}))
        self.settle()
        below = [row for row in figures(self.a) if row.period == '2022-02']
        above = {(row.form, row.unit): row for row in figures(self.city)
                 if row.period == '2022-02'}
        for row in below:
            if row.unit == CITY:
                continue
            other = above[row.form, row.unit]
            self.assertEqual(row.sums, other.sums)
            self.assertEqual((row.received, row.expected, row.on_time, row.late),
                             (other.received, other.expected, other.on_time, other.late))

    def test_coverage_is_received_of_expected(self):
        self.accepted(self.a, 11, month_report(11, '2022-03', 1))
        self.accepted(self.a, 13, month_report(13, '2022-03', 1))
        row = row_of(figures(self.a), 'thang', '2022-03', DISTRICT_A)
        self.assertEqual((row.received, row.expected), (2, 3))

    def test_a_unit_that_no_longer_exists_is_not_expected(self):
        units = {row.unit for row in figures(self.a) if row.form == 'thang'}
        self.assertNotIn(14, units)

    def test_stated_zero_missing_not_applicable_and_estimated_stay_distinct(self):
        self.accepted(self.a, 11, month_report(11, '2022-04', 0, values={'hoc-vien': [7]}))
        self.accepted(self.a, 12, month_report(12, '2022-04', 2, values={'hoc-vien': []}))
        self.accepted(self.a, 13, month_report(13, '2022-04', 1))
        self.settle()
        row = row_of(figures(self.city), 'thang', '2022-04', DISTRICT_A)
        self.assertEqual(row.sums[0], [3, 3, 0, 0])
        self.assertEqual(row.sums[1], [7, 1, 1, 1])

    def test_a_nil_report_counts_as_received_and_adds_nothing(self):
        self.accepted(self.b, 21, month_report(21, '2022-04', nil=True))
        self.settle()
        row = row_of(figures(self.city), 'thang', '2022-04', DISTRICT_B)
        self.assertEqual((row.received, row.nil, row.sums[0]), (1, 1, [0, 0, 0, 0]))

    def test_a_revision_replaces_by_the_difference_at_every_level(self):
        self.accepted(self.a, 11, month_report(11, '2022-05', 10))
        self.accepted(self.a, 12, month_report(12, '2022-05', 100))
        self.settle()
        self.accepted(self.a, 11, month_report(11, '2022-05', 4, revision=2, note='đếm lại'))
        self.settle()
        self.assertEqual([sum_of(node, '2022-05', unit) for node, unit in
                          ((self.a, DISTRICT_A), (self.city, DISTRICT_A), (self.city, CITY))],
                         [[104, 2, 0, 0]] * 3)

    def test_a_report_of_a_department_with_a_proposed_duty_is_not_stated(self):
        self.accepted(self.a, 15, month_report(15, '2022', form='nam', values={'mo-hinh': 2}))
        row = row_of(figures(self.a), 'nam', '2022', 15)
        self.assertEqual((row.received, row.stated), (1, False))

    def test_the_receipt_says_that_the_figures_are_synthetic(self):
        _, receipt = self.accepted(self.a, 11, month_report(11, '2023-01', 1))
        self.assertTrue(receipt.synthetic)

    def test_the_independent_client_submits_and_verifies_by_its_command_line(self):
        path = f'{self.folder}/ward-22.key'
        key_of('ward 22').save(path)
        done = subprocess.run(
            [sys.executable, '-B', client.__file__, 'submit', '--endpoint', self.b.endpoint,
             '--node-key', self.b.key.hex, '--key', path, '--plan', PLAN, '--form', 'thang',
             '--period', '2023-02', '--unit', '22', '--counter', '900',
             '--receipt', f'{self.folder}/r', 'lop=9', 'hoc-vien=[4]'],
            capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout.splitlines()[-1:]), (0, ['verified']),
                         done.stderr)

    def test_a_receipt_does_not_verify_for_another_nodes_key(self):
        _, receipt = self.accepted(self.a, 11, month_report(11, '2023-02', 1))
        with self.assertRaises(client.VerificationError):
            receipt.verify(self.b.key.public)

    def test_reports_of_one_commit_have_receipts_with_paths_that_verify(self):
        key = key_of('ward 12')
        made = [client.submission(key, harness.next_counter(key),
                                  [month_report(12, f'2023-{month:02}', month)])
                for month in range(3, 10)]
        with self.a.session(key) as session:
            outcomes = session.submit(*made)
        receipts = [outcome.receipt.verify(self.a.key.public, one)
                    for outcome, one in zip(outcomes, made)]
        self.assertGreater(max(len(receipt.path) for receipt in receipts), 0)

    def test_a_submission_of_several_reports_is_judged_report_by_report(self):
        _, outcome = submit(self.a, 13, month_report(13, '2023-03', 1),
                            month_report(13, '2031-01', 1), month_report(13, '2023-04', 1))
        self.assertEqual(outcome.receipt.judgement_names,
                         ['accepted-on-time', 'unknown-period', 'accepted-on-time'])

    def test_a_refused_report_in_a_submission_names_its_index(self):
        _, outcome = submit(self.a, 13, month_report(13, '2023-05', 1),
                            month_report(13, '2031-01', 1))
        self.assertEqual([(problem.index, problem.code) for problem in outcome.problems],
                         [(1, 'unknown-period')])

    def test_a_collector_submits_for_the_units_below_its_own(self):
        _, outcome = submit(self.b, 21, month_report(21, '2023-05', 6),
                            month_report(22, '2023-05', 7), key=key_of('collector 20'))
        self.assertIsNotNone(outcome.receipt, outcome.problems)

    def test_a_carrier_delivers_what_wards_have_signed(self):
        ward = key_of('ward 13')
        made = client.submission(ward, harness.next_counter(ward),
                                 [month_report(13, '2023-06', 8)])
        with self.a.session(key_of('carrier 10')) as session:
            outcome, = session.submit(made)
        self.assertEqual(outcome.receipt.verify(self.a.key.public, made).sender, ward.public)

    def test_the_report_that_a_node_holds_can_be_read_back(self):
        made, receipt = self.accepted(self.a, 11, month_report(
            11, '2023-07', 3, values={'ghi-chu': 'Đủ số liệu', 'diem': 95}))
        with self.a.session(key_of('ward 11')) as session:
            held = session.report(PLAN, 'thang', '2023-07', 11)
        self.assertEqual(held['values'], {'lop': 3, 'ghi-chu': 'Đủ số liệu', 'diem': 95})
        self.assertEqual((held['seq'], held['sender'], held['digest']),
                         (receipt.seq, key_of('ward 11').public, made.digest))

    def test_what_is_in_force_can_be_listed_and_read_back(self):
        with self.a.session(key_of('ward 11')) as session:
            names = {(kind, name) for kind, name, *_ in session.list()}
            text = session.get('plan', PLAN)[0]
        self.assertEqual((names >= {('units', 'units'), ('plan', PLAN)}, text),
                         (True, harness.PLAN_TEXT))


class Repeats(TreeCase):
    def test_the_same_bytes_again_get_the_identical_receipt(self):
        made, first = self.accepted(self.a, 11, month_report(11, '2022-01', 3))
        with self.a.session(key_of('ward 11')) as session:
            again, = session.submit(made, attempts=1)
        self.assertEqual(again.receipt.data, first.data)

    def test_the_same_bytes_after_a_restart_get_the_identical_receipt(self):
        made, first = self.accepted(self.a, 11, month_report(11, '2022-02', 3))
        self.a.restart()
        with self.a.session(key_of('ward 11')) as session:
            again, = session.submit(made, attempts=2)
        self.assertEqual(again.receipt.data, first.data)

    def test_a_repeat_writes_nothing(self):
        made, _ = self.accepted(self.a, 11, month_report(11, '2022-03', 3))
        with self.a.session() as session:
            before = session.status()['seq']
            with self.a.session(key_of('ward 11')) as ward:
                ward.submit(made)
            self.assertEqual(session.status()['seq'], before)

    def test_the_same_bytes_twice_in_one_message_get_one_receipt(self):
        key = key_of('ward 12')
        made = client.submission(key, harness.next_counter(key),
                                 [month_report(12, '2022-03', 1)])
        with self.a.session(key) as session:
            one, two = session.submit(made, made)
        self.assertEqual(one.receipt.data, two.receipt.data)

    def test_a_receipt_can_be_asked_for_by_its_counter(self):
        made, first = self.accepted(self.a, 11, month_report(11, '2022-04', 3))
        with self.a.session(key_of('ward 11')) as session:
            again = session.receipt(first_counter(made))
        self.assertEqual(again.data, first.data)

    def test_a_receipt_that_does_not_exist_is_not_found(self):
        with self.a.session(key_of('ward 11')) as session:
            with self.assertRaises(client.Refused) as caught:
                session.receipt(123456)
        self.assertEqual(caught.exception.code, 'not-found')

    def test_a_counter_used_for_other_bytes_is_an_id_conflict_with_the_highest_counter(self):
        self.accepted(self.a, 12, month_report(12, '2022-05', 1), counter=700)
        _, outcome = submit(self.a, 12, month_report(12, '2022-06', 1), counter=700)
        self.assertEqual((outcome.receipt, outcome.codes, outcome.highest),
                         (None, ['id-conflict'], 700))

    def test_counters_may_arrive_in_any_order(self):
        for counter in (805, 803, 804):
            self.accepted(self.a, 13, month_report(13, f'2023-{counter - 800:02}', 1),
                          counter=counter)

    def test_the_counter_of_a_refused_submission_stays_free(self):
        submit(self.a, 13, month_report(13, '2031-05', 1), counter=901)
        self.accepted(self.a, 13, month_report(13, '2022-05', 1), counter=901)

    def test_a_republished_text_gets_its_first_receipt(self):
        made = client.publication(self.operator, 'keys', 'again', client.keys_text(
            [(key_of('someone').hex, 11, 'reader', '2022-01-01', '', '')]))
        with self.a.session() as session:
            first = session.publish_signed(made)
            again = session.publish_signed(made)
        self.assertEqual(first.receipt.data, again.receipt.data)


def first_counter(made):
    return client.decode(made.data)[3]


class MadeUpClock(TreeCase):
    # The tests run in the order of their names, and the clock only goes forward.
    def set_clock(self, text):
        with self.a.session() as session:
            session.clock(ms_of(text))

    def test_reports_before_and_after_the_due_instant_are_on_time_and_late(self):
        # 'on +5': by the end of the fifth day of the month after the period.
        self.set_clock('2023-07-05T23:59:00+07:00')
        _, on_time = self.accepted(self.a, 11, month_report(11, '2023-06', 1))
        self.set_clock('2023-07-06T00:00:00+07:00')
        _, late = self.accepted(self.a, 12, month_report(12, '2023-06', 1))
        self.assertEqual(on_time.judgement_names + late.judgement_names,
                         ['accepted-on-time', 'accepted-late'])
        self.settle()
        row = row_of(figures(self.city), 'thang', '2023-06', DISTRICT_A)
        self.assertEqual((row.on_time, row.late), (1, 1))

    def test_a_form_without_a_due_date_is_never_late(self):
        self.set_clock('2022-12-01T00:00:00+07:00')
        _, receipt = self.accepted(self.a, 15, month_report(15, '2022', form='nam',
                                                            values={'mo-hinh': 1}))
        self.assertEqual(receipt.judgement_names, ['accepted'])

    def test_the_receipt_carries_the_made_up_instant(self):
        self.set_clock('2023-12-02T00:00:00+07:00')
        _, receipt = self.accepted(self.a, 13, month_report(13, '2023-01', 1))
        self.assertLess(abs(receipt.instant - ms_of('2023-12-02T00:00:00+07:00')), 60_000)

    def test_a_node_with_a_real_clock_refuses_to_have_it_set(self):
        real = self.node('real', DISTRICT_A)
        with real.session() as session, self.assertRaises(client.Refused) as caught:
            session.clock(ms_of('2022-01-01T00:00:00+07:00'))
        self.assertEqual(caught.exception.code, 'not-synthetic')


class Linking(harness.NodeCase):
    def test_a_child_that_is_enrolled_later_links_by_itself(self):
        city = self.node('city', CITY)
        child = self.node('a', DISTRICT_A, city)
        harness.furnish(child)
        submit(child, 11, month_report(11, '2022-01', 5))
        harness.furnish(city, (child,))
        wait_for(city, lambda session: row_of(session.figures(PLAN), 'thang', '2022-01',
                                              CITY).received == 1)

    def test_a_plan_that_the_parent_gets_later_brings_the_figures(self):
        city = self.node('city2', CITY)
        child = self.node('a2', DISTRICT_A, city, start=False)
        harness.publish(city, 'units', 'units', harness.UNITS_TEXT)
        harness.publish(city, 'keys', 'keys', harness.everyone([(child.key, DISTRICT_A)]))
        child.start()
        harness.furnish(child)
        submit(child, 11, month_report(11, '2022-01', 5))
        harness.publish(city, 'plan', PLAN, harness.PLAN_TEXT)
        wait_for(city, lambda session: row_of(session.figures(PLAN), 'thang', '2022-01',
                                              CITY).received == 1)


if __name__ == '__main__':
    harness.main()
