#!/usr/bin/python3
"""
While a hostile peer does its worst, an honest ward gets its receipts within a second and the node
stays below the MemoryMax of its unit. BAOCAO_ATTACK_SECONDS makes each attack longer.
"""

import collections
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

import harness
from harness import CITY, PLAN, client, key_of

SECONDS = float(os.environ.get('BAOCAO_ATTACK_SECONDS', '2'))
P99_SECONDS = 1.0
BACK_SECONDS = 4.0
RESTART_SECONDS = 1.0  # RestartSec of the unit
CONNECTS_BURST, CONNECTS_PER_SECOND = 1000, 10  # of one key: docs/limits.md
HERE = os.path.dirname(os.path.abspath(__file__))


def unit_bytes_max():
    """MemoryMax of the shipped unit."""
    with open(os.path.join(harness.SOURCE, 'systemd', 'baocaod@.service.in'),
              encoding='utf-8') as file:
        number, letter = re.search(r'^MemoryMax=(\d+)([MG])$', file.read(), re.M).groups()
    return int(number) << {'M': 20, 'G': 30}[letter]


class Cap:
    """
    A memory cap as the unit sets it: a cgroup where one can be made, else RLIMIT_DATA, which
    leaves out the pages of the store as the cgroup does when it takes cached pages back.
    """

    def __init__(self, name, bytes_max=None):
        self.folder, self.limit = None, None
        self.bytes_max = bytes_max or unit_bytes_max()
        for parent, limit in self._parents():
            folder = os.path.join(parent, f'baocao-{name}-{os.getpid()}')
            try:
                os.mkdir(folder)
                self.folder, self.limit = folder, limit
                self._write(limit, self.bytes_max)
                return
            except OSError:
                self.close()

    @staticmethod
    def _parents():
        with open('/proc/self/cgroup', encoding='ascii') as file:
            lines = [line.strip().split(':', 2) for line in file]
        for _, controllers, path in lines:
            if controllers == 'memory':
                yield '/sys/fs/cgroup/memory' + path, 'memory.limit_in_bytes'
                yield '/sys/fs/cgroup/memory', 'memory.limit_in_bytes'
            elif controllers == '':
                yield '/sys/fs/cgroup' + path, 'memory.max'

    def _write(self, name, value):
        with open(os.path.join(self.folder, name), 'w', encoding='ascii') as file:
            file.write(str(value))

    def hold(self, pid):
        if self.folder:
            try:
                self._write('cgroup.procs', pid)
                return
            except OSError:
                self.close()
        resource.prlimit(pid, resource.RLIMIT_DATA, (self.bytes_max, self.bytes_max))

    def close(self):
        if self.folder:
            try:
                os.rmdir(self.folder)
            except OSError:
                pass
        self.folder = None


class Honest(threading.Thread):
    """A ward that hands in one report after the other; the time of each receipt is kept."""

    def __init__(self, daemon, key, unit, routing_id=None):
        super().__init__(daemon=True)
        self.daemon_node = daemon
        self.key, self.unit = key, unit
        self.times = []
        self.receipts = []
        self.failures = []
        self.ending = threading.Event()
        self.session = daemon.session(key, timeout=10)
        if routing_id:
            self.session.socket.disconnect(daemon.endpoint)
            self.session.socket.routing_id = routing_id
            self.session.socket.connect(daemon.endpoint)
        self.hand_in()  # the handshake is not what is measured
        self.times.clear()

    revision = 0
    repeats = False  # whether a node that ends is expected

    def hand_in(self):
        Honest.revision += 1
        made = client.submission(self.key, harness.next_counter(self.key), [
            harness.month_report(self.unit, '2022-02', self.revision % 1000,
                                 revision=self.revision, note='sửa')])
        begun = time.monotonic()
        outcome, = self.patient_submit(made)
        self.times.append(time.monotonic() - begun)
        if outcome.receipt is None:
            raise AssertionError(f'refused: {outcome.problems}')
        self.receipts.append((made, outcome.receipt.data))

    def patient_submit(self, made):
        """The same bytes until there is an answer, as an outbox does, for 20 s."""
        limit = time.monotonic() + 20
        while True:
            try:
                return self.session.submit(made, timeout=0.5 if self.repeats else None)
            except client.Timeout:
                if not self.repeats or time.monotonic() > limit:
                    raise

    def run(self):
        while not self.ending.is_set():
            try:
                self.hand_in()
            except Exception as error:  # pylint: disable=broad-except
                self.failures.append(repr(error))
                self.times.append(10.0)
            time.sleep(0.01)

    def end(self):
        self.ending.set()
        self.join()
        self.session.close()
        return self

    def p99(self):
        times = sorted(self.times)
        return times[min(len(times) - 1, len(times) * 99 // 100)]


def rss_peak(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as file:
        return int(re.search(r'^VmHWM:\s+(\d+) kB$', file.read(), re.M).group(1)) << 10


def publish_many_keys(daemon):
    """A text of some hundred KiB, and that many keys."""
    rows = [(client.Key(i.to_bytes(32, 'big')).hex, 11, 'reporter', '2010-01-01', '',
             f'Number {i}') for i in range(1, 4001)]
    harness.publish(daemon, 'keys', 'many', client.keys_text(rows))


class Hostile(harness.NodeCase):
    """One node under the cap of its unit; each test is one attack."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.city = cls.node('city', CITY, clock='2022-06-01T08:00:00+07:00', start=False)
        cls.cap = Cap('city')
        cls.addClassCleanup(cls.cap.close)
        cls.start_capped()
        harness.furnish(cls.city)
        publish_many_keys(cls.city)

    @classmethod
    def start_capped(cls):
        cls.city.start()
        cls.cap.hold(cls.city.process.popen.pid)

    def setUp(self):
        if not self.city.alive():
            self.start_capped()

    def attack(self, name, *arguments, key=None, seconds=SECONDS):
        """Starts an attacker; its process."""
        process = subprocess.Popen(
            [sys.executable, '-B', os.path.join(HERE, 'attackers.py'), name, self.city.endpoint,
             self.city.key.public.hex(), (key or key_of('reader')).seed.hex(), str(seconds),
             *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def finish(self, process):
        """What the attacker says of itself, as a dict of numbers."""
        said, _ = process.communicate(timeout=SECONDS + 60)
        self.assertEqual(process.returncode, 0)
        return {word: int(number) for word, number in re.findall(r'^(\w+) (\d+)$', said, re.M)}

    def withstand(self, name, *arguments, key=None, did=10, routing_id=None):
        """
        The attack does not hold up the honest ward, nor does it end the node. What else the machine
        does can hold it up, too: then the attack is made again, twice at most.
        """
        total, times = collections.Counter(), []
        while len(times) < 3 and (not times or times[-1] >= P99_SECONDS):
            honest, done = self.withstand_once(name, *arguments, key=key, did=did,
                                               routing_id=routing_id)
            total.update(done, receipts=len(honest.receipts))
            times.append(honest.p99())
        self.assertLess(times[-1], P99_SECONDS, times)
        return total

    def withstand_once(self, name, *arguments, key, did, routing_id):
        pid = self.city.process.popen.pid
        honest = Honest(self.city, key_of('ward 11'), 11, routing_id)
        process = self.attack(name, *arguments, key=key)
        honest.start()
        done = self.finish(process)
        honest.end()
        print(f'    {name}: {done["did"]} times; {len(honest.times)} receipts, '
              f'p99 {honest.p99() * 1000:.0f} ms, max {max(honest.times) * 1000:.0f} ms; '
              f'peak so far {rss_peak(pid) >> 20} MiB')
        self.assertEqual(honest.failures, [])
        self.assertGreaterEqual(done['did'], did)
        self.assertTrue(self.city.alive())
        self.assertEqual(self.city.process.popen.pid, pid)
        self.assertLess(rss_peak(pid), unit_bytes_max())
        return honest, done

    def refusals(self, code):
        with self.city.session() as session:
            return session.status()['refusals'].get(code, 0)

    # Without a key.

    def test_silent_connections(self):
        self.withstand('silent', did=1000)

    def test_a_handshake_one_byte_at_a_time(self):
        self.withstand('slow_greeting')

    def test_garbage(self):
        self.withstand('garbage')

    def test_other_protocols(self):
        self.withstand('wrong_protocol')

    def test_huge_frame_headers_before_the_handshake(self):
        self.withstand('huge_headers')

    def test_unregistered_keys(self):
        before = self.refusals('unknown-key')
        self.withstand('unregistered')
        self.assertGreater(self.refusals('unknown-key'), before)

    # With an enrolled key.

    def test_a_flood_of_small_messages(self):
        before = self.refusals('later')
        self.withstand('flood_small', did=1000)
        self.assertGreater(self.refusals('later'), before)

    def test_a_flood_of_questions(self):
        self.withstand('flood_questions', did=100)

    def test_a_flood_of_large_submissions(self):
        self.withstand('flood_submissions', key=key_of('ward 12'))

    def test_replayed_submissions_count_once(self):
        before = self.entries()
        done = self.withstand('replay', key=key_of('ward 12'))
        self.assertEqual(self.entries() - before, done['receipts'] + 1)

    def test_a_replayed_connection(self):
        self.withstand('replay_connection')

    def test_messages_of_many_parts(self):
        before = self.refusals('malformed')
        self.withstand('many_parts')
        self.assertGreater(self.refusals('malformed'), before)

    def test_frames_that_are_too_large(self):
        self.withstand('too_large', key=key_of('ward 21'), did=1)

    def test_huge_frame_headers_after_the_handshake(self):
        self.withstand('huge_message', key=key_of('ward 22'))

    def test_slow_readers(self):
        self.withstand('slow_reader', did=100)
        # 8 MiB of answers wait for the key, not 500 answers for each of its connections.
        self.assertLess(rss_peak(self.city.process.popen.pid), 128 << 20)

    def test_slow_writers(self):
        self.withstand('slow_writer')

    def test_forged_routing_ids(self):
        done = self.withstand('forged_ids', routing_id=b'honest')
        self.assertEqual(done['stolen'], 0)

    def test_connections_of_one_key(self):
        before = self.refusals('later')
        attack = self.attack('connects', key=key_of('ward 13'), seconds=60)
        words = 'connect-refused: key ' + key_of('ward 13').hex[:16]
        harness.wait_until(lambda: words in self.city.log(), 60)
        with self.city.session(key_of('ward 12')) as session:
            session.status()  # another key is let in meanwhile
        self.assertIsNone(attack.poll())
        self.assertGreater(self.refusals('later'), before)
        done = self.finish(attack)
        print(f'    connects: {done["did"]} times, {done["refused"]} refused, in {done["ms"]} ms')
        self.assertGreaterEqual(done['did'], CONNECTS_BURST)
        self.assertLessEqual(done['did'], CONNECTS_BURST + 1 +
                             CONNECTS_PER_SECOND * done['ms'] // 1000)
        with self.city.session(key_of('ward 13')) as session:
            session.status()  # the key is let in again

    def entries(self):
        with self.city.session() as session:
            return session.status()['entries']


class Ended(harness.NodeCase):
    """What ends a node, or fills its table of descriptors: it is back, and nothing is lost."""

    CAP_BYTES = 192 << 20  # reached within a second; what the unit sets takes several

    def setUp(self):
        self.city = self.node(f'city{len(self.daemons)}', CITY, clock='2022-06-01T08:00:00+07:00')
        harness.furnish(self.city)

    attack, finish = Hostile.attack, Hostile.finish

    def supervise(self, cap, times):
        """Starts the node when it has ended, as its unit does, so often; how long each took."""
        took = []
        while len(took) < times:
            cap.hold(self.city.process.popen.pid)
            self.city.process.wait(60)
            begun = time.monotonic()
            time.sleep(RESTART_SECONDS)
            self.city.start()
            took.append(time.monotonic() - begun)
        return took

    def test_an_endless_message_ends_the_node_at_its_cap_and_nothing_is_lost(self):
        cap = Cap('ended', self.CAP_BYTES)
        self.addCleanup(cap.close)
        self.addCleanup(self.city.close)
        honest = Honest(self.city, key_of('ward 11'), 11)
        honest.repeats = True
        honest.start()
        attack = self.attack('multipart', seconds=100)
        took = self.supervise(cap, 2)
        attack.kill()
        honest.end()
        print(f'    multipart: ended the node {len(took)} times, back after {max(took):.2f} s; '
              f'{len(honest.receipts)} receipts')
        self.assertLess(max(took), BACK_SECONDS)
        self.assertEqual(honest.failures, [])
        self.assert_kept(honest)

    def assert_kept(self, honest):
        """Every submission with a receipt is there once, and gives the same receipt again."""
        with self.city.session(honest.key) as session:
            for made, receipt in honest.receipts:
                again, = session.submit(made)
                self.assertEqual(again.receipt.data, receipt)
        self.assertEqual(harness.differences(self.city), 0)

    def test_after_descriptors_have_run_out_honest_clients_get_in(self):
        resource.prlimit(self.city.process.popen.pid, resource.RLIMIT_NOFILE, (150, 150))
        honest = Honest(self.city, key_of('ward 11'), 11)
        process = self.attack('silent', 1000)
        honest.start()  # its connection is there already: it must go on
        self.assertGreater(self.finish(process)['did'], 150)
        honest.end()
        self.assertEqual(honest.failures, [])
        self.assertLess(honest.p99(), P99_SECONDS)
        late = Honest(self.city, key_of('ward 12'), 12)
        late.session.close()
        self.assertEqual(len(late.receipts), 1)


class Turns(harness.NodeCase):
    """Without any rate, and with questions that are not cheap: the loop's turns are short."""

    def test_a_submission_does_not_wait_behind_a_thousand_questions(self):
        self.city = self.node('city', CITY, clock='2022-06-01T08:00:00+07:00', settings={
            'rate.messages': 0, 'rate.bytes': 0, 'rate.work': 0})
        harness.furnish(self.city)
        publish_many_keys(self.city)
        self.withstand('flood_keys', key=self.operator)

    attack, finish = Hostile.attack, Hostile.finish
    withstand, withstand_once = Hostile.withstand, Hostile.withstand_once


class Readers(harness.NodeCase):
    """Who reads for long holds up neither the store nor other readers."""

    def setUp(self):
        self.city = self.node(f'city{len(self.daemons)}', CITY, clock='2022-06-01T08:00:00+07:00',
                              settings={'map_size': '16M'})
        harness.furnish(self.city)

    def used(self):
        with self.city.session() as session:
            return session.status()['map_used']

    def test_a_process_that_holds_a_snapshot_is_ended_before_the_map_is_full(self):
        if not shutil.which('mdb_dump'):
            self.skipTest('lmdb-utils is not installed')
        rows = [(client.Key(i.to_bytes(32, 'big')).hex, 11, 'reporter', '2010-01-01', '', 'x' * 60)
                for i in range(1, 2001)]  # more than a pipe holds
        harness.publish(self.city, 'keys', 'many', client.keys_text(rows))
        reader = subprocess.Popen(
            ['mdb_dump', '-n', '-a', os.path.join(self.city.state, 'baocao.mdb')],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.addCleanup(reader.stdout.close)
        self.addCleanup(reader.wait)
        self.addCleanup(reader.kill)
        reader.stdout.read(1)  # it has its snapshot, and now waits for a pipe that nobody reads
        begun = self.used()
        honest = Honest(self.city, key_of('ward 11'), 11)
        try:
            harness.wait_until(lambda: honest.hand_in() or reader.poll() is not None, 60)
        finally:
            honest.session.close()
        self.assertEqual(reader.wait(), -signal.SIGKILL)
        self.assertLess(self.used() - begun, 12 << 20)  # an eighth of the map, and what a second brings
        self.assertIn('reader-ended', self.city.log())
        honest = Honest(self.city, key_of('ward 11'), 11)
        growth = [1 << 20]
        while growth[-1] > 64 << 10 and len(growth) < 20:  # until its slot is free
            before = self.used()
            for _ in range(50):
                honest.hand_in()
            growth.append(self.used() - before)
        honest.session.close()
        self.assertLessEqual(growth[-1], 64 << 10, growth)

    def test_one_reader_cannot_keep_the_thread_of_past_questions(self):
        moment = harness.ms_of('2022-06-02T08:00:00+07:00')
        question = [moment, client.TYPES['figures'], [PLAN, '', '2022', 0, 0]]
        with self.city.session(key_of('reader')) as greedy, self.city.session() as other:
            waits, answers = 0, 0
            for _ in range(2000):
                greedy.send('as-of', question)  # its next one is always there first
                try:
                    other.query('as-of', *question)
                    answers += 1
                except client.Refused as refused:
                    self.assertEqual(refused.code, 'busy')
                while greedy.socket.poll(0):
                    message = greedy.receive()
                    waits += message.name == 'refused' and message.body[0] == 'later'
                if waits and answers:
                    break
            self.assertTrue(waits and answers, (waits, answers))


if __name__ == '__main__':
    harness.main()
