#!/usr/bin/python3
"""What is sent counts exactly once: over lost, doubled and late messages, an end of the node in the
middle, and an outbox that comes back from an older copy.

Run by itself it takes `--count N` for N submissions and `--seed N`; ./dev test --long sends 100,000.
"""

import itertools
import os
import random
import shutil
import struct
import sys
import time

import harness
from harness import client, key_of
from test_cli import ToolCase

LOSS, DOUBLE, LATE = 0.20, 0.10, 0.10  # of messages, in each direction
WINDOW = 24           # bundles of one sender in flight
BUNDLE_MAX = 32       # submissions of one message; the protocol allows 64
REPEAT_SECONDS = 0.2, 1.6  # an unanswered bundle is sent again; later each time, up to so long
PLAN, FORM = 'once', 'm'
MONTHS = [f'{year}-{month:02}' for year in range(2010, 2022) for month in range(1, 13)]
DISTRICTS = 4
COUNT = int(os.environ.get('BAOCAO_ONCE', '10000'))
SEED = int(os.environ.get('BAOCAO_SEED', '1'))

PLAN_TEXT = f'''# plan
code,title,from,to,document
{PLAN},Kế hoạch mẫu,2010-01-01,2022-01-01,M
# form
code,title,cadence,source
{FORM},Báo cáo tháng,month,proposed
# duty
form,reporter,source
{FORM},group ward,M:L1
# field
form,code,label,type,nature,over_time,over_units,source
{FORM},n,N,integer,flow,sum,sum,proposed
'''


def units_text(wards):
    rows = ['# unit', 'unit,code,name,group,parent,from,to', '1,1,C,city,,2000-01-01,']
    rows += [f'{10 + district},{10 + district},D,district,1,2000-01-01,'
             for district in range(DISTRICTS)]
    rows += [f'{ward},{ward},W,ward,{10 + district},2000-01-01,'
             for district in range(DISTRICTS) for ward in wards[district]]
    return '\n'.join(rows) + '\n'


class Weather:
    """Loses, doubles and holds back messages, by a generator of its own."""

    def __init__(self, generator):
        self.random = generator
        self.held = []
        self.counts = {'lost': 0, 'doubled': 0, 'late': 0}

    def through(self, message):
        """What arrives now that this one is sent; older ones may come behind it."""
        arrived = []
        luck = self.random.random()
        if luck < LOSS:
            self.counts['lost'] += 1
        elif luck < LOSS + DOUBLE:
            self.counts['doubled'] += 1
            arrived = [message, message]
        elif luck < LOSS + DOUBLE + LATE:
            self.counts['late'] += 1
            self.held.append(message)
        else:
            arrived = [message]
        while self.held and self.random.random() < 0.3:
            arrived.append(self.held.pop(self.random.randrange(len(self.held))))
        return arrived


class Outbox:
    """
    Counter and signed bytes, in a file before they are sent; what has its receipt is noted behind
    them. A copy of the file is what a backup would have kept.
    """

    def __init__(self, path):
        self.path = path
        self.counter = 0
        self.waiting = {}
        self.file = open(path, 'ab+', buffering=0)
        self.file.seek(0)
        data = self.file.read()
        while data:
            kind, counter, size, signature_size = struct.unpack('<cQII', data[:17])
            end = 17 + size + signature_size
            if kind == b'S':
                self.waiting[counter] = client.Signed(data[17:17 + size], data[17 + size:end])
                self.counter = max(self.counter, counter)
            else:
                self.waiting.pop(counter, None)
            data = data[end:]

    def keep(self, made, counter):
        self.waiting[counter] = made
        self.counter = max(self.counter, counter)
        self.file.write(struct.pack('<cQII', b'S', counter, len(made.data), len(made.signature))
                        + made.data + made.signature)

    def done(self, counters):
        for counter in counters:
            self.waiting.pop(counter, None)
        self.file.write(b''.join(struct.pack('<cQII', b'R', counter, 0, 0)
                                 for counter in counters))

    def close(self):
        self.file.close()


class Sender:
    """One party that reports for its wards: bundles in flight, repeated until they are answered."""

    def __init__(self, test, name, work, generator):
        self.test = test
        self.key = key_of(name)
        self.random = generator
        self.work = work          # (unit, period, figure), still to be signed
        self.reports = len(work)
        self.path = os.path.join(test.folder, f'{name}.outbox')
        self.outbox = Outbox(self.path)
        self.session = test.city.session(self.key)
        self.there, self.back = Weather(generator), Weather(generator)
        self.flights = {}         # request: (counters, when to repeat, how long to wait then)
        self.flying = set()       # their counters
        self.items = {}           # counter: what it reports
        self.receipts = {}        # bytes that were sent: the receipt they got
        self.conflicts = 0
        self.repeated = 0
        self.backup = None

    def sign(self, item, at_least=0):
        unit, period, figure = item
        counter = max(self.outbox.counter + 1, at_least)
        made = client.submission(self.key, counter, [client.report(
            PLAN, FORM, period, unit, {'n': figure})], created=1640995200000)
        self.items[counter] = item
        self.outbox.keep(made, counter)

    def fill(self):
        """Signs what is to be done and sends bundles while there is room."""
        while len(self.flights) < WINDOW:
            size = self.random.randint(1, BUNDLE_MAX)
            free = list(itertools.islice(
                (counter for counter in self.outbox.waiting if counter not in self.flying), size))
            while self.work and len(free) < size:
                self.sign(self.work.pop())
                free.append(self.outbox.counter)
            if not free:
                return
            self.flying.update(free)
            self.send(self.next_request(), free, REPEAT_SECONDS[0])

    def next_request(self):
        self.session._request += 1
        return self.session._request

    def send(self, request, counters, wait):
        # A late answer to a flight of before the copy came back may have settled some of this one.
        settled = [counter for counter in counters if counter not in self.outbox.waiting]
        self.flying.difference_update(settled)
        if settled:  # what is left goes under a number of its own: it is another message
            self.flights.pop(request)
            counters = [counter for counter in counters if counter not in settled]
            request = self.next_request()
        if not counters:
            return
        self.flights[request] = (counters, time.monotonic() + wait, wait)
        body = [[made.data, made.signature, 0]
                for made in map(self.outbox.waiting.__getitem__, counters)]
        self.session.note_sent('submit', request, body)
        frame = client.envelope('submit', request, body)
        for arrived in self.there.through(frame):
            self.session.send_frame(arrived)

    def turn(self):
        """Takes what came, repeats what stayed unanswered; True while there is something to do."""
        while self.session.poll():
            for message in self.back.through(self.session.receive(0)):
                self.take(message)
        now = time.monotonic()
        for request, (counters, limit, wait) in list(self.flights.items()):
            if limit < now:
                self.repeated += 1
                self.send(request, counters, min(2 * wait, REPEAT_SECONDS[1]))
        self.fill()
        return bool(self.flights or self.work or self.outbox.waiting)

    def take(self, message):
        """An answer, perhaps for the second time or of before the copy came back."""
        if message.name == 'refused' and message.body[0] == 'later':
            self.wait(message.request, client.Refused(*message.body).wait)
            return
        if message.name != 'receipts':
            raise AssertionError(f'the node said {message.name}: {message.body}')
        flight = self.flights.pop(message.request, None)
        self.flying.difference_update(flight[0] if flight else ())
        done = []
        for counter, receipt, problems, highest in message.body:
            made = self.outbox.waiting.get(counter)
            codes = [problem[1] for problem in problems]
            if receipt is not None:
                digest = self.take_receipt(receipt)
                if made is not None and made.digest == digest:
                    done.append(counter)
            elif flight is None or made is None:
                pass  # what it speaks of was settled, or forgotten
            elif codes == ['id-conflict']:
                # Another life of this outbox used the counter: go on above all of them.
                self.conflicts += 1
                done.append(counter)
                self.sign(self.items[counter], highest + 1)
            elif codes == ['stale-revision'] and self.backup is not None:
                done.append(counter)  # what was made again had counted before the copy came back
            else:
                raise AssertionError(f'counter {counter}: {problems}')
        self.outbox.done(done)

    def wait(self, request, seconds):
        """The node has put these bytes off for so long."""
        if request in self.flights:
            counters, _, repeat = self.flights[request]
            self.flights[request] = counters, time.monotonic() + seconds, repeat

    def take_receipt(self, data):
        """Whatever bytes have a receipt have always had the same one."""
        digest = client.Receipt(data).digest
        if self.receipts.setdefault(digest, data) != data:
            raise AssertionError('the same bytes got another receipt')
        return digest

    def save(self):
        """A backup of all that this sender knows."""
        self.backup = (list(self.work), dict(self.items))
        shutil.copy(self.path, self.path + '.copy')

    def restore(self):
        """Everything since the backup is forgotten, but for what this test holds against it."""
        self.outbox.close()
        shutil.copy(self.path + '.copy', self.path)
        self.outbox = Outbox(self.path)
        self.work, self.items = self.backup
        self.random.shuffle(self.work)  # other reports take the counters of the forgotten ones
        self.flights.clear()
        self.flying.clear()

    def close(self):
        self.session.close()
        self.outbox.close()


class Once(harness.NodeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        per_district = max(2, -(-COUNT // (DISTRICTS * len(MONTHS))))
        cls.wards = [range(1000 * (district + 1), 1000 * (district + 1) + per_district)
                     for district in range(DISTRICTS)]
        cls.city = cls.node('city', 1, settings={'map_size': '4G'})
        harness.publish(cls.city, 'units', 'units', units_text(cls.wards))
        harness.publish(cls.city, 'plan', PLAN, PLAN_TEXT)
        harness.publish(cls.city, 'keys', 'keys', client.keys_text([
            (key_of(f'once {district}').hex, 10 + district, 'collector', '2010-01-01', '', 'C')
            for district in range(DISTRICTS)]))

    def senders(self, generator):
        """Every ward reports each month once, until there are COUNT reports."""
        left = COUNT
        made = []
        for district in range(DISTRICTS):
            work = [(ward, month, generator.randint(1, 1_000_000))
                    for month in MONTHS for ward in self.wards[district]]
            work = work[:min(len(work), -(-left // (DISTRICTS - district)))]
            left -= len(work)
            generator.shuffle(work)
            made.append(Sender(self, f'once {district}', work, random.Random(generator.random())))
        return made

    def run_until(self, senders, share):
        """Turns until so many of all reports have a receipt, or to the end."""
        wanted = share * COUNT
        limit = time.monotonic() + 30 + COUNT * 0.02
        while True:
            busy = [sender.turn() for sender in senders]
            if not any(busy) or sum(len(sender.receipts) for sender in senders) >= wanted:
                return
            if time.monotonic() > limit:
                raise TimeoutError(f'{sum(len(s.receipts) for s in senders)} of {COUNT}')
            if not any(sender.session.poll() for sender in senders):
                senders[0].session.socket.poll(5)

    def test_every_submission_counts_once_over_loss_doubles_an_end_and_an_older_outbox(self):
        senders = self.senders(random.Random(SEED))
        work = [item for sender in senders for item in sender.work]
        self.assertEqual(len(set((unit, month) for unit, month, _ in work)), COUNT)
        with self.city.session() as session:
            before = session.status()['entries']
        try:
            self.run_until(senders, 0.25)
            senders[0].save()
            self.run_until(senders, 0.45)
            self.city.kill()
            self.city.start()
            self.run_until(senders, 0.60)
            senders[0].restore()
            self.run_until(senders, 2)
            self.check(senders, work, before)
        except BaseException:
            print(f'again: BAOCAO_ONCE={COUNT} BAOCAO_SEED={SEED}', file=sys.stderr)
            raise
        finally:
            for sender in senders:
                sender.close()

    def check(self, senders, work, before):
        repeated = sum(sender.repeated for sender in senders)
        conflicts = sum(sender.conflicts for sender in senders)
        weather = {name: sum(way.counts[name] for sender in senders
                             for way in (sender.there, sender.back)) for name in senders[0].there.counts}
        print(f'{COUNT} submissions; messages {weather}; {repeated} bundles repeated, '
              f'{conflicts} conflicts', file=sys.stderr)
        self.assertTrue(repeated and conflicts and all(weather.values()))
        # One entry for each, whatever number of times it came, and a receipt of its own; those that
        # were on their way when the copy came back are never asked for again.
        receipts = [client.Receipt(data) for sender in senders for data in sender.receipts.values()]
        with self.city.session(timeout=60) as session:
            status = session.status()
            self.assertEqual(status['entries'] - before, COUNT)
            self.assertEqual(len({receipt.seq for receipt in receipts}), len(receipts))
            for sender in senders[1:]:
                self.assertEqual(len(sender.receipts), sender.reports)
            for receipt in receipts[::max(1, COUNT // 500)]:
                receipt.verify(self.city.key.public)
            # The conflict was counted, logged, and answered with the counter to go on from.
            self.assertGreaterEqual(status['refusals']['id-conflict'], conflicts)
            self.assertIn('submission-refused: id-conflict', self.city.log())
            # Each figure is the sum of what was reported, over as many reports.
            rows = {(row.unit, row.period): row for row in session.figures(PLAN, FORM)}
            self.assertEqual(session.verify()['differences'], 0)
        for month in MONTHS:
            figures = [figure for _, period, figure in work if period == month]
            row = rows[1, month]
            self.assertEqual((row.sums[0][0] if figures else 0, row.received),
                             (sum(figures), len(figures)), month)
        for unit, month, figure in work:
            self.assertEqual(rows[unit, month].values, [figure])


class Command(ToolCase):
    def send(self, period, figure):
        return self.ward('report', 'send', self.form(self.ward, period, period, f'lop={figure}'))

    def test_a_home_from_an_older_copy_goes_on_above_the_counters_it_forgot(self):
        copy = self.ward.home + '.copy'
        self.send('2022-01', 1)
        shutil.copytree(self.ward.home, copy)
        self.send('2022-02', 2)
        self.send('2022-03', 3)
        self.city.kill()
        self.city.start()
        shutil.rmtree(self.ward.home)
        shutil.copytree(copy, self.ward.home)
        self.send('2022-04', 4)
        self.send('2022-05', 5)
        self.assertEqual([self.sum_of(f'2022-0{month}') for month in range(1, 6)], [1, 2, 3, 4, 5])
        with self.city.session() as session:
            self.assertEqual(session.status()['refusals']['id-conflict'], 1)
        refused = os.path.join(self.ward.home, 'refused', 'city')
        reason, = [name for name in os.listdir(refused) if name.endswith('.reason')]
        with open(os.path.join(refused, reason), encoding='utf-8') as file:
            self.assertIn('signed again', file.read())


if __name__ == '__main__':
    for option, name in (('--count', 'BAOCAO_ONCE'), ('--seed', 'BAOCAO_SEED')):
        if option in sys.argv:
            place = sys.argv.index(option)
            os.environ[name] = sys.argv[place + 1]
            del sys.argv[place:place + 2]
    COUNT, SEED = int(os.environ.get('BAOCAO_ONCE', COUNT)), int(os.environ.get('BAOCAO_SEED', SEED))
    harness.main()
