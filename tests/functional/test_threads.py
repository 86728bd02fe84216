#!/usr/bin/python3
"""A recount and questions as of the past run in their thread while the loop takes reports and sends
them on. Any build shows that the answers are right; one with ThreadSanitizer (the preset "tsan")
that no two threads touch the same memory unguarded: it would end the daemon with another status.
"""

import os
import pathlib
import threading
import time
import unittest

import harness
from harness import CITY, DISTRICT_A, PLAN, WARDS_A, client, key_of, month_report, nodes

ROUNDS = 6
REPORTS_MIN = 60


class Reporter(threading.Thread):
    """Hands in revision after revision for a ward, until told to stop."""

    def __init__(self, daemon, unit):
        super().__init__(daemon=True)
        self.session = daemon.session(key_of(f'ward {unit}'), timeout=30)
        self.unit = unit
        self.ended = False
        self.sent = 0
        self.failure = None

    def run(self):
        try:
            while not self.ended:
                made = client.submission(
                    self.session.key, harness.next_counter(self.session.key),
                    [month_report(self.unit, '2022-05', self.sent % 1000, revision=self.sent + 1,
                                  note='lại' if self.sent else '')])
                outcome, = self.session.submit(made)
                if outcome.receipt is None:
                    raise AssertionError(outcome.problems)
                self.sent += 1
        except Exception as error:
            self.failure = error
        finally:
            self.session.close()


class Threads(harness.NodeCase):
    def test_a_recount_and_the_past_are_asked_for_while_reports_come_in(self):
        city = self.node('city', CITY)
        district = self.node('district', DISTRICT_A, city, start=False)
        harness.furnish(city, [district])
        district.start()
        harness.furnish(district)
        reporters = [Reporter(district, unit) for unit in WARDS_A]
        for reporter in reporters:
            reporter.start()
        with district.session(timeout=60) as session:
            session.watch()
            rounds = 0
            while rounds < ROUNDS or sum(reporter.sent for reporter in reporters) < REPORTS_MIN:
                self.assertEqual(session.verify()['differences'], 0)
                rows = session.figures_as_of(session.status()['clock'], PLAN)
                self.assertTrue(rows)
                rounds += 1
                if any(reporter.failure for reporter in reporters):
                    break
            for reporter in reporters:
                reporter.ended = True
                reporter.join(harness.STOP_SECONDS)
                self.assertIsNone(reporter.failure)
            self.assertEqual(session.figures_as_of(session.status()['clock'], PLAN),
                             session.figures(PLAN))
            # One that is under way when the daemon ends is told to stop.
            session.send('verify', [])
            session.status()
        for daemon in (district, city):
            self.assertEqual(daemon.stop(), 0)
            self.assertNotIn('ThreadSanitizer', daemon.log())

    @unittest.skipUnless(os.sched_getscheduler(0) == os.SCHED_OTHER, 'under a policy of its own')
    def test_its_threads_put_nobody_off_while_there_is_much_to_do(self):
        self.check_policies(self.node('alone', CITY))

    @unittest.skipUnless(os.sched_getscheduler(0) == os.SCHED_OTHER, 'under a policy of its own')
    def test_but_for_the_thread_that_has_the_questions_alone(self):
        self.check_policies(self.node('apart', CITY, settings={'listen.questions': nodes.new_endpoint()}),
                            'ZMQbg/IO/2')

    def check_policies(self, alone, *usual):
        harness.furnish(alone)
        pid = alone.process.popen.pid

        def are(policy):
            found = {}
            tasks = os.listdir(f'/proc/{pid}/task')
            self.assertGreater(len(tasks), 4)
            for task in tasks:
                name = pathlib.Path(f'/proc/{pid}/task/{task}/comm').read_text(encoding='utf-8').strip()
                found.setdefault(name, set()).add(os.sched_getscheduler(int(task)))
            for name in usual:
                self.assertEqual(found.pop(name), {os.SCHED_OTHER})
            return set.union(*found.values()) == {policy}

        def become(policy):
            limit = time.monotonic() + harness.STOP_SECONDS
            while not are(policy) and time.monotonic() < limit:
                time.sleep(0.05)
            return are(policy)

        self.assertTrue(become(os.SCHED_OTHER))
        with alone.session(key_of('ward 11'), timeout=30) as session:
            outcome, = session.submit(client.submission(
                session.key, harness.next_counter(session.key),
                [month_report(11, '2022-05', i % 1000, revision=i + 1, note='lại' if i else '')
                 for i in range(200)]))
        self.assertIsNotNone(outcome.receipt, outcome.problems)
        self.assertTrue(are(os.SCHED_BATCH))
        self.assertTrue(become(os.SCHED_OTHER))


if __name__ == '__main__':
    harness.main()
