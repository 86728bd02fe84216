"""Real nodes as processes: folders, settings, sockets and notifications; standard library only.

Nothing here sleeps: readiness comes from the notification socket, the end of a process from its
descriptor. Each program that uses this has a loopback address of its own, so several can run
side by side and cannot take each other's ports.
"""

import atexit
import ctypes
import itertools
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.abspath(os.environ.get('BAOCAO_SOURCE', os.path.join(HERE, '..', '..')))
BUILD = os.path.abspath(os.environ.get('BAOCAO_BUILD', os.path.join(SOURCE, 'build')))

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
running = []  # daemons that are to be closed at the end


def address():
    """A loopback address that belongs to this process alone."""
    pid = os.getpid()
    return f'127.{64 + (pid >> 16 & 63)}.{pid >> 8 & 255}.{pid & 255}'


def new_endpoint():
    return f'tcp://{address()}:{next(_ports)}'


def free_port():
    """Of 127.0.0.1: nobody listens there, and the system gives it to no outgoing connection."""
    with open('/proc/sys/net/ipv4/ip_local_port_range', encoding='ascii') as file:
        first = int(file.read().split()[0])
    while True:
        port = random.randrange(22000, max(first, 32000))
        with socket.socket() as probe:
            if probe.connect_ex(('127.0.0.1', port)) != 0:
                return port


def _die_with_parent():
    """Runs in the child: a test program that is killed leaves no process behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class NotifySocket:
    """
    The receiving end of the service manager's notification protocol. A thread takes what comes:
    a sender of notices waits while ten of them lie unread.
    """

    def __init__(self, path):
        self.path = path
        self.said = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.news, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._taken = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self):
        while True:
            lines = self.socket.recv(8192).decode().splitlines()
            if lines == ['CLOSE']:
                return
            if lines == ['TAKEN?']:
                self._taken.release()
                continue
            self.said += lines
            try:
                os.write(self._writer, b'.')
            except BlockingIOError:
                pass  # whoever waits has enough to wake up

    def drain(self):
        """Forgets that there is news; what was said stays."""
        try:
            os.read(self.news, 65536)
        except BlockingIOError:
            pass

    def wait(self, line, ended, seconds):
        """Waits for exactly this line; False where the process (its descriptor) ended first."""
        limit = time.monotonic() + seconds
        while True:
            self.drain()
            if line in self.said:
                return True
            ready, _, _ = select.select([self.news, ended], [], [],
                                        max(0.0, limit - time.monotonic()))
            if not ready:
                raise TimeoutError(f'nobody said {line} within {seconds} s')
            if self.news not in ready:
                return line in self.said

    def _send(self, text):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(text, self.path)

    def status(self):
        """The newest STATUS= line of what was sent up to now, also by a process that has ended."""
        self._send(b'TAKEN?')
        self._taken.acquire()
        lines = [line for line in self.said if line.startswith('STATUS=')]
        return lines[-1][len('STATUS='):] if lines else ''

    def close(self):
        self._send(b'CLOSE')
        self._thread.join()
        self.socket.close()
        os.close(self.news)
        os.close(self._writer)
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
    """
    One node: its folder, settings, store and process.

    public and operator are public keys in hexadecimal digits; key_path is the node's key file.
    """

    def __init__(self, folder, name, unit, public, key_path, operator, parent=None,
                 synthetic=False, clock='', settings=None):
        self.name = name
        self.unit = unit
        self.parent = parent
        self.public = public
        self.key_path = key_path
        self.operator = operator
        self.endpoint = new_endpoint()
        self.folder = os.path.join(folder, name)
        self.state = os.path.join(self.folder, 'state')
        os.makedirs(self.state, mode=0o700)
        self.settings_path = os.path.join(self.folder, 'baocaod.conf')
        self.log_path = os.path.join(self.folder, 'log')
        self.settings = {'listen': self.endpoint, 'unit': unit, 'key': self.key_path,
                         'state': self.state, 'map_size': '64M'}
        if parent is not None:
            self.settings['upstream.endpoint'] = parent.endpoint
            self.settings['upstream.key'] = parent.public
        if synthetic or clock:
            self.settings['synthetic'] = 'yes'
        if clock:
            self.settings['clock.start'] = clock
        self.settings.update(settings or {})
        self.write_settings()
        self.process = None
        self.notify = None
        running.append(self)

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
        done = self.run('--init', '--operator', self.operator)
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
        self.process = Process([BAOCAOD, '--config', self.settings_path], self.log_path,
                               environment)
        if wait:
            self.wait_said('READY=1')
        return self

    def wait_said(self, line, seconds=START_SECONDS):
        """Waits until the daemon has notified exactly this line."""
        try:
            said = self.notify.wait(line, self.process.descriptor, seconds)
        except TimeoutError as error:
            raise TimeoutError(f'{self.name}: {error}\n{self.log_tail()}') from error
        if not said:
            raise RuntimeError(f'{self.name} ended with {self.process.wait(1)} before '
                               f'{line}:\n{self.log_tail()}')

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

    def keep_copy(self):
        """Of the store of a node that is stopped."""
        shutil.copytree(self.state, f'{self.state}.copy')

    def put_copy_back(self):
        """In the place of the store, as somebody who restores it."""
        shutil.rmtree(self.state)
        shutil.move(f'{self.state}.copy', self.state)

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
        if self in running:
            running.remove(self)


@atexit.register
def _close_all():
    for daemon in list(running):
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
