"""Processes of a benchmark, and what they and the machine did meanwhile: figures of /proc."""
import contextlib
import ctypes
import json
import os
import pathlib
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TICKS = os.sysconf('SC_CLK_TCK')
WAIT = 60  # seconds for a process to be ready
CALM_LOOK, CALM_LOOKS, CALM_WAIT = 0.05, 3, 3  # seconds of a look, how many in a row, seconds to wait at most
THREADS = ('loop runs', 'loop waits', 'I/O runs', 'I/O waits')


class Failed(Exception):
    """A row cannot be measured, and why."""


def free_port():
    """Of 127.0.0.1: nobody listens there, and the system gives it to no outgoing connection."""
    first = int(pathlib.Path('/proc/sys/net/ipv4/ip_local_port_range').read_text().split()[0])
    while True:
        port = random.randrange(10000, max(first, 20000))
        with socket.socket() as probe:
            if probe.connect_ex(('127.0.0.1', port)) != 0:
                return port


def proc_text(pid, name):
    try:
        return pathlib.Path(f'/proc/{pid}/{name}').read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ''


def proc_field(pid, name, field):
    for line in proc_text(pid, name).splitlines():
        if line.startswith(field + ':'):
            return int(line.split()[1])
    return 0


def family(pid):
    """A process and all below it; one that ends meanwhile has nobody below it."""
    pids = [pid]
    for one in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in os.listdir(f'/proc/{one}/task'):
                pids += map(int, proc_text(f'{one}/task/{task}', 'children').split())
    return pids


def cpu_seconds(pid):
    """Of a process and all below it, with those that have ended."""
    ticks = 0
    for one in family(pid):
        fields = proc_text(one, 'stat').rpartition(')')[2].split()
        ticks += sum(map(int, fields[11:15])) if fields else 0
    return ticks / TICKS


def thread_seconds(pid):
    """How long a node's loop ran, and ZeroMQ's threads, and how long they were ready and had no processor."""
    seconds = dict.fromkeys(THREADS, 0.0)
    for task in os.listdir(f'/proc/{pid}/task'):
        name = 'loop' if int(task) == pid else 'I/O'
        times = proc_text(f'{pid}/task/{task}', 'schedstat').split()
        if times and (name == 'loop' or proc_text(f'{pid}/task/{task}', 'comm').startswith('ZMQbg/IO')):
            seconds[f'{name} runs'] += int(times[0]) / 1e9
            seconds[f'{name} waits'] += int(times[1]) / 1e9
    return seconds


def memory(pid):
    """Bytes of a process and all below it: its own, and what they share, but not the pages of files."""
    pids = family(pid)
    return 1024 * (sum(proc_field(one, 'status', 'RssAnon') for one in pids) +
                   max(proc_field(one, 'status', 'RssShmem') for one in pids))


def bytes_written(pid):
    return sum(proc_field(one, 'io', 'write_bytes') for one in family(pid))


def work():
    """Seconds that went to others since the start, and what all processors could have given. Of the
    kernel's own threads and interrupts nobody knows whose they are: writing back what we wrote, mostly."""
    user, nice, system, idle, wait, irq, soft, steal = map(
        int, pathlib.Path('/proc/stat').read_text().split('\n', 1)[0].split()[1:9])
    known = cpu_seconds(os.getpid())
    if proc_text(2, 'comm').strip() == 'kthreadd':
        known += cpu_seconds(2)
    return ((user + nice + system + steal) / TICKS - known,
            (user + nice + system + idle + wait + irq + soft + steal) / TICKS)


class Watch:
    """What of the machine this benchmark did not have since the watch was made."""

    pace = None  # a Load that tells how long the processors were slowed (`yardstick pace`)
    told = {'slowed': 0.0, 'seconds': 0.0}  # by it, last

    def __init__(self):
        self.other, self.all = work()
        self.before = self.ask_pace()

    @classmethod
    def ask_pace(cls):
        try:
            cls.told = cls.pace.ask('') if cls.pace else cls.told
        except Failed as error:
            cls.pace = None
            print(f'# slowed seconds are not seen any more: {error}', file=sys.stderr)
        return cls.told

    @classmethod
    def slowed_since(cls, before):
        """Of the time, that in which the processors ran at less than a third of their speed, though nothing says they were stolen."""
        now = cls.ask_pace()
        return (now['slowed'] - before['slowed']) / max(now['seconds'] - before['seconds'], 0.01)

    def shares(self):
        """What went to neither this benchmark nor the kernel nor idling, with the slowed time; and that alone."""
        other, possible = work()
        slowed = self.slowed_since(self.before)
        return max(0.0, (other - self.other) / max(possible - self.all, 0.01)) + slowed, slowed

    def other_share(self):
        return self.shares()[0]


def wait_calm():
    """Until the processors have had their speed for a while, behind a time in which they had not: that is when they keep it longest."""
    deadline, slow, calm = time.monotonic() + CALM_WAIT, False, 0
    while time.monotonic() < deadline and not (slow and calm >= CALM_LOOKS):
        before = Watch.ask_pace()
        time.sleep(CALM_LOOK)
        slow, calm = (slow, calm + 1) if Watch.slowed_since(before) <= 0.1 else (True, 0)


LIBC = ctypes.CDLL(None)


def end_with_parent():
    """In a child: the kernel ends it when we are gone, however we went."""
    LIBC.prctl(1, int(signal.SIGKILL))  # PR_SET_PDEATHSIG


def adopt_all():
    """What children of ours leave behind becomes a child of ours, not of the system's first process."""
    LIBC.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER


def signal_family(pid, number):
    """To a process and all below it; those that are gone are gone."""
    for one in family(pid):
        if one != os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, number)


def end_all():
    """Ends everything below us, also what a server of ours started and left."""
    while len(family(os.getpid())) > 1:
        signal_family(os.getpid(), signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)


def sync_disk(folder):
    """Waits until what was written is on the disk, so that nothing of it falls on what is measured next."""
    fd = os.open(folder, os.O_RDONLY)
    LIBC.syncfs(fd)
    os.close(fd)


class Process:
    """A program that is ended with us."""

    def __init__(self, command, *, log, user=None, env=None, cwd=None, notify=False, **pipes):
        self.command = list(map(str, command))
        self.log = log
        self.notified = None
        env = dict(os.environ, **(env or {}))
        if notify:
            self.notify_folder = tempfile.mkdtemp()
            self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.notified.bind(f'{self.notify_folder}/notify')
            env['NOTIFY_SOCKET'] = f'{self.notify_folder}/notify'
        with open(log, 'a', encoding='utf-8') as file:
            self.popen = subprocess.Popen(self.command, stderr=file, cwd=cwd, env=env,
                                          user=user, preexec_fn=end_with_parent,
                                          process_group=0,  # Ctrl-C is for us
                                          **{'stdin': subprocess.DEVNULL, 'stdout': file, **pipes})
        self.pid = self.popen.pid

    def fail(self, what):
        tail = pathlib.Path(self.log).read_text(errors='replace').strip().splitlines()[-3:]
        raise Failed(f'{pathlib.Path(self.command[0]).name}: {what}: {" / ".join(tail)}')

    def wait_ready(self):
        """Until the program says READY to its service manager, which is us."""
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            if select.select([self.notified], [], [], 0.1)[0]:
                if b'READY=1' in self.notified.recv(4096):
                    return
            elif self.popen.poll() is not None:
                self.fail(f'ended with {self.popen.returncode}')
        self.fail('is not ready')

    def kill(self, number=signal.SIGKILL):
        if self.popen.poll() is None:
            self.popen.send_signal(number)
            self.wake()
        try:
            self.popen.wait(WAIT)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        if self.notified:
            self.notified.close()
            shutil.rmtree(self.notify_folder, ignore_errors=True)
            self.notified = None
        return self.popen.returncode

    def stop(self):
        return self.kill(signal.SIGTERM)

    def rest(self):
        """Stands still, with all below it, while another is measured."""
        signal_family(self.pid, signal.SIGSTOP)

    def wake(self):
        signal_family(self.pid, signal.SIGCONT)


class Load(Process):
    """A program that takes commands and answers each with a line of JSON."""

    def __init__(self, command, log):
        super().__init__(command, log=log, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, line):
        try:
            self.popen.stdin.write(line + '\n')
            self.popen.stdin.flush()
        except BrokenPipeError:
            self.fail('has ended')

    def answer(self):
        line = self.popen.stdout.readline()
        if not line:
            self.popen.wait()
            self.fail('has ended')
        return json.loads(line)

    def ask(self, line):
        self.send(line)
        return self.answer()

    def end(self):
        try:
            self.popen.stdin.close()
        except BrokenPipeError:
            pass
        self.popen.stdout.close()
        return self.kill()


def run_json(command):
    """The answer of a program that prints one line of JSON."""
    return json.loads(run_text(command))


def run_text(command):
    """What a program prints."""
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, preexec_fn=end_with_parent,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False,
                          process_group=0)
    if done.returncode:
        raise Failed(done.stderr.strip() or f'{command[0]} ended with {done.returncode}')
    return done.stdout
