"""A tree of nodes that are looked after: started, restarted when they die, stopped cleanly.

Standard library only; everything that crosses a socket goes through the program baocao.
"""

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'functional'))
import nodes  # noqa: E402

RETRY_SECONDS = 60
SETTLE_SECONDS = 150


class DemoError(Exception):
    """Something that the demonstration cannot go on from."""


class Progress:
    """A bar on a terminal, plain lines elsewhere; safe from several threads."""

    WIDTH = 40

    def __init__(self, total):
        self.total = max(total, 1)
        self.done = 0
        self.words = ''
        self.bar = sys.stderr.isatty()
        self.lock = threading.Lock()
        self.told = -1

    def add(self, count=1):
        with self.lock:
            self.done += count
            tenth = self.done * 10 // self.total
            if self.bar:
                self._draw()
            elif tenth != self.told:
                self.told = tenth
                print(f'{self.words}: {self.done} of {self.total}', file=sys.stderr, flush=True)

    def say(self, words):
        """A new phase."""
        with self.lock:
            self.words = words
            if self.bar:
                self._draw()
            else:
                print(words, file=sys.stderr, flush=True)

    def line(self, words):
        """One line that stays, above the bar."""
        with self.lock:
            if self.bar:
                sys.stderr.write('\r\033[K')
            print(words, file=sys.stderr, flush=True)
            if self.bar:
                self._draw()

    def _draw(self):
        full = min(self.WIDTH, self.done * self.WIDTH // self.total)
        sys.stderr.write(f'\r\033[K[{"#" * full}{"." * (self.WIDTH - full)}] '
                         f'{self.done}/{self.total} {self.words}')
        sys.stderr.flush()

    def close(self):
        with self.lock:
            if self.bar:
                sys.stderr.write('\r\033[K')
                sys.stderr.flush()


class Node(nodes.Daemon):
    """A node under a supervisor: when its process ends, it is started again."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.ready = threading.Event()
        self.idle = threading.Event()  # not in the middle of a start
        self.stopping = threading.Event()
        self.restarts = -1
        self.thread = None

    def supervise(self):
        """Starts the process and a thread that looks after it; returns when it is ready."""
        self.thread = threading.Thread(target=self._look_after, daemon=True)
        self.thread.start()
        if not self.ready.wait(nodes.START_SECONDS):
            raise DemoError(f'{self.name} did not start:\n{self.log_tail()}')

    def _look_after(self):
        # The thread lives as long as the process: the kernel ends a child with its thread.
        while not self.stopping.is_set():
            self.idle.clear()
            try:
                self.start()
            except (RuntimeError, TimeoutError) as error:
                if self.process is not None and self.process.alive():
                    self.process.kill()
                if self.process is None or self.process.popen.returncode >= 0:
                    print(f'{self.name}: {error}', file=sys.stderr, flush=True)
                    break  # ended by itself before it was ready: a restart cannot help
                continue
            self.restarts += 1
            self.ready.set()
            self.idle.set()
            select.select([self.process.descriptor], [], [])
        self.idle.set()

    def release(self):
        """Its next end is for good. Returns when it is not in the middle of a start."""
        self.stopping.set()
        self.idle.wait(nodes.START_SECONDS)


class Commands:
    """The program baocao, run again when it dies or when a node is not there."""

    def __init__(self, folder, chaos=None):
        self.tool = nodes.Tool(folder)
        self.chaos = chaos
        self.retries = 0

    def run(self, *arguments, ok=(0,), timeout=RETRY_SECONDS, again=None):
        """
        Standard output. A status of 75 (the node is silent) or an end by a signal means another
        try, with other arguments if again is given.
        """
        limit = time.monotonic() + timeout
        words = [nodes.BAOCAO, *map(str, arguments)]
        while True:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True, env=self.tool.environment, cwd=self.tool.home)
            if self.chaos is not None:
                self.chaos.client_started(process, arguments)
            try:
                out, errors = process.communicate(timeout=max(1.0, limit - time.monotonic()))
            except subprocess.TimeoutExpired as error:
                process.kill()
                process.communicate()
                raise DemoError(f'baocao {" ".join(words[1:])} did not end') from error
            if process.returncode in ok:
                return out
            if process.returncode not in (nodes.EXIT_TEMPORARY, -signal.SIGKILL):
                raise DemoError(f'baocao {" ".join(words[1:])} ended with {process.returncode}:\n'
                                f'{out}{errors}')
            if time.monotonic() > limit:
                raise DemoError(f'baocao {" ".join(words[1:])} had no answer:\n{out}{errors}')
            self.retries += 1
            if again is not None:
                words = [nodes.BAOCAO, *map(str, again)]

    def json(self, *arguments, **options):
        return json.loads(self.run('--json', *arguments, **options))

    def new_key(self, name):
        """Makes a key; its public half in hexadecimal digits."""
        found = re.search(r'\b[0-9a-f]{64}\b', self.run('key', 'new', name))
        if not found:
            raise DemoError(f'key new {name} printed no key')
        return found.group(0)

    def key_path(self, name):
        return os.path.join(self.tool.home, 'keys', f'{name}.key')


class Tree:
    """Nodes, their operator, and the contexts to reach them by name."""

    def __init__(self, folder, chaos=None):
        self.folder = folder
        self.commands = Commands(folder, chaos)
        self.nodes = {}
        self.operator = self.commands.new_key('operator')

    def add(self, name, unit, parent=None, **options):
        """A new node, initialised, not yet running."""
        key = f'node.{name}'
        public = self.commands.new_key(key)
        node = Node(self.folder, name, unit, public, self.commands.key_path(key), self.operator,
                    self.nodes[parent] if parent else None, **options)
        done = node.run('--init', '--operator', self.operator)
        if done.returncode != 0:
            raise DemoError(f'--init of {name} ended with {done.returncode}:\n{done.stderr}')
        self.commands.run('context', 'add', name, '--endpoint', node.endpoint, '--node-key',
                          public, '--key', 'operator', '--node-unit', unit)
        self.nodes[name] = node
        return node

    def status(self, name):
        return self.commands.json('--context', name, 'node', 'status')

    def recounted(self, name):
        """How much the node's state differs from what its ledger says."""
        return self.commands.json('--context', name, 'node', 'verify')['differences']

    def figures(self, name, plan, *options):
        """Rows of a plan at a node; each with its sums by field, None where there is no number."""
        answer = self.commands.json('--context', name, 'rollup', 'show', plan, *options)
        for row in answer['figures']:
            row['sums'] = {field: figure['value'] for field, figure in row['values'].items()}
        return answer['figures']

    def targets(self, name, plan):
        """Every result of a plan's targets at a node."""
        return self.commands.json('--context', name, 'target', plan)['targets']

    def totals(self, name, plan, unit):
        """{field: sum over all periods} of one unit, which sums all below it."""
        sums = {}
        for row in self.figures(name, plan, '--unit', unit):
            for field, value in row['sums'].items():
                sums[field] = sums.get(field, 0) + (value or 0)
        return sums

    def settle(self, names, seconds=SETTLE_SECONDS):
        """Waits until the parents have acknowledged everything of these nodes."""
        limit = time.monotonic() + seconds
        for name in names:
            while True:
                upstream = self.status(name)['upstream']
                if upstream['pending'] == 0 and upstream['acknowledged'] > 0:
                    break
                if time.monotonic() > limit:
                    raise DemoError(f'{name} still has {upstream} upstream:\n'
                                    f'{self.nodes[name].log_tail()}')
                time.sleep(0.1)  # nothing tells a child's reader of an acknowledgement

    def stop(self):
        """SIGTERM to all, children first; every exit status must be 0."""
        bad = []
        for node in reversed(self.nodes.values()):
            node.release()
            if node.process is None:
                continue
            try:
                node.stop()
            except (RuntimeError, TimeoutError) as error:
                bad.append(str(error))
        if bad:
            raise DemoError('\n'.join(bad))

    def close(self):
        for node in self.nodes.values():
            if node.thread is not None:
                node.release()
            node.close()


class Chaos:
    """Ends processes with kill -9 in the middle: each node in turn, and clients of each verb."""

    def __init__(self, total):
        self.total = max(total, 1)
        self.seen = 0
        self.killed = []
        self.lock = threading.Lock()
        self.victims = []
        self.verbs = set()

    def choose(self, tree):
        """From now on every node will be killed once, evenly over the steps."""
        self.victims = list(tree.nodes.values())

    def step(self):
        """Called after each report; kills the next node when its time has come."""
        with self.lock:
            self.seen += 1
            due = self.seen * (len(self.victims) + 1) // self.total
            if len(self.killed) >= min(due, len(self.victims)):
                return
            node = self.victims[len(self.killed)]
            self.killed.append(node.name)
        if node.process is not None and node.process.alive():
            node.process.popen.kill()

    def client_started(self, process, arguments):
        """Kills one client process of each pair of words, once."""
        verb = ' '.join(str(word) for word in arguments if not str(word).startswith('-'))[:60]
        verb = re.sub(r'^\S+ (report|rollup) ', r'\1 ', verb)
        name = ' '.join(verb.split()[:2])
        with self.lock:
            if name in self.verbs or not name.startswith('report'):
                return
            self.verbs.add(name)
        process.kill()


class Demo:
    """What both demonstrations have: a folder, a tree, and perhaps chaos."""

    def __init__(self, folder, steps, chaos=None):
        self.folder = folder
        self.chaos = chaos
        self.progress = Progress(steps)
        self.tree = None
        self.page = None

    top = None  # the name of the node that the page shows

    def page_key(self):
        """A row of the top node's key table: the page reads and nothing else."""
        public = self.tree.commands.new_key('page')
        return public, self.tree.nodes[self.top].unit, 'reader', 'page'

    def serve_page(self):
        """Starts the page beside the top node; its address, or None where it is not built."""
        if not os.access(nodes.BAOCAO_WEB, os.X_OK):
            return None
        node = self.tree.nodes[self.top]
        address = f'127.0.0.1:{nodes.free_port()}'
        notify = nodes.NotifySocket(os.path.join(self.folder, 'page.notify'))
        self.page = nodes.Process(
            [nodes.BAOCAO_WEB, '--endpoint', node.endpoint, '--node-key', node.public, '--key',
             self.tree.commands.key_path('page'), '--listen', address],
            os.path.join(self.folder, 'page.log'),
            {**os.environ, 'NOTIFY_SOCKET': notify.path})
        if not notify.wait('READY=1', self.page.descriptor, nodes.START_SECONDS):
            raise DemoError('the page did not start')
        return f'http://{address}/'

    def stop_page(self):
        if self.page is not None:
            self.page.close()
            self.page = None

    def report_kills(self):
        if self.chaos is not None:
            restarts = sum(max(node.restarts, 0) for node in self.tree.nodes.values())
            self.progress.line(f'killed: {" ".join(self.chaos.killed)}; '
                               f'clients: {", ".join(sorted(self.chaos.verbs))}; '
                               f'restarts {restarts}, repeated commands '
                               f'{self.tree.commands.retries}')
