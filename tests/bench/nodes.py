"""What a benchmark sets against each other: nodes, yardsticks and peers under load."""
import pathlib
import re
import shutil
import subprocess
import tempfile

from machine import (Failed, Load, Process, bytes_written, cpu_seconds, free_port,
                     memory, run_json, run_text, thread_seconds)

# What of a node is left out, and how large a store its rows fill at most. Signatures are checked only where they are made. Two bundles of each
# client in flight are more than a commit takes.
MODES = {
    'plain': {'daemon': 'baocaod-plain', 'load': 'load-plain', 'arguments': [], 'map': 6 << 30},
    'curve': {'daemon': 'baocaod-unsigned', 'load': 'load', 'arguments': [], 'map': 3 << 30},
    'signed': {'daemon': 'baocaod', 'load': 'load', 'arguments': ['--sign'], 'map': 1 << 30},
    'bundles': {'daemon': 'baocaod', 'load': 'load', 'arguments': ['--sign', '--reports', '100'],
                'in_flight': 2, 'map': 4 << 30},
}
SHAPES = {  # clients, messages in flight of each, connected clients that say nothing
    '64x16': (64, 16, 0),
    '1000x1': (1000, 1, 0),
    '64x16+idle': (64, 16, 10000),
}


class Programs:
    """Where the programs are, and where stores may be made."""

    def __init__(self, build, folder):
        self.build = pathlib.Path(build)
        self.parent = pathlib.Path(folder)
        self.log = self.parent / 'log'

    def path(self, name):
        return self.build / ('daemon' if name == 'baocaod' else 'tests/bench') / name

    def json(self, name, *arguments):
        return run_json([self.path(name), *arguments])

    def text(self, name, *arguments):
        return run_text([self.path(name), *arguments])


class Served:
    """A server and its clients; what a run gives is the load's answer with the server's part."""

    def __init__(self, programs, name, load='load-plain', arguments=(), shape='64x16', mix='deadline'):
        self.programs = programs
        self.name = name
        self.load_program = load
        self.clients, self.in_flight, self.idle = SHAPES[shape] if isinstance(shape, str) else shape
        self.arguments = list(arguments)
        self.mix = mix
        self.folder = None
        self.port = None
        self.server = None
        self.load = None
        self.idlers = []
        self.life = 0
        self.connect_seconds = None

    def load_command(self, port=None):
        return [self.programs.path(self.load_program), '--endpoint', f'tcp://127.0.0.1:{port or self.port}',
                '--clients', self.clients, '--in-flight', self.in_flight, '--mix', self.mix,
                '--life', self.life, *self.arguments]

    def connect(self):
        """Opens the connections, the silent ones from two processes of their own."""
        half = self.idle // 2
        self.idlers = [
            Load([self.programs.path(self.load_program), '--endpoint',
                  f'tcp://127.0.0.1:{self.port}', '--idle', '--first', first, '--clients', half],
                 self.programs.log)
            for first in (self.clients, self.clients + half) if half]
        for idler in self.idlers:
            idler.send('connect')
        seconds = [idler.answer()['seconds'] for idler in self.idlers]
        self.load = Load(self.load_command(), self.programs.log)
        seconds.append(self.load.ask('connect')['seconds'])
        self.connect_seconds = max(seconds)
        self.life += 1

    def run(self, command):
        cpu, written = cpu_seconds(self.server.pid), bytes_written(self.server.pid)
        answer = self.load.ask(command)
        if answer['refused'] or answer['lost']:
            raise Failed(f'{answer["refused"]} refused, {answer["lost"]} without an answer'
                         f' {answer["problem"]}')
        answer['server_cpu'] = cpu_seconds(self.server.pid) - cpu
        answer['written'] = bytes_written(self.server.pid) - written
        return answer

    def rest(self):
        """Called when another is measured, and wake() before it is itself."""

    def wake(self):
        pass

    def memory(self):
        return memory(self.server.pid)

    def disconnect(self):
        for load in [self.load, *self.idlers]:
            if load:
                load.end()
        self.load, self.idlers = None, []

    def halt(self):
        self.disconnect()
        if self.server:
            self.server.stop()
            self.server = None

    def stop(self):
        self.halt()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None


class Engine(Served):
    """A yardstick: `echo` sends back, `log` appends and flushes."""

    def __init__(self, programs, kind, shape, curve=False):
        super().__init__(programs, f'{kind} {"curve" if curve else "plain"}',
                         'load' if curve else 'load-plain', ['--echo'], shape)
        self.kind = kind
        self.curve = curve

    def serve(self):
        self.folder = tempfile.mkdtemp(dir=self.programs.parent)
        self.port = free_port()
        self.server = Process(
            [self.programs.path('yardstick'), 'engine', self.kind, self.port, self.folder,
             *(['curve'] if self.curve else [])], log=self.programs.log)

    def start(self):
        self.serve()
        self.connect()


class Node(Served):
    """A daemon on a store of its own."""

    def __init__(self, programs, mode, shape='64x16', mix='deadline', map_bytes=1 << 30):
        super().__init__(programs, mode, MODES[mode]['load'], MODES[mode]['arguments'], shape, mix)
        self.mode = mode
        self.map_bytes = map_bytes
        self.asked = None  # the port of listen.questions
        self.filled = 0
        self.in_flight = min(self.in_flight, MODES[mode].get('in_flight', self.in_flight))

    def make(self):
        free = shutil.disk_usage(self.programs.parent).free
        if free < self.map_bytes:
            raise Failed(f'{self.programs.parent} has {free >> 20} MB free, and a store is to have '
                         f'{self.map_bytes >> 20}: name another folder with --folder')
        self.port = free_port()
        self.folder = self.programs.text('bench_store', 'make', self.programs.parent,
                                         self.clients + self.idle, self.map_bytes, self.port).strip()

    def fill(self, count):
        """Reports as of an earlier life of the same clients."""
        self.programs.text('bench_store', 'fill', self.folder, self.map_bytes, self.mix, self.clients,
                           count)
        self.life += 1
        self.filled = count

    def renew(self, refill):
        """A new process, also on a new store, filled as it was."""
        if refill:
            self.stop()
            self.make()
            self.fill(self.filled)
        else:
            self.halt()
        self.serve()
        self.connect()

    def serve(self):
        settings = pathlib.Path(self.folder, f'{self.mode}.conf')
        apart = f'listen.questions = tcp://127.0.0.1:{self.asked}\n' if self.asked else ''
        settings.write_text(pathlib.Path(self.folder, 'baocaod.conf').read_text() + apart)
        self.server = Process([self.programs.path(MODES[self.mode]['daemon']), '--config', settings],
                              log=self.programs.log, notify=True)
        self.server.wait_ready()

    def start(self):
        self.make()
        self.serve()
        self.connect()

    def run(self, command):
        """With the percent of the time that its threads ran and waited."""
        before = thread_seconds(self.server.pid)
        answer = super().run(command)
        answer['threads'] = {what: 100 * (seconds - before[what]) / answer['seconds']
                             for what, seconds in thread_seconds(self.server.pid).items()}
        return answer

    def compress(self):
        """All of its ledger, as if it were old, while no daemon has the store: bytes in use, and entries."""
        found = self.programs.json('bench_store', 'compress', self.folder, self.map_bytes)
        return found['used'], found['entries']

    def rebuild(self):
        """The state tables made anew, while no daemon has the store; how many entries."""
        done = subprocess.run(
            [self.programs.path('baocaod'), '--config', f'{self.folder}/baocaod.conf', '--rebuild'],
            stderr=subprocess.PIPE, text=True, check=False)
        found = re.search(r'anew from ([0-9]+) entries', done.stderr)
        if done.returncode or not found:
            raise Failed(done.stderr.strip())
        return int(found.group(1))

    def stored(self):
        status = self.load.ask('status')
        return status['map_used'] + status['journal_used']

    def check(self, seconds):
        """Kills the node under load; every receipted report must be there once after a restart."""
        receipts = f'{self.folder}/receipts'
        if self.mode == 'signed':
            self.load.ask(f'prepare {int(30000 * seconds)}')
        self.load.send(f'closed {seconds}')
        try:
            self.server.popen.wait(seconds * 0.6)
        except subprocess.TimeoutExpired:
            pass
        self.server.kill()
        answer = self.load.answer()
        if answer['refused']:
            raise Failed(f'{answer["refused"]} refused under load {answer["problem"]}')
        self.load.ask(f'receipts {receipts}')
        self.disconnect()
        self.serve()
        found = self.verify()
        if self.server.stop():
            raise Failed('the node did not stop cleanly')
        self.server = None
        found.update(self.programs.json('bench_store', 'recount', self.folder, self.map_bytes, receipts))
        if found['differences'] or found['missing'] or found['twice'] or not found['receipted']:
            raise Failed(f'after a kill: {found["differences"]} differences, {found["missing"]} of '
                         f'{found["receipted"]} receipted reports missing, {found["twice"]} twice')
        return found

    def verify(self):
        load = Load([*self.load_command(), '--idle'], self.programs.log)
        try:
            return load.ask('verify')
        finally:
            load.end()
