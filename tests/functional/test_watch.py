#!/usr/bin/python3
"""Readers are told when figures change."""

import time

import harness
from harness import CITY, DISTRICT_A, client, key_of, month_report, submit


class Watch(harness.NodeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.city = cls.node('city', CITY)
        harness.furnish(cls.city)

    def test_a_watcher_is_told_of_a_new_report(self):
        with self.city.session(key_of('reader')) as reader:
            reader.watch()
            _, outcome = submit(self.city, 11, month_report(11, '2022-01', 1))
            self.assertEqual(reader.next_event(), outcome.receipt.seq)

    def test_the_answer_to_watch_is_the_present_seq(self):
        with self.city.session(key_of('reader')) as reader, self.city.session() as session:
            self.assertEqual(reader.watch(), session.status()['seq'])

    def test_a_refused_report_makes_no_event(self):
        with self.city.session(key_of('reader')) as reader:
            reader.watch()
            _, outcome = submit(self.city, 11, month_report(11, '2022-05', 1))
            while reader.next_event() < outcome.receipt.seq:
                pass
            submit(self.city, 11, month_report(11, '2022-02', 5000))
            with self.assertRaises(client.Timeout):
                reader.next_event(0.5)

    def test_many_commits_in_a_second_are_told_in_few_events(self):
        key = key_of('collector 20')
        with self.city.session(key_of('reader')) as reader, self.city.session(key) as sender:
            reader.watch()
            last, begun = 0, time.monotonic()
            for month in range(1, 13):
                for unit in (21, 22):
                    made = client.submission(key, harness.next_counter(key), [
                        month_report(unit, f'2022-{month:02}', 1)])
                    outcome, = sender.submit(made)
                    last = outcome.receipt.seq
            events = [reader.next_event()]
            while events[-1] < last:
                events.append(reader.next_event())
            tenths = int((time.monotonic() - begun) * 10)  # at most one event in each
            self.assertLessEqual(len(events), tenths + 2)

    def test_every_watcher_is_told(self):
        with self.city.session(key_of('reader')) as one, self.city.session() as two:
            one.watch()
            two.watch()
            _, outcome = submit(self.city, 12, month_report(12, '2022-03', 1))
            self.assertEqual([one.next_event(), two.next_event()], [outcome.receipt.seq] * 2)

    def test_a_watcher_of_the_parent_is_told_of_a_childs_report(self):
        child = self.node('a', DISTRICT_A, self.city, start=False)
        harness.publish(self.city, 'keys', 'children', client.keys_text(
            [(child.key.hex, DISTRICT_A, 'node', '2022-01-01', '', '')]))
        child.start()
        harness.furnish(child)
        with self.city.session(key_of('reader')) as reader:
            reader.watch()
            submit(child, 13, month_report(13, '2022-04', 1))
            reader.next_event(harness.FLOW_SECONDS)
            rows = reader.figures(harness.PLAN)
        self.assertEqual(harness.row_of(rows, 'thang', '2022-04', 13).received, 1)


if __name__ == '__main__':
    harness.main()
