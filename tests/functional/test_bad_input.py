#!/usr/bin/python3
"""Bad input gets a named refusal, is counted, and changes nothing else. One test each."""

import itertools
import os
import socket
import struct
import subprocess

import zmq

import harness
from harness import CITY, DISTRICT_A, DISTRICT_B, PLAN, client, key_of, month_report

WARD = key_of('ward 11')
TOP = (1 << 62) - 1  # the largest value and sum that a node keeps
EPOCHS = itertools.count(1654045200000)  # of lives of a child, each later than the one before


class BadInput(harness.NodeCase):
    """One node of the whole tree; every test compares it with what it was before."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.city = cls.node('city', CITY, clock='2022-06-01T08:00:00+07:00')
        harness.furnish(cls.city)
        for unit in (11, 12):
            harness.submit(cls.city, unit, month_report(unit, '2022-01', unit))

    def setUp(self):
        if not self.city.alive():
            self.city.start()
        self.before = self.snapshot()

    def snapshot(self):
        """What must not change, and the refusals counted so far."""
        with self.city.session() as session:
            session.checkpoint()  # the tables have everything then: status counts what they have
            status = session.status()
            return ({name: status[name] for name in ('seq', 'entries', 'reports', 'cells')},
                    session.figures(PLAN), session.list(), status['refusals'])

    def assert_nothing_changed_but(self, **counted):
        """The refusals of these codes grew by so much (at least, where negative); no other did."""
        after = self.snapshot()
        self.assertEqual(after[:3], self.before[:3])
        grown = {code: number - self.before[3].get(code, 0) for code, number in after[3].items()}
        grown = {code.replace('-', '_'): number for code, number in grown.items() if number}
        self.assertEqual(grown, counted)
        self.assertEqual(harness.differences(self.city), 0)

    def assert_refused(self, code, *reports, made=None, key=WARD):
        """A submission is refused as a whole with this code, counted once, nothing else."""
        made = made or client.submission(key, harness.next_counter(key), list(reports))
        with self.city.session(key) as session:
            outcome, = session.submit(made)
        self.assertIsNone(outcome.receipt)
        self.assertEqual(outcome.codes, [code])
        self.assert_nothing_changed_but(**{code.replace('-', '_'): 1})
        return outcome

    def assert_frame_refused(self, code, *frames, key=WARD, request=0):
        """A frame is answered with `refused`, counted once, nothing else."""
        with self.city.session(key) as session:
            session.send_frame(*frames)
            answer = session.receive()
        self.assertEqual((answer.name, answer.body[0], answer.request),
                         ('refused', code, request))
        self.assert_nothing_changed_but(**{code.replace('-', '_'): 1})

    # The socket.

    def test_garbage_instead_of_the_transport_protocol_is_counted_and_dropped(self):
        with self.city.session() as session:
            failed = session.status()['handshakes_failed']
        host, port = self.city.endpoint[len('tcp://'):].rsplit(':', 1)
        for garbage in (b'\0' * 64, b'GET / HTTP/1.1\r\n\r\n', bytes(range(256)) * 64,
                        b'\xff' + b'\xff' * 8 + b'\x7f' + b'\x03' * 600):
            with socket.create_connection((host, int(port)), 5) as peer:
                peer.settimeout(harness.ANSWER_SECONDS)
                try:
                    peer.sendall(garbage)
                    peer.shutdown(socket.SHUT_WR)
                    while peer.recv(4096):
                        pass
                except OSError:
                    pass
        harness.wait_for(self.city,
                         lambda session: session.status()['handshakes_failed'] > failed)
        self.assert_nothing_changed_but()

    def test_an_unknown_key_is_never_admitted(self):
        ended = (zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                 zmq.EVENT_DISCONNECTED)
        failed, answered = harness.monitored(self.city, client.Key.new(), ended,
                                             lambda session: session.send('status', []))
        self.assertEqual((failed, answered), (True, False))
        # Counted once for each try; how often libzmq tries by itself is its own affair.
        tries = self.snapshot()[3]['unknown-key'] - self.before[3].get('unknown-key', 0)
        self.assertGreater(tries, 0)
        self.assert_nothing_changed_but(unknown_key=tries)

    def test_a_key_whose_enrolment_has_ended_is_refused_on_its_open_connection(self):
        key = key_of('soon gone')
        rows = [(key.hex, 11, 'reporter', '2010-01-01', '', '')]
        harness.publish(self.city, 'keys', 'gone', client.keys_text(rows))
        with self.city.session(key) as session:
            session.status()
            rows = [(key.hex, 11, 'reporter', '2010-01-01', '2011-01-01', '')]
            harness.publish(self.city, 'keys', 'gone', client.keys_text(rows))
            self.before = self.snapshot()
            with self.assertRaises(client.Refused) as caught:
                session.status()
        self.assertEqual(caught.exception.code, 'unknown-key')
        self.assert_nothing_changed_but(unknown_key=1)

    def test_a_client_that_expects_another_node_gets_no_answer(self):
        failed, answered = harness.monitored(
            self.city, WARD, zmq.EVENT_HANDSHAKE_SUCCEEDED, seconds=5)
        self.assertTrue(failed)
        with client.Session(self.city.endpoint, key_of('impostor').public, WARD) as session:
            session.send('status', [])
            self.assertEqual(session.socket.poll(300), 0)
        self.assert_nothing_changed_but()

    def test_an_oversize_message_ends_its_connection_and_nothing_else(self):
        dropped, answered = harness.monitored(
            self.city, WARD, zmq.EVENT_DISCONNECTED,
            lambda session: session.send_frame(b'\xc1' * (client.FRAME_BYTES_MAX + 1)))
        self.assertEqual((dropped, answered), (True, False))
        with self.city.session(WARD) as session:
            self.assertEqual(session.status()['unit'], CITY)
        self.assert_nothing_changed_but()

    def test_a_message_one_byte_above_the_bound_is_refused(self):
        self.assert_frame_refused('too-large', b'\0' * (client.MESSAGE_BYTES_MAX + 1))

    def test_a_message_of_two_frames_is_refused(self):
        frame = client.envelope('status', 7, [])
        with self.city.session(WARD) as session:
            session.send_frame(frame, frame)
            answer = session.receive()
        self.assertEqual((answer.name, answer.body[0]), ('refused', 'malformed'))
        self.assert_nothing_changed_but(malformed=1)

    # Frames and bodies.

    def test_another_protocol_version_is_refused(self):
        self.assert_frame_refused('protocol-version',
                                  client.envelope('status', 7, [], version=2))

    def test_a_frame_of_another_version_with_an_unknown_body_is_refused_for_its_version(self):
        self.assert_frame_refused('protocol-version', client.encode([9, 'anything', {}, None]))

    def test_an_unknown_type_is_refused(self):
        self.assert_frame_refused('unknown-type', client.encode([1, 55, 7, []]), request=7)

    def test_a_message_that_only_nodes_send_is_refused(self):
        self.assert_frame_refused('unknown-type', client.envelope('event', 7, [1]), request=7)

    def test_a_body_of_another_shape_is_refused(self):
        self.assert_frame_refused('malformed', client.envelope('get', 7, ['plan']), request=7)

    def test_too_many_submissions_in_one_message_are_refused(self):
        made = client.submission(WARD, 1, [month_report(11, '2022-02', 1)])
        body = [[made.data, made.signature, 0]] * 65
        with self.city.session(WARD) as session, self.assertRaises(client.Refused) as caught:
            session.ask('submit', body, 'receipts')
        self.assertIn(caught.exception.code, ('too-large', 'malformed'))
        self.assert_nothing_changed_but(**{caught.exception.code.replace('-', '_'): 1})

    # Submissions.

    def test_a_submission_whose_bytes_are_not_one_is_refused(self):
        made = client.signed(WARD, ['baocao-rollup', 1, WARD.public, 1, 0, []])
        self.assert_refused('malformed', made=made)

    def test_a_truncated_submission_is_refused(self):
        good = client.submission(WARD, 500, [month_report(11, '2022-02', 1)])
        data = good.data[:-1]
        self.assert_refused('malformed', made=client.Signed(data, WARD.sign(data)))

    def test_a_submission_with_trailing_bytes_is_refused(self):
        good = client.submission(WARD, 500, [month_report(11, '2022-02', 1)])
        data = good.data + b'\xc0'
        self.assert_refused('malformed', made=client.Signed(data, WARD.sign(data)))

    def test_a_submission_of_no_reports_is_refused(self):
        self.assert_refused('malformed', made=client.submission(WARD, 501, []))

    def test_a_submission_of_too_many_reports_is_refused(self):
        reports = [month_report(11, '2022-02', 1)] * 257
        made = client.submission(WARD, 501, reports)
        with self.city.session(WARD) as session:
            outcome, = session.submit(made)
        self.assertIn(outcome.codes, (['too-large'], ['malformed']))
        self.assert_nothing_changed_but(**{outcome.codes[0].replace('-', '_'): 1})

    def test_invalid_utf8_is_refused_as_malformed(self):
        made = client.submission(WARD, 502, [month_report(
            11, '2022-02', 1, values={'ghi-chu': 'QQQ'})])
        data = made.data.replace(b'QQQ', b'\xc3\x28\x61')
        self.assert_refused('malformed', made=client.Signed(data, WARD.sign(data)))

    def test_text_of_an_old_vietnamese_encoding_is_refused_as_malformed(self):
        # "Phường" in TCVN3 bytes.
        made = client.submission(WARD, 502, [month_report(
            11, '2022-02', 1, values={'ghi-chu': 'PhXYng'})])
        data = made.data.replace(b'PhXYng', b'Ph\xad\xeang')
        self.assert_refused('malformed', made=client.Signed(data, WARD.sign(data)))

    def test_a_report_for_an_unknown_plan_is_refused(self):
        self.assert_refused('unknown-plan', month_report(11, '2022-02', 1, plan='kt-1999'))

    def test_a_report_for_an_unknown_form_is_refused(self):
        self.assert_refused('unknown-form', month_report(11, '2022-02', 1, form='tuan'))

    def test_a_report_for_a_period_outside_the_plan_is_refused(self):
        self.assert_refused('unknown-period', month_report(11, '2021-12', 1))

    def test_a_report_for_a_period_of_another_cadence_is_refused(self):
        self.assert_refused('unknown-period', month_report(11, '2022-Q1', 1))

    def test_a_report_for_a_period_that_is_none_is_refused(self):
        self.assert_refused('unknown-period', month_report(11, '2022-13', 1))

    def test_a_report_for_an_unknown_unit_is_refused(self):
        self.assert_refused('unknown-unit', month_report(999, '2022-02', 1))

    def test_a_report_for_a_unit_that_has_ended_is_refused(self):
        self.assert_refused('unit-not-valid', month_report(14, '2022-02', 1),
                            key=key_of('ward 14'))

    def test_a_report_of_another_ward_is_refused(self):
        self.assert_refused('not-your-unit', month_report(12, '2022-02', 1))

    def test_a_collectors_report_of_a_unit_outside_its_subtree_is_refused(self):
        self.assert_refused('not-your-unit', month_report(21, '2022-02', 1),
                            key=key_of('collector 10'))

    def test_a_report_that_no_duty_asks_for_is_refused(self):
        self.assert_refused('no-obligation', month_report(11, '2022', form='nam',
                                                          values={'mo-hinh': 1}))

    def test_a_report_with_an_unknown_field_is_refused(self):
        self.assert_refused('unknown-field', month_report(11, '2022-02', 1, values={'x': 1}))

    def test_a_text_where_a_number_belongs_is_refused(self):
        self.assert_refused('wrong-type', month_report(11, '2022-02', '1'))

    def test_a_number_where_a_text_belongs_is_refused(self):
        self.assert_refused('wrong-type', month_report(11, '2022-02', 1,
                                                       values={'ghi-chu': 1}))

    def test_a_bool_where_a_yes_or_no_belongs_is_refused(self):
        made = client.submission(WARD, harness.next_counter(WARD), [month_report(
            11, '2022-02', 1, values={'csdl': True})])
        with self.city.session(WARD) as session:
            outcome, = session.submit(made)
        self.assertIn(outcome.codes, (['wrong-type'], ['malformed']))
        self.assert_nothing_changed_but(**{outcome.codes[0].replace('-', '_'): 1})

    def test_a_yes_or_no_of_two_is_refused(self):
        made = client.submission(WARD, harness.next_counter(WARD), [month_report(
            11, '2022-02', 1, values={'csdl': 2})])
        with self.city.session(WARD) as session:
            outcome, = session.submit(made)
        self.assertIn(outcome.codes, (['wrong-type'], ['out-of-range']))
        self.assert_nothing_changed_but(**{outcome.codes[0].replace('-', '_'): 1})

    def test_a_value_below_the_minimum_is_refused(self):
        self.assert_refused('out-of-range', month_report(11, '2022-02', -1))

    def test_a_value_above_the_maximum_is_refused(self):
        self.assert_refused('out-of-range', month_report(11, '2022-02', 1001))

    def test_a_decimal_above_its_maximum_is_refused_by_its_scale(self):
        self.assert_refused('out-of-range', month_report(11, '2022-02', 1,
                                                         values={'diem': 101}))

    def test_a_number_that_overflows_a_sum_is_refused(self):
        harness.submit(self.city, 12, month_report(12, '2022-03', 1, values={'hoc-vien': TOP}))
        self.before = self.snapshot()
        self.assert_refused('overflow', month_report(11, '2022-03', 1, values={'hoc-vien': 1}))

    def test_a_number_that_no_sum_could_hold_is_refused(self):
        self.assert_refused('overflow', month_report(11, '2022-02', 1,
                                                     values={'hoc-vien': TOP + 1}))

    def test_an_integer_outside_64_signed_bits_is_refused(self):
        made = client.submission(WARD, 503, [month_report(
            11, '2022-02', 1, values={'hoc-vien': (1 << 63) - 1})])
        data = made.data.replace(b'\xcf' + struct.pack('>Q', (1 << 63) - 1),
                                 b'\xcf' + struct.pack('>Q', 1 << 63))
        self.assertNotEqual(data, made.data)
        self.assert_refused('malformed', made=client.Signed(data, WARD.sign(data)))

    def test_a_report_without_a_required_field_is_refused(self):
        self.assert_refused('missing-field', month_report(11, '2022-02',
                                                          values={'hoc-vien': 1}))

    def test_a_revision_that_is_already_held_is_refused(self):
        self.assert_refused('stale-revision', month_report(11, '2022-01', 9))

    def test_a_revision_without_a_reason_is_refused(self):
        self.assert_refused('reason-missing', month_report(11, '2022-01', 9, revision=2))

    def test_a_nil_report_with_values_is_refused(self):
        self.assert_refused('nil-with-values', month_report(11, '2022-02', 1, nil=True))

    def test_a_duplicate_id_with_other_bytes_is_refused(self):
        harness.submit(self.city, 11, month_report(11, '2022-04', 1), counter=6000)
        self.before = self.snapshot()
        made = client.submission(WARD, 6000, [month_report(11, '2022-05', 1)])
        outcome = self.assert_refused('id-conflict', made=made)
        self.assertEqual(outcome.highest, 6000)

    def test_a_bad_signature_is_refused(self):
        good = client.submission(WARD, 504, [month_report(11, '2022-02', 1)])
        bad = bytes([good.signature[0] ^ 1]) + good.signature[1:]
        self.assert_refused('bad-signature', made=client.Signed(good.data, bad))

    def test_a_signature_of_another_key_is_refused(self):
        made = client.submission(key_of('ward 12'), 504, [month_report(11, '2022-02', 1)],
                                 sender=WARD.public)
        self.assert_refused('bad-signature', made=made)

    def test_a_submission_of_an_unknown_signer_is_refused(self):
        stranger = client.Key.new()
        made = client.submission(stranger, 1, [month_report(11, '2022-02', 1)])
        self.assert_refused('unknown-key', made=made, key=key_of('carrier 10'))

    def test_a_submission_delivered_by_another_reporter_is_refused(self):
        made = client.submission(WARD, 505, [month_report(11, '2022-02', 1)])
        self.assert_refused('wrong-sender', made=made, key=key_of('ward 12'))

    def test_a_counter_of_zero_is_refused(self):
        self.assert_refused('malformed', made=client.submission(WARD, 0, [
            month_report(11, '2022-02', 1)]))

    def test_a_refused_submission_beside_a_good_one_does_not_harm_it(self):
        good = client.submission(WARD, harness.next_counter(WARD),
                                 [month_report(11, '2022-06', 1)])
        bad = client.submission(WARD, harness.next_counter(WARD),
                                [month_report(11, '2022-07', 'x')])
        with self.city.session(WARD) as session:
            outcomes = session.submit(bad, good)
        self.assertEqual([outcome.receipt is None for outcome in outcomes], [True, False])

    # Publications.

    def assert_publication_refused(self, code, kind, name, text, **options):
        with self.city.session() as session:
            outcome = session.publish(kind, name, text, **options)
        self.assertIsNone(outcome.receipt)
        self.assertEqual(set(outcome.codes), {code})
        after = self.snapshot()
        self.assertEqual(after[:3], self.before[:3])
        key = code
        self.assertGreater(after[3].get(key, 0), self.before[3].get(key, 0))
        return outcome

    def test_a_corrupt_plan_is_refused_with_its_lines(self):
        text = harness.PLAN_TEXT.replace('integer,,lớp', 'integr,,lớp')
        outcome = self.assert_publication_refused('bad-text', 'plan', PLAN, text)
        line = text.splitlines().index(next(row for row in text.splitlines()
                                            if 'integr,' in row)) + 1
        self.assertEqual([problem.index for problem in outcome.problems], [line])

    def test_a_plan_that_is_not_a_table_is_refused(self):
        self.assert_publication_refused('bad-text', 'plan', PLAN, 'garbage\n')

    def test_a_plan_that_drops_what_reports_use_is_refused(self):
        text = ''.join(line for line in harness.PLAN_TEXT.splitlines(True)
                       if not line.startswith('thang,hoc-vien'))
        self.assert_publication_refused('incompatible', 'plan', PLAN, text)

    def test_units_with_a_cycle_are_refused(self):
        text = harness.UNITS_TEXT.replace('district,1,', 'district,11,', 1)
        self.assert_publication_refused('bad-text', 'units', 'units', text)

    def test_keys_with_an_unknown_role_are_refused(self):
        text = client.keys_text([(WARD.hex, 11, 'king', '2022-01-01', '', '')])
        self.assert_publication_refused('bad-text', 'keys', 'k', text)

    def test_an_older_publication_is_refused(self):
        self.assert_publication_refused('stale-publication', 'plan', PLAN,
                                        harness.PLAN_TEXT + '## later\n', issued=1)

    def test_a_publication_with_a_bad_signature_is_refused(self):
        made = client.publication(self.operator, 'plan', PLAN, harness.PLAN_TEXT + '## b\n')
        with self.city.session() as session:
            outcome = session.publish_signed(client.Signed(made.data, bytes(64)))
        self.assertEqual((outcome.receipt, outcome.codes), (None, ['bad-signature']))
        self.assert_nothing_changed_but(bad_signature=1)

    def test_a_dry_run_writes_nothing(self):
        with self.city.session() as session:
            outcome = session.publish('plan', PLAN, harness.PLAN_TEXT + '## dry\n', dry_run=True)
        self.assertEqual((outcome.receipt, outcome.problems), (None, []))
        self.assert_nothing_changed_but()

    # Rollups.

    def cell(self, unit=11, values=(1, None, None, None, None, None)):
        return [unit, 1, 1, 1, 0, 1, 0, [bytes(32), bytes(32), 1654045200000, DISTRICT_A, 1], 1,
                list(values)]

    def assert_rollup_refused(self, code, *cells, form='thang', plan=PLAN, made=None):
        key = key_of('fake node')
        made = made or client.rollup(key, next(EPOCHS), 1,
                                     [[plan, form, '2022-08', list(cells)]])
        with self.city.session(key) as session:
            _, _, outcome = session.roll_up(made)
        self.assertIsNone(outcome.receipt)
        self.assertEqual(outcome.codes, [code])
        self.assert_nothing_changed_but(**{code.replace('-', '_'): 1})

    def assert_passed_over(self, code, cell, plan=PLAN):
        key = key_of('fake node')
        made = client.rollup(key, next(EPOCHS), 1, [[plan, 'thang', '2022-08', [cell]]])
        with self.city.session(key) as session:
            _, _, outcome = session.roll_up(made)
        self.assertIsNotNone(outcome.receipt)  # the link's cursor moved
        self.assertEqual(outcome.codes, [code])
        with self.city.session() as session:
            self.assertEqual(session.status()['refusals'][code], self.before[3].get(code, 0) + 1)
            self.assertEqual(session.verify()['differences'], 0)

    def test_a_cell_of_an_unknown_plan_is_passed_over_and_told(self):
        self.assert_passed_over('unknown-plan', self.cell(), plan='kt-1999')

    def test_a_cell_of_a_unit_outside_the_childs_subtree_is_passed_over_and_told(self):
        self.assert_passed_over('not-your-unit', self.cell(unit=21))

    def test_a_cell_with_more_values_than_the_form_has_is_passed_over_and_told(self):
        self.assert_passed_over('unknown-field', self.cell(values=(1,) + (None,) * 6))

    def test_a_cell_with_a_value_of_another_type_is_passed_over_and_told(self):
        self.assert_passed_over('wrong-type', self.cell(values=(1, None, None, None, 7, None)))

    def test_a_cell_that_overflows_a_sum_is_passed_over_and_told(self):
        key = key_of('fake node')
        harness.submit(self.city, 12, month_report(12, '2022-09', 1, values={'hoc-vien': TOP}))
        made = client.rollup(key, next(EPOCHS), 1, [
            [PLAN, 'thang', '2022-09', [self.cell(13, (1, 1, None, None, None, None)),
                                        self.cell(11, (1, 0, None, None, None, None))]]])
        with self.city.session(key) as session:
            _, _, outcome = session.roll_up(made)
        self.assertIsNotNone(outcome.receipt)
        self.assertEqual(outcome.codes, ['overflow'])
        with self.city.session() as session:
            received = {row.unit: row.received
                        for row in session.figures(PLAN, 'thang', '2022-09')}
            self.assertEqual((received[11], received[13]), (1, 0))
            self.assertEqual(session.verify()['differences'], 0)

    def test_a_rollup_with_a_bad_signature_is_refused(self):
        made = client.rollup(key_of('fake node'), next(EPOCHS), 1,
                             [[PLAN, 'thang', '2022-08', [self.cell()]]])
        self.assert_rollup_refused('bad-signature', made=client.Signed(made.data, bytes(64)))

    def test_a_hello_for_a_unit_outside_the_childs_subtree_is_refused(self):
        with self.city.session(key_of('fake node')) as session:
            with self.assertRaises(client.Refused) as caught:
                session.hello(DISTRICT_B, 1)
        self.assertEqual(caught.exception.code, 'not-your-unit')
        self.assert_nothing_changed_but(not_your_unit=1)


# Bytes that are no envelope, however they are read: each must be answered and counted.
def _corpus():
    status = client.envelope('status', 7, [])
    deep = b'\x91' * 9 + b'\x90'
    return {
        'nothing at all': b'',
        'a lone nil': b'\xc0',
        'a reserved byte': b'\xc1',
        'half an envelope': status[:-1],
        'an envelope of three': b'\x93\x01\x09\x07',
        'an envelope of five': b'\x95\x01\x09\x07\x90\x90',
        'a map for an envelope': b'\x84\xa1a\x01\xa1b\x09\xa1c\x07\xa1d\x90',
        'a version that is text': b'\x94\xa1\x31\x09\x07\x90',
        'a negative request': b'\x94\x01\x09\xff\x90',
        'a body that is a number': b'\x94\x01\x0c\x07\x05',
        'nesting beyond eight levels': b'\x94\x01\x09\x07' + deep,
        'nesting of a hundred thousand levels': b'\x94\x01\x09\x07' + b'\x91' * 100_000 + b'\x90',
        'an array that claims four thousand million': b'\x94\x01\x09\x07\xdd\xff\xff\xff\xff',
        'a map that claims four thousand million': b'\x94\x01\x09\x07\xdf\xff\xff\xff\xff',
        'a string that claims four gigabytes': b'\x94\x01\x09\x07\x91\xdb\xff\xff\xff\xff',
        'a bin that claims four gigabytes': b'\x94\x01\x09\x07\x91\xc6\xff\xff\xff\xff',
        'arrays that each claim sixty thousand': b'\x94\x01\x09\x07' + b'\xdc\xff\xff' * 8,
        'a key that stands twice': b'\x94\x01\x09\x07\x91\x82\xa1a\x01\xa1a\x02',
        'a key that is a number': b'\x94\x01\x09\x07\x91\x81\x01\x01',
        'a float': b'\x94\x01\x09\x07\x91\xcb\x3f\xf0\0\0\0\0\0\0',
        'a short float': b'\x94\x01\x09\x07\x91\xca\x3f\x80\0\0',
        'a float that is not a number': b'\x94\x01\x09\x07\x91\xcb\x7f\xf8\0\0\0\0\0\0',
        'an extension type': b'\x94\x01\x09\x07\x91\xd4\x01\x00',
        'a timestamp extension': b'\x94\x01\x09\x07\x91\xd6\xff\0\0\0\0',
        'an integer in too many bytes': b'\x94\x01\x09\xcc\x07\x90',
        'a negative integer in too many bytes': b'\x94\x01\x09\x07\x91\xd0\xff',
        'a positive integer in a signed form': b'\x94\x01\x09\x07\x91\xd1\x01\x00',
        'a string length in too many bytes': b'\x94\x01\x09\x07\x91\xd9\x01a',
        'an array length in too many bytes': b'\xdc\x00\x04\x01\x09\x07\x90',
        'an integer above 63 bits': b'\x94\x01\x09\x07\x91\xcf' + b'\xff' * 8,
        'a string that is not UTF-8': b'\x94\x01\x09\x07\x91\xa2\xc3\x28',
        'an overlong UTF-8 sequence': b'\x94\x01\x09\x07\x91\xa2\xc0\xaf',
        'a surrogate in UTF-8': b'\x94\x01\x09\x07\x91\xa3\xed\xa0\x80',
        'a NUL in a string': b'\x94\x01\x09\x07\x91\xa1\0',
        'a trailing byte': status + b'\x00',
        'a second envelope behind the first': status + status,
        'text of another protocol': b'GET / HTTP/1.1\r\n\r\n',
        'a megabyte of zeros': b'\0' * client.MESSAGE_BYTES_MAX,
    }


def _frame_test(data):
    def test(self):
        with self.city.session(WARD) as session:
            session.send_frame(data)
            answer = session.receive()
        self.assertEqual((answer.name, answer.body[0]),
                         ('refused', 'malformed'))
        self.assert_nothing_changed_but(malformed=1)
    return test


for _name, _data in _corpus().items():
    setattr(BadInput, f'test_a_frame_with_{_name.replace(" ", "_")}_is_refused',
            _frame_test(_data))


# Who may send what ("Envelope"): None is any enrolled key.
PERMITTED = {
    'submit': {'reporter', 'collector', 'carrier'}, 'rollup': {'node'}, 'hello': {'node'},
    'publish': {'operator'}, 'status': None, 'list': None, 'get': None,
    'figures': {'reader', 'collector', 'operator', 'node'}, 'report': None,
    'receipt': {'reporter', 'collector', 'carrier'},
    'watch': {'reader', 'collector', 'operator', 'node'}, 'verify': {'operator'},
    'keys': {'operator'}, 'clock': {'operator'},
}
HOLDERS = {'operator': key_of('operator'), 'reporter': WARD, 'collector': key_of('collector 10'),
           'carrier': key_of('carrier 10'), 'node': key_of('fake node'),
           'reader': key_of('reader')}
BODIES = {
    'submit': [[b'', bytes(64), 0]], 'rollup': [b'', bytes(64)], 'hello': [10, 1],
    'publish': [b'', bytes(64), False], 'figures': [PLAN, '', '', 0, 0],
    'receipt': [1], 'watch': [], 'verify': [], 'keys': [], 'clock': [1654045200000],
}


def _role_test(name, allowed):
    def test(self):
        refused = [role for role in HOLDERS if role not in allowed]
        for role in refused:
            with self.city.session(HOLDERS[role]) as session:
                with self.assertRaises(client.Refused, msg=role) as caught:
                    session.ask(name, BODIES[name], 'answer')
            self.assertEqual(caught.exception.code, 'not-permitted', role)
        self.assert_nothing_changed_but(not_permitted=len(refused))
    return test


for _name, _allowed in PERMITTED.items():
    if _allowed is not None:
        setattr(BadInput, f'test_{_name}_is_refused_to_every_role_that_may_not_send_it',
                _role_test(_name, _allowed))


class BadFiles(harness.NodeCase):
    """Files that the program reads at its start."""

    def daemon(self, name):
        daemon = harness.Daemon(self.folder, name, CITY, self.operator)
        self.daemons.append(daemon)
        return daemon

    def assert_config_error(self, daemon, *words):
        done = daemon.run('--check-config')
        self.assertEqual(done.returncode, harness.EXIT_CONFIG, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_a_good_settings_file_passes_the_check(self):
        daemon = self.daemon('good')
        done = daemon.run('--check-config')
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_an_unknown_setting_is_named_with_file_line_and_the_nearest_name(self):
        daemon = self.daemon('typo')
        daemon.settings['lissten'] = 'x'
        daemon.write_settings()
        line = list(daemon.settings).index('lissten') + 1
        self.assert_config_error(daemon, f'{daemon.settings_path}:{line}', 'lissten', 'listen')

    def test_a_corrupt_settings_file_is_a_configuration_error(self):
        daemon = self.daemon('corrupt')
        with open(daemon.settings_path, 'wb') as file:
            file.write(os.urandom(512) + b'\n\xff\xfe\n')
        self.assert_config_error(daemon, daemon.settings_path)

    def test_a_missing_settings_file_is_an_error(self):
        daemon = self.daemon('missing')
        os.unlink(daemon.settings_path)
        done = daemon.run('--check-config')
        self.assertIn(done.returncode, (harness.EXIT_IO, harness.EXIT_CONFIG))

    def test_a_made_up_clock_without_synthetic_is_a_configuration_error(self):
        daemon = self.daemon('clock')
        daemon.settings['clock.start'] = '2022-01-01T00:00:00+07:00'
        daemon.write_settings()
        self.assert_config_error(daemon, 'clock.start')

    def test_a_corrupt_key_file_is_a_configuration_error(self):
        daemon = self.daemon('key')
        with open(daemon.key_path, 'w', encoding='ascii') as file:
            file.write('not a key\n')
        done = daemon.run('--init', '--operator', self.operator.hex)
        self.assertEqual(done.returncode, harness.EXIT_CONFIG, done.stderr)

    def test_an_unknown_option_is_a_usage_error(self):
        done = subprocess.run([harness.BAOCAOD, '--frobnicate'], capture_output=True, text=True,
                              timeout=30, check=False)
        self.assertEqual(done.returncode, harness.EXIT_USAGE)

    def test_an_operator_that_is_no_key_is_a_usage_error(self):
        done = self.daemon('operator').run('--init', '--operator', 'abc')
        self.assertIn(done.returncode, (harness.EXIT_USAGE, harness.EXIT_CONFIG), done.stderr)

    def test_a_start_without_init_is_a_configuration_error(self):
        done = self.daemon('uninitialised').run()
        self.assertEqual(done.returncode, harness.EXIT_CONFIG, done.stderr)

    def test_a_second_init_is_refused_and_changes_nothing(self):
        daemon = self.node('twice', CITY, start=False)
        with open(os.path.join(daemon.state, 'baocao.mdb'), 'rb') as file:
            before = file.read()
        done = daemon.run('--init', '--operator', key_of('other').hex)
        with open(os.path.join(daemon.state, 'baocao.mdb'), 'rb') as file:
            self.assertEqual((done.returncode != 0, file.read()), (True, before))

    def test_a_store_of_another_node_is_refused(self):
        daemon = self.node('moved', CITY, start=False)
        os.unlink(daemon.key_path)
        key_of('another node').save(daemon.key_path)
        done = daemon.run()
        self.assertEqual(done.returncode, harness.EXIT_CONFIG, done.stderr)

    def test_a_store_of_a_newer_format_is_refused_and_left_as_it_is(self):
        daemon = self.node('newer', CITY, start=False)
        store = os.path.join(daemon.state, 'baocao.mdb')
        dump = subprocess.run(['mdb_dump', '-n', '-s', 'meta', store], check=True,
                              capture_output=True, text=True).stdout.splitlines()
        key = dump.index(' ' + b'format'.hex())
        dump[key + 1] = ' ' + newer(dump[key + 1].strip())
        subprocess.run(['mdb_load', '-n', '-s', 'meta', store], check=True, text=True,
                       input='\n'.join(dump) + '\n', capture_output=True)
        with open(store, 'rb') as file:
            before = file.read()
        done = daemon.run()
        self.assertEqual(done.returncode, harness.EXIT_CONFIG, done.stderr)
        self.assertIn('format', done.stderr)
        with open(store, 'rb') as file:
            self.assertEqual(file.read(), before)


def newer(digits):
    """The format record (a little-endian 32-bit number) with a number a thousand higher."""
    number, = struct.unpack('<I', bytes.fromhex(digits))
    return struct.pack('<I', number + 1000).hex()


if __name__ == '__main__':
    harness.main()
