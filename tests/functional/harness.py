"""What the functional tests share: nodes with sessions, a small tree and plan, waiting."""

import datetime
import hashlib
import os
import shutil
import sys
import tempfile
import time
import unittest

import nodes
from nodes import (ANSWER_SECONDS, BAOCAO, BAOCAOD, EXIT_CONFIG, EXIT_IO, EXIT_TEMPORARY,
                   EXIT_USAGE, FLOW_SECONDS, SOURCE, START_SECONDS, STOP_SECONDS, Tool)

sys.path.insert(0, os.path.join(SOURCE, 'clients', 'python'))
sys.dont_write_bytecode = True
import baocao_client as client  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
__all__ = ['ANSWER_SECONDS', 'BAOCAO', 'BAOCAOD', 'EXIT_CONFIG', 'EXIT_IO', 'EXIT_TEMPORARY',
           'EXIT_USAGE', 'FLOW_SECONDS', 'SOURCE', 'START_SECONDS', 'STOP_SECONDS', 'Tool',
           'client']


def key_of(name):
    """The same key for the same name in every run."""
    return client.Key(hashlib.sha256(f'test key {name}'.encode()).digest())


def ms_of(text):
    """Milliseconds of an instant such as 2022-06-05T08:00:00+07:00."""
    return int(datetime.datetime.fromisoformat(text).timestamp() * 1000)


class Daemon(nodes.Daemon):
    """A node whose key this program holds, so that it can be talked to."""

    def __init__(self, folder, name, unit, operator, parent=None, key=None, **options):
        self.key = key or key_of(f'node {name}')
        self.operator_key = operator
        key_path = os.path.join(folder, f'{name}.key')
        self.key.save(key_path)
        super().__init__(folder, name, unit, self.key.hex, key_path, operator.hex, parent,
                         **options)

    def session(self, key=None, timeout=ANSWER_SECONDS):
        """A connection with the operator's key, or another."""
        return client.Session(self.endpoint, self.key.public, key or self.operator_key, timeout)


# A small tree and plan of its own --------------------------------------------------------------

CITY, DISTRICT_A, DISTRICT_B = 1, 10, 20
WARDS_A, WARDS_B = (11, 12, 13), (21, 22)
WARDS = WARDS_A + WARDS_B
PLAN = 'kt-2022'

UNITS_TEXT = '''# unit
unit,code,name,group,parent,from,to
1,1,Thành phố,city,,2010-01-01,
10,10,Quận A,district,1,2010-01-01,
20,20,Quận B,district,1,2010-01-01,
11,11,Phường 1,ward,10,2010-01-01,
12,12,Phường 2,ward,10,2010-01-01,
13,13,Phường 3,ward,10,2010-01-01,
14,14,Phường 4,ward,10,2010-01-01,2021-01-01
15,15,Phòng Kinh tế,department,10,2010-01-01,
21,21,Phường 1,ward,20,2010-01-01,
22,22,Phường 2,ward,20,2010-01-01,
'''
with open(os.path.join(HERE, 'data', 'kt-2022.plan'), encoding='utf-8') as _file:
    PLAN_TEXT = _file.read()


def publish(daemon, kind, name, text):
    """Publishes as the operator; anything but a clean acceptance is an error."""
    with daemon.session() as session:
        outcome = session.publish(kind, name, text)
    if outcome.receipt is None or outcome.problems:
        raise AssertionError(f'{daemon.name} refused {kind} {name}: {outcome.problems}')
    return outcome


def everyone(node_keys=()):
    """Keys of the small tree: one reporter per ward, one of each other role per district."""
    rows = []
    for unit in WARDS + (14, 15):
        rows.append((key_of(f'ward {unit}').hex, unit, 'reporter', '2010-01-01', '', f'W {unit}'))
    for unit in (DISTRICT_A, DISTRICT_B):
        rows.append((key_of(f'collector {unit}').hex, unit, 'collector', '2010-01-01', '', ''))
        rows.append((key_of(f'carrier {unit}').hex, unit, 'carrier', '2010-01-01', '', ''))
    rows.append((key_of('reader').hex, CITY, 'reader', '2010-01-01', '', ''))
    rows.append((key_of('fake node').hex, DISTRICT_A, 'node', '2010-01-01', '', ''))
    rows += [(key.hex, unit, 'node', '2010-01-01', '', '') for key, unit in node_keys]
    return client.keys_text(rows)


def furnish(daemon, children=()):
    """Publishes the small tree, its plan and its keys at a new node that is running."""
    publish(daemon, 'units', 'units', UNITS_TEXT)
    publish(daemon, 'plan', PLAN, PLAN_TEXT)
    publish(daemon, 'keys', 'keys', everyone([(child.key, child.unit) for child in children]))


_counters = {}


def next_counter(key):
    """Counters of submissions, per key, over the whole test program."""
    _counters[key.hex] = _counters.get(key.hex, 0) + 1
    return _counters[key.hex]


def month_report(unit, period, lop=None, form='thang', plan=PLAN, **options):
    """A report of the small plan; values={…} for other fields than lop."""
    values = dict(options.pop('values', {}))
    if lop is not None:
        values['lop'] = lop
    return client.report(plan, form, period, unit, values, **options)


def submit(daemon, unit, *reports, key=None, counter=None):
    """Signs as the ward and hands in; (Signed, Outcome), the receipt verified if there is one."""
    key = key or key_of(f'ward {unit}')
    made = client.submission(key, counter or next_counter(key), list(reports))
    with daemon.session(key) as session:
        outcome, = session.submit(made)
    if outcome.receipt is not None:
        outcome.receipt.verify(daemon.key.public, made)
    return made, outcome


def figures(daemon, plan=PLAN, key=None):
    with daemon.session(key) as session:
        return session.figures(plan)


def row_of(rows, form, period, unit):
    """The one row of figures for a form, period and unit."""
    found = [row for row in rows if (row.form, row.period, row.unit) == (form, period, unit)]
    if len(found) != 1:
        raise AssertionError(f'{len(found)} rows for {form} {period} {unit}')
    return found[0]


def sum_of(daemon, period, unit, field=0, form='thang'):
    """[sum, n, na, estimated] of a field of the small plan."""
    return row_of(figures(daemon), form, period, unit).sums[field]


def differences(daemon):
    with daemon.session() as session:
        return session.verify()['differences']


def wait_for(daemon, question, seconds=FLOW_SECONDS):
    """
    Asks until the answer is true: after each event of the node, and ten times a second for what
    makes no event (an acknowledgement from the parent). question gets a session.
    """
    limit = time.monotonic() + seconds
    with daemon.session() as session:
        session.watch()
        while True:
            answer = question(session)
            if answer:
                return answer
            if time.monotonic() > limit:
                raise TimeoutError(f'{daemon.name}: {question.__name__} did not become true; '
                                   f'status {session.status()}\n{daemon.log_tail()}')
            try:
                session.next_event(0.1)
            except client.Timeout:
                pass


def wait_until(condition, seconds=ANSWER_SECONDS):
    """For what nothing tells of, such as a file that another process writes."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError('the condition did not become true')
        time.sleep(0.01)


def monitored(daemon, key, events, action=None, seconds=ANSWER_SECONDS):
    """
    Connects with a key under a socket monitor, does the action with the session, and waits for
    one of the events of libzmq. True if it came; the second value is what the node answered.
    """
    with daemon.session(key) as session:
        session.socket.disconnect(daemon.endpoint)
        monitor = session.socket.get_monitor_socket(events)
        session.socket.connect(daemon.endpoint)
        if action is not None:
            action(session)
        came = bool(monitor.poll(int(seconds * 1000)))
        answered = bool(session.socket.poll(0))
        session.socket.disable_monitor()
        monitor.close()
        return came, answered


class NodeCase(unittest.TestCase):
    """Tests that share a temporary folder and what setUpClass starts in it."""

    @classmethod
    def setUpClass(cls):
        need_binaries(BAOCAOD)
        cls.folder = tempfile.mkdtemp(prefix='baocao-test-')
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.operator = key_of('operator')
        cls.daemons = []
        cls.addClassCleanup(cls._close_daemons)

    @classmethod
    def _close_daemons(cls):
        """Each node that still runs recounts its ledger before it ends: nothing may differ."""
        running = [daemon for daemon in cls.daemons if daemon.process and daemon.process.alive()]
        try:
            differ = {daemon.name: differences(daemon) for daemon in running}
        finally:
            for daemon in cls.daemons:
                daemon.close()
        if any(differ.values()):
            raise AssertionError(f'the recount differs: {differ}')

    @classmethod
    def node(cls, name, unit, parent=None, start=True, **options):
        """A new node, initialised and running."""
        daemon = Daemon(cls.folder, name, unit, cls.operator, parent, **options)
        cls.daemons.append(daemon)
        daemon.init()
        return daemon.start() if start else daemon


def need_binaries(*paths):
    for path in paths:
        if not os.access(path, os.X_OK):
            raise unittest.SkipTest(f'{os.path.basename(path)} is not built')


class _Result(unittest.TextTestResult):
    """Shows the end of every running node's log beside a failure."""

    def _logs(self):
        for daemon in nodes.running:
            if daemon.process is not None:
                self.stream.writeln(f'--- log of {daemon.name} ---\n{daemon.log_tail()}')

    def addError(self, test, error):  # noqa: N802
        super().addError(test, error)
        self._logs()

    def addFailure(self, test, error):  # noqa: N802
        super().addFailure(test, error)
        self._logs()


def main():
    """Runs the calling file; exit status 77 where every test was skipped."""
    runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=_Result)
    result = unittest.main(module='__main__', testRunner=runner, exit=False).result
    for test, reason in result.skipped:
        print(f'skipped: {test}: {reason}')
    if not result.wasSuccessful():
        sys.exit(1)
    ran = result.testsRun - sum(isinstance(test, unittest.TestCase) for test, _ in result.skipped)
    sys.exit(77 if result.skipped and ran <= 0 else 0)
