#!/usr/bin/python3
"""
`./dev crash kill`: a city and two districts under load, whose daemons and outbox programs are killed
(SIGKILL) at random times and started again.

At the end every report and act with a receipt must be held once: the same bytes get the same receipt,
the figures are those of the last revisions, the recounts find no difference, and the parent has what its
children have. `--seed` repeats the choice of victims and times; the machine's timing is its own.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'functional'))
import harness  # noqa: E402
from harness import CITY, DISTRICT_A, DISTRICT_B, PLAN, Tool, client, key_of  # noqa: E402

MONTHS = [f'{year}-{month:02}' for year in (2022, 2023) for month in range(1, 13)]
PATIENCE = 0.4  # seconds for an answer, then the same bytes again
FLOW_SECONDS = 120
AT_ONCE = {'compress_days': '0'}


class Sender(threading.Thread):
    """Someone with a key who hands in signed things, each until it is answered."""

    def __init__(self, daemon, name, seed):
        super().__init__(daemon=True)
        self.node, self.key = daemon, key_of(name)
        self.random = random.Random(seed)
        self.ended = threading.Event()
        self.receipted = []  # (made, receipt)
        self.failure = None

    def run(self):
        try:
            with self.node.session(self.key, timeout=PATIENCE) as session:
                while not self.ended.is_set():
                    self.send(session)
        except Exception as error:  # told at the end
            self.failure = error

    def hand_in(self, way, made):
        """The outcome; asked for until there is one, also after the end."""
        for attempts in range(10_000):
            try:
                outcome, = way(made, attempts=attempts)
            except client.Timeout:
                continue
            if outcome.receipt is not None:
                outcome.receipt.verify(self.node.key.public, made)
                self.receipted.append((made, outcome.receipt.data))
            return outcome
        raise AssertionError('never answered')

    def way(self, session):
        return session.submit

    def end(self):
        self.ended.set()
        self.join(FLOW_SECONDS)
        if self.failure is not None:
            raise self.failure

    def lost(self):
        """How many receipts are not had again, byte for byte."""
        lost = 0
        with self.node.session(self.key) as session:
            for start in range(0, len(self.receipted), 64):
                part = self.receipted[start:start + 64]
                again = self.way(session)(*[made for made, _ in part])
                lost += sum(outcome.receipt is None or outcome.receipt.data != receipt
                            for (_, receipt), outcome in zip(part, again))
        return lost


class Ward(Sender):
    """Reports of one ward, revision after revision."""

    def __init__(self, daemon, unit, seed):
        super().__init__(daemon, f'ward {unit}', seed)
        self.unit = unit
        self.revisions, self.values = {}, {}

    def send(self, session):
        period = self.random.choice(MONTHS)
        value = self.random.randrange(1000)
        self.revisions[period] = self.revisions.get(period, 0) + 1
        report = harness.month_report(self.unit, period, value, revision=self.revisions[period],
                                      note='lại' if self.revisions[period] > 1 else '')
        outcome = self.hand_in(session.submit, client.submission(
            self.key, harness.next_counter(self.key), [report]))
        if outcome.receipt is None:
            raise AssertionError(outcome.problems)
        self.values[period] = value

    def wrong(self, daemon):
        """How many figures of the ward are not those of its last revisions."""
        rows = {row.period: row for row in harness.figures(daemon)
                if (row.form, row.unit) == ('thang', self.unit)}
        return sum(rows[period].sums[0][0] != value for period, value in self.values.items())


class Reviewer(Sender):
    """Extends what the wards are to send, which leaves the figures alone."""

    def __init__(self, daemon, wards, seed):
        super().__init__(daemon, f'reviewer {daemon.unit}', seed)
        self.wards = wards

    def way(self, session):
        return session.review

    def send(self, session):
        until = harness.ms_of('2030-01-01T00:00:00+07:00') + self.random.randrange(10 ** 9)
        self.hand_in(session.review, client.review(
            self.key, harness.next_counter(self.key),
            [client.act('extend', PLAN, 'thang', self.random.choice(MONTHS),
                        self.random.choice(self.wards).unit, 0, until, 'chờ số liệu')]))


class Publisher(Sender):
    """Publishes the plan again and again, with another remark."""

    def __init__(self, daemon, seed):
        super().__init__(daemon, 'operator', seed)

    def send(self, session):
        text = f'{harness.PLAN_TEXT}## {self.random.random()}\n'
        made = client.publication(self.key, 'plan', PLAN, text)
        for _ in range(10_000):
            try:
                outcome = session.publish_signed(made, False)
            except client.Timeout:
                continue
            if outcome.receipt is None:
                raise AssertionError(outcome.problems)
            break
        self.ended.wait(0.2)


class Outbox:
    """The command of a ward, which sends one filled form after the other and is killed meanwhile."""

    def __init__(self, folder, daemon, unit, count):
        self.node, self.unit = daemon, unit
        self.tool = Tool(folder, f'home{unit}')
        os.makedirs(os.path.join(self.tool.home, 'keys'), mode=0o700)
        key_of(f'ward {unit}').save(os.path.join(self.tool.home, 'keys', 'ward.key'))
        self.tool('context', 'add', 'node', '--endpoint', daemon.endpoint, '--node-key',
                  daemon.key.hex, '--key', 'ward', '--unit', unit)
        self.forms = []
        for number, month in enumerate(MONTHS[:count]):
            path = os.path.join(self.tool.home, f'{month}.csv')
            self.tool('report', 'new', PLAN, 'thang', month, '-o', path)
            self.tool('report', 'fill', path, f'lop={number + 7}')
            self.forms.append((month, path, number + 7))
        self.number = 0
        self.process = None

    def send(self):
        """Starts the next form; the one before may still be at work."""
        if self.process is None or self.process.poll() is not None:
            _, path, _ = self.forms[self.number % len(self.forms)]
            self.number += 1
            self.process = subprocess.Popen(
                [harness.BAOCAO, 'report', 'send', path], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.tool.environment,
                cwd=self.tool.home, preexec_fn=harness.nodes._die_with_parent)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def finish(self):
        """Sends what is left, as a ward would; each form must have its receipt."""
        self.process.wait()
        for _, path, _ in self.forms:
            for _ in range(20):
                if self.tool.run('report', 'send', path).returncode == 0:
                    break
            else:
                self.tool('report', 'send', path)

    def wrong(self, daemon):
        rows = {row.period: row for row in harness.figures(daemon)
                if (row.form, row.unit) == ('thang', self.unit)}
        return sum(rows[month].sums[0][0] != value for month, _, value in self.forms)


def settled(session):
    return session.status()['upstream']['pending'] == 0


class Tree:
    def __init__(self, folder, seed, forms):
        operator = key_of('operator')
        self.city = harness.Daemon(folder, 'city', CITY, operator, settings=AT_ONCE)
        self.a = harness.Daemon(folder, 'a', DISTRICT_A, operator, self.city, settings=AT_ONCE)
        self.b = harness.Daemon(folder, 'b', DISTRICT_B, operator, self.city, settings=AT_ONCE)
        self.daemons = [self.city, self.a, self.b]
        for daemon in self.daemons:
            daemon.init()
            daemon.start()
        for daemon in self.daemons:
            harness.furnish(daemon, (self.a, self.b) if daemon is self.city else ())
            harness.publish(daemon, 'keys', 'reviewers', client.keys_text(
                [(key_of(f'reviewer {daemon.unit}').hex, daemon.unit, 'reviewer', '2010-01-01',
                  '', '')]))
        self.wards = [Ward(self.a, 11, seed), Ward(self.a, 12, seed + 1), Ward(self.b, 21, seed + 2)]
        self.senders = [*self.wards, Reviewer(self.a, self.wards[:2], seed + 3),
                        Publisher(self.city, seed + 4), Publisher(self.a, seed + 5)]
        self.outboxes = [Outbox(folder, self.a, 13, forms), Outbox(folder, self.b, 22, forms)]

    def kill_one(self, random_):
        for outbox in self.outboxes:
            outbox.send()
        time.sleep(random_.uniform(0, 0.25))
        victim = random_.choice(self.daemons + self.outboxes)
        victim.kill()
        if victim in self.daemons:
            # Sometimes it is killed again before it is ready.
            victim.start(wait=random_.random() < 0.7)

    def check(self):
        """Words of what is wrong, empty if nothing is."""
        for sender in self.senders:
            sender.end()
        for daemon in self.daemons:
            if not daemon.alive():
                daemon.start()
            daemon.wait_said('READY=1')
        for outbox in self.outboxes:
            outbox.finish()
        for daemon in (self.a, self.b):
            harness.wait_for(daemon, settled, FLOW_SECONDS)
        lost = sum(sender.lost() for sender in self.senders)
        wrong = sum(one.wrong(daemon) for one in self.wards + self.outboxes
                    for daemon in (one.node, self.city))
        differences = {daemon.name: harness.differences(daemon) for daemon in self.daemons}
        receipted = sum(len(sender.receipted) for sender in self.senders)
        print(f'receipted: {receipted}, by programs: '
              f'{sum(len(outbox.forms) for outbox in self.outboxes)}, lost: {lost}, '
              f'wrong figures: {wrong}, unlike the parent: {self.unlike()}, '
              f'differences: {sum(differences.values())}')
        return lost + wrong + self.unlike() + sum(differences.values()) == 0 and receipted > 0

    def unlike(self):
        """Rows of the children that the parent has otherwise."""
        above = {(row.form, row.period, row.unit): row.sums
                 for row in harness.figures(self.city)}
        return sum(above[row.form, row.period, row.unit] != row.sums
                   for daemon in (self.a, self.b) for row in harness.figures(daemon)
                   if row.unit != CITY)

    def close(self):
        for outbox in self.outboxes:
            outbox.kill()
        for daemon in self.daemons:
            daemon.close()


def main():
    parser = argparse.ArgumentParser(description='Kills nodes under load.')
    parser.add_argument('--kills', type=int, default=10)
    parser.add_argument('--seed', type=int, default=int(time.time()))
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix='baocao-kill-')
    tree = Tree(folder, options.seed, 6 if options.kills < 50 else 24)
    random_ = random.Random(options.seed)
    begin = time.monotonic()
    try:
        for sender in tree.senders:
            sender.start()
        for _ in range(options.kills):
            tree.kill_one(random_)
        seconds = time.monotonic() - begin
        good = tree.check()
        print(f'kills: {options.kills} in {seconds:.0f} s, seed: {options.seed}')
        if not good:
            print(f'again: ./dev crash kill --kills {options.kills} --seed {options.seed}')
            for daemon in tree.daemons:
                print(f'--- log of {daemon.name}\n{daemon.log_tail()}')
    finally:
        tree.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
