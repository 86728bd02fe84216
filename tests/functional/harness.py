"""Real nodes for tests: processes, stores, sockets and keys of their own, always cleaned up.

Nothing here sleeps: readiness comes from the notification socket, the end of a process from its
descriptor, new figures from `watch`. Each test process has a loopback address of its own, so
test programs that run side by side cannot take each other's ports.
"""

import atexit
import ctypes
import hashlib
import itertools
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.abspath(os.environ.get('BAOCAO_SOURCE', os.path.join(HERE, '..', '..')))
BUILD = os.path.abspath(os.environ.get('BAOCAO_BUILD', os.path.join(SOURCE, 'build')))
sys.path.insert(0, os.path.join(SOURCE, 'clients', 'python'))
sys.dont_write_bytecode = True
import baocao_client as client  # noqa: E402

BAOCAOD = os.path.join(BUILD, 'daemon', 'baocaod')
BAOCAO = os.path.join(BUILD, 'clients', 'cli', 'baocao')
BAOCAO_WEB = os.path.join(BUILD, 'clients', 'web', 'baocao-web')

EXIT_USAGE, EXIT_IO, EXIT_TEMPORARY, EXIT_CONFIG = 64, 74, 75, 78
# What a loaded machine with a sanitizer may need; nothing waits that long when all is well.
START_SECONDS = 30
STOP_SECONDS = 30
ANSWER_SECONDS = 15
FLOW_SECONDS = 30

_ports = itertools.count(20000)
_daemons = []


def address():
    """A loopback address that belongs to this process alone."""
    pid = os.getpid()
    return f'127.{64 + (pid >> 16 & 63)}.{pid >> 8 & 255}.{pid & 255}'


def new_endpoint():
    return f'tcp://{address()}:{next(_ports)}'


def key_of(name):
    """The same key for the same name in every run."""
    return client.Key(hashlib.sha256(f'test key {name}'.encode()).digest())


def ms_of(text):
    """Milliseconds of an instant such as 2022-06-05T08:00:00+07:00."""
    import datetime
    return int(datetime.datetime.fromisoformat(text).timestamp() * 1000)


def _die_with_parent():
    """Runs in the child: a test program that is killed leaves no process behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class NotifySocket:
    """The receiving end of the service manager's notification protocol."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.said = []

    def drain(self):
        """Takes what has come so far."""
        while True:
            try:
                text = self.socket.recv(8192, socket.MSG_DONTWAIT).decode()
            except BlockingIOError:
                return
            self.said += text.splitlines()

    def status(self):
        """The newest STATUS= line."""
        self.drain()
        lines = [line for line in self.said if line.startswith('STATUS=')]
        return lines[-1][len('STATUS='):] if lines else ''

    def close(self):
        self.socket.close()
        os.unlink(self.path)


class Process:
    """One child process with a log file, started and ended only here."""

    def __init__(self, arguments, log, environment=None):
        self.log = log
        with open(log, 'ab') as file:
            self.popen = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                env=environment, preexec_fn=_die_with_parent)
        self.descriptor = os.pidfd_open(self.popen.pid)

    def wait(self, seconds):
        """The exit status, or TimeoutError."""
        if self.popen.returncode is None:
            ready, _, _ = select.select([self.descriptor], [], [], seconds)
            if not ready:
                raise TimeoutError(f'{self.popen.args[0]} did not end within {seconds} s')
        return self.popen.wait()

    def alive(self):
        return self.popen.poll() is None

    def kill(self):
        if self.alive():
            self.popen.kill()
        self.wait(STOP_SECONDS)

    def close(self):
        self.kill()
        os.close(self.descriptor)


class Daemon:
    """One node: its folder, settings, key, store and process."""

    def __init__(self, folder, name, unit, operator, parent=None, synthetic=False, clock='',
                 settings=None):
        self.name = name
        self.unit = unit
        self.parent = parent
        self.operator = operator
        self.folder = os.path.join(folder, name)
        os.mkdir(self.folder, 0o700)
        self.key = key_of(f'node {name}')
        self.endpoint = new_endpoint()
        self.state = os.path.join(self.folder, 'state')
        os.mkdir(self.state, 0o700)
        self.settings_path = os.path.join(self.folder, 'baocaod.conf')
        self.key_path = os.path.join(self.folder, 'node.key')
        self.log_path = os.path.join(self.folder, 'log')
        self.key.save(self.key_path)
        self.settings = {'listen': self.endpoint, 'unit': unit, 'key': self.key_path,
                         'state': self.state, 'map_size': '256M'}
        if parent is not None:
            self.settings['upstream.endpoint'] = parent.endpoint
            self.settings['upstream.key'] = parent.key.hex
        if synthetic or clock:
            self.settings['synthetic'] = 'yes'
        if clock:
            self.settings['clock.start'] = clock
        self.settings.update(settings or {})
        self.write_settings()
        self.process = None
        self.notify = None
        self.wrapper = []
        _daemons.append(self)

    def write_settings(self):
        with open(self.settings_path, 'w', encoding='utf-8') as file:
            for name, value in self.settings.items():
                file.write(f'{name} = {value}\n')

    def run(self, *arguments):
        """Runs the program once with the settings; the completed process."""
        return subprocess.run([BAOCAOD, '--config', self.settings_path, *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=START_SECONDS, check=False)

    def init(self):
        done = self.run('--init', '--operator', self.operator.hex)
        if done.returncode != 0:
            raise RuntimeError(f'--init of {self.name}: {done.returncode}: {done.stderr}')

    def start(self, wait=True):
        """Starts the process; returns when it has said READY=1."""
        if self.notify is not None:
            self.notify.close()
        if self.process is not None:
            self.process.close()
        self.notify = NotifySocket(os.path.join(self.folder, 'notify'))
        environment = {**os.environ, 'NOTIFY_SOCKET': self.notify.path}
        for name in ('JOURNAL_STREAM', 'STATE_DIRECTORY', 'CREDENTIALS_DIRECTORY'):
            environment.pop(name, None)
        self.process = Process([*self.wrapper, BAOCAOD, '--config', self.settings_path],
                               self.log_path, environment)
        if wait:
            self.wait_said('READY=1')
        return self

    def wait_said(self, line, seconds=START_SECONDS):
        """Waits until the daemon has notified exactly this line."""
        limit = time.monotonic() + seconds
        while True:
            self.notify.drain()
            if line in self.notify.said:
                return
            left = limit - time.monotonic()
            ready, _, _ = select.select([self.notify.socket, self.process.descriptor], [], [],
                                        max(0.0, left))
            if self.process.descriptor in ready and self.notify.socket not in ready:
                raise RuntimeError(f'{self.name} ended with {self.process.wait(1)} before '
                                   f'{line}:\n{self.log_tail()}')
            if not ready:
                raise TimeoutError(f'{self.name} did not say {line}:\n{self.log_tail()}')

    def alive(self):
        return self.process is not None and self.process.alive()

    def kill(self):
        """kill -9, as a power cut would end it for its peers."""
        self.process.kill()

    def stop(self, seconds=STOP_SECONDS):
        """SIGTERM; the exit status, which must be 0 for a clean stop."""
        if self.alive():
            self.process.popen.send_signal(signal.SIGTERM)
        status = self.process.wait(seconds)
        if status != 0:
            raise RuntimeError(f'{self.name} ended with {status} on SIGTERM:\n{self.log_tail()}')
        return status

    def restart(self):
        self.stop()
        return self.start()

    def session(self, key=None, timeout=ANSWER_SECONDS):
        """A connection with the operator's key, or another."""
        return client.Session(self.endpoint, self.key.public, key or self.operator, timeout)

    def log(self):
        try:
            with open(self.log_path, encoding='utf-8', errors='replace') as file:
                return file.read()
        except FileNotFoundError:
            return ''

    def log_tail(self, lines=30):
        return '\n'.join(self.log().splitlines()[-lines:])

    def close(self):
        if self.process is not None:
            self.process.close()
            self.process = None
        if self.notify is not None:
            self.notify.close()
            self.notify = None
        if self in _daemons:
            _daemons.remove(self)


@atexit.register
def _close_all():
    for daemon in list(_daemons):
        daemon.close()


class Tool:
    """The operator's and the ward's program, with a folder of its own."""

    def __init__(self, folder, name='home'):
        self.home = os.path.join(folder, name)
        os.makedirs(self.home, mode=0o700, exist_ok=True)
        self.environment = {**os.environ, 'BAOCAO_HOME': self.home, 'LC_ALL': 'C.UTF-8'}

    def run(self, *arguments, timeout=60):
        """The completed process, whatever its status."""
        return subprocess.run([BAOCAO, *map(str, arguments)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, env=self.environment,
                              cwd=self.home, timeout=timeout, check=False)

    def __call__(self, *arguments, status=0, timeout=60):
        """Standard output; any other exit status is an error."""
        done = self.run(*arguments, timeout=timeout)
        if done.returncode != status:
            raise AssertionError(f'baocao {" ".join(map(str, arguments))} ended with '
                                 f'{done.returncode}, not {status}:\n{done.stdout}{done.stderr}')
        return done.stdout


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


def nothing_pending(session):
    """Has the parent acknowledged everything of this node?"""
    upstream = session.status()['upstream']
    return upstream is not None and upstream['pending'] == 0 and upstream['acknowledged'] > 0


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
        for daemon in cls.daemons:
            daemon.close()

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
        for daemon in _daemons:
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
