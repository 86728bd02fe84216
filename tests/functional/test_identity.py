#!/usr/bin/python3
"""Keys come, are replaced and end: on running nodes, over real connections."""

import zmq

import harness
from harness import CITY, client, key_of, month_report, submit

HOUR_MS = 3600 * 1000


class KeyActs(harness.NodeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.city = cls.node('city', CITY, clock='2022-06-04T08:00:00+07:00')
        harness.furnish(cls.city)

    def act(self, made, key=None):
        """The outcome of a key act, its receipt verified if there is one."""
        with self.city.session(key) as session:
            outcome = session.act_on_key(made)
        if outcome.receipt is not None:
            outcome.receipt.verify(self.city.key.public, made)
            self.assertEqual(outcome.receipt.kind, 'key-act')
        return outcome

    def acted(self, made, key=None):
        outcome = self.act(made, key)
        self.assertEqual(outcome.problems, [])
        return outcome.receipt

    def invited(self, name, unit=11, role='reporter'):
        """A token that the operator has made for a unit."""
        token = key_of(f'token {name}')
        self.acted(client.invitation(
            self.operator, self.city.key.public, token.public, unit, role,
            1, name=name))
        return token

    def replacement(self, old, new):
        return client.replacement(old, new, self.city.key.public)

    def revocation(self, by, subject):
        return client.revocation(by, self.city.key.public, subject.public, 'mất máy')

    def enrolled(self, name, unit=11, role='reporter'):
        """A key that came by a token."""
        token, key = self.invited(name, unit, role), key_of(f'owner {name}')
        self.acted(self.replacement(token, key), token)
        return key

    def assert_no_connection(self, key):
        ended = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_DISCONNECTED
        refused, answered = harness.monitored(
            self.city, key, ended, lambda session: session.send('status', []))
        self.assertEqual((refused, answered), (True, False))

    def state_of(self, key):
        with self.city.session() as session:
            rows = {row[0]: row for row in session.keys()}
        return rows[key.public][7] if key.public in rows else None

    def test_a_token_enrols_one_key_once(self):
        token = self.invited('once')
        mine, other = key_of('mine'), key_of('thief')
        self.assertEqual(self.state_of(token), 'invited')
        self.assert_no_connection(mine)
        made = self.replacement(token, mine)
        receipt = self.acted(made, token)
        _, outcome = submit(self.city, 11, month_report(11, '2022-03', 3), key=mine)
        self.assertEqual(outcome.problems, [])
        with self.subTest('the same bytes again get the same receipt, from either key'):
            self.assertEqual(self.acted(made, mine).data, receipt.data)
        with self.subTest('nobody else is let in with it'):
            with self.assertRaises(client.Refused) as caught:
                self.act(self.replacement(token, other), token)
            self.assertEqual(caught.exception.code, 'key-revoked')
            self.assertIn('was used', caught.exception.detail)
            self.assert_no_connection(other)
        self.assertEqual((self.state_of(token), self.state_of(mine)), ('used', 'enrolled'))

    def test_a_token_may_do_nothing_else(self):
        token = self.invited('nothing else')
        with self.city.session(token) as session:
            for name, body in (('status', []), ('list', []), ('keys', []), ('watch', [])):
                with self.subTest(name), self.assertRaises(client.Refused) as caught:
                    session.ask(name, body, 'answer')
                self.assertEqual(caught.exception.code, 'not-permitted')
            session.send('key-act', [b'\0' * 4096, b'\0' * 64])
            self.assertEqual(session.receive().body[0], 'too-large')

    def test_a_token_that_has_expired_says_so(self):
        token = self.invited('expired')
        with self.city.session() as session:
            session.clock(session.status()['clock'] + HOUR_MS)
        with self.assertRaises(client.Refused) as caught:
            self.act(self.replacement(token, key_of('late')), token)
        self.assertEqual(caught.exception.code, 'unknown-key')
        self.assertIn('expired', caught.exception.detail)

    def test_a_guessed_token_is_no_connection(self):
        self.assert_no_connection(key_of('guess'))

    def test_a_revoked_key_ends_at_its_next_message_on_an_open_connection(self):
        key = self.enrolled('revoked', 12)
        made = client.submission(key, 1, [month_report(12, '2022-03', 5)])
        with self.city.session(key) as session:
            session.status()
            self.acted(self.revocation(self.operator, key))
            with self.assertRaises(client.Refused) as caught:
                session.submit(made)
            self.assertEqual(caught.exception.code, 'key-revoked')
        with self.subTest('nor does a carrier bring it'):
            with self.city.session(key_of('carrier 10')) as session:
                outcome, = session.submit(made)
            self.assertEqual(outcome.codes, ['key-revoked'])
        with self.subTest('nor is it let in again'):
            self.assert_no_connection(key)
        with self.subTest('nor does a table bring it back'):
            with self.city.session() as session:
                text = client.keys_text([(key.hex, 12, 'reporter', '2010-01-01', '', '')])
                self.assertEqual(session.publish('keys', 'again', text).codes, ['key-revoked'])
        self.assertEqual(self.state_of(key), 'revoked')

    def test_what_waits_behind_a_revocation_is_refused(self):
        """One flight of messages: two reports, the revocation, two more; judged in that order."""
        key = self.enrolled('queued', 13)
        made = [client.submission(key, number, [month_report(13, f'2022-0{number}', 1)])
                for number in range(1, 5)]
        revocation = self.revocation(key, key)
        with self.city.session(key) as session:
            requests = [session.send('submit', [[one.data, one.signature, 0]])
                        for one in made[:2]]
            requests.append(session.send('key-act', [revocation.data, revocation.signature]))
            requests += [session.send('submit', [[one.data, one.signature, 0]])
                         for one in made[2:]]
            answers = [session.answer_to(request) for request in requests]
        self.assertEqual([answer.name for answer in answers],
                         ['receipts', 'receipts', 'published', 'refused', 'refused'])
        self.assertEqual([answer.body[0] for answer in answers[3:]], ['key-revoked'] * 2)

    def test_a_revoked_reader_hears_no_events(self):
        key = self.enrolled('watcher', CITY, 'reader')
        with self.city.session(key) as watcher, \
                self.city.session(key_of('reader')) as other:
            other.watch()
            with self.assertRaises(client.Timeout):
                while True:  # what came before is told at most a tenth of a second later
                    other.next_event(0.3)
            watcher.watch()
            self.acted(self.revocation(self.operator, key))
            submit(self.city, 21, month_report(21, '2022-04', 1))
            other.next_event()
            with self.assertRaises(client.Timeout):
                watcher.next_event(0.3)

    def test_a_key_is_replaced_and_its_party_goes_on(self):
        key, new = self.enrolled('replaced', 22), key_of('successor')
        sent, outcome = submit(self.city, 22, month_report(22, '2022-03', 5), key=key, counter=7)
        receipt = self.acted(self.replacement(key, new), key)
        with self.subTest('the old key ends'):
            self.assert_no_connection(key)
        with self.subTest('the new one has its rights and its counters'):
            _, second = submit(self.city, 22, month_report(22, '2022-04', 6), key=new, counter=7)
            self.assertEqual(second.codes, ['id-conflict'])
            _, second = submit(self.city, 22, month_report(22, '2022-04', 6), key=new, counter=8)
            self.assertEqual(second.problems, [])
        with self.subTest('what the old key had sent keeps its receipt'):
            with self.city.session(new) as session:
                again, = session.submit(sent)
            self.assertEqual(again.receipt.data, outcome.receipt.data)
        with self.subTest('what it had not sent is refused'):
            with self.city.session(new) as session:
                again, = session.submit(
                    client.submission(key, 9, [month_report(22, '2022-05', 7)]))
            self.assertEqual(again.codes, ['key-revoked'])
        self.assertEqual(receipt.sender, key.public)

    def test_only_an_operator_or_the_key_itself_revokes(self):
        made = self.revocation(key_of('collector 10'), key_of('ward 11'))
        self.assertEqual(self.act(made, key_of('collector 10')).codes, ['not-permitted'])
        made = self.revocation(self.operator, self.operator)
        self.assertEqual(self.act(made).codes, ['act-not-possible'])


if __name__ == '__main__':
    harness.main()
