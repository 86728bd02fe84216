"""Other servers on the same bodies, clients, messages in flight and disk. Each is started here on loopback
with a folder of its own, and removed again. `--peers` installs them."""
import os
import pathlib
import pwd
import shutil
import socket
import statistics
import struct
import subprocess
import tempfile
import time

from machine import Failed, Process, free_port
from nodes import Served

POSTGRES = pathlib.Path('/usr/lib/postgresql/15/bin')
FIGURES = 12
WAIT = 180
WAKE = 0.1  # seconds for timers that have run out meanwhile

REDIS_FUNCTION = '''#!lua name=bench
redis.register_function('report', function(keys, args)
  for cell = 2, 4 do
    for figure = 1, %d do
      redis.call('HINCRBY', keys[cell], figure, args[figure + 1])
    end
  end
  return redis.call('XADD', keys[1], '*', 'b', args[1])
end)
''' % FIGURES

NUMBERS = [f'f{figure}' for figure in range(1, FIGURES + 1)]
POSTGRES_TABLES = f'''
create table report (plan int, month int, ward int, district int,
  {", ".join(f"{name} int" for name in NUMBERS)}, body bytea);
create table cell (plan int, month int, unit int,
  {", ".join(f"{name} bigint" for name in NUMBERS)}, primary key (plan, month, unit))
  with (fillfactor = 50);
'''
ADD = f'''on conflict (plan, month, unit) do update set
  {", ".join(f"{name} = cell.{name} + excluded.{name}" for name in NUMBERS)}'''
REPLACE = f'''on conflict (plan, month, unit) do update set
  {", ".join(f"{name} = excluded.{name}" for name in NUMBERS)}'''
POSTGRES_ROW = f'''
create function add_row() returns trigger language plpgsql as $$ begin
  insert into cell values
    {", ".join(f"(new.plan, new.month, {unit}, " + ", ".join(f"new.{name}" for name in NUMBERS) + ")"
               for unit in ("new.ward", "new.district", "79"))} {ADD};
  return null; end $$;
create trigger add after insert on report for each row execute function add_row();
'''
SUMS = ', '.join(f'sum({name})' for name in NUMBERS)
POSTGRES_STATEMENT = f'''
create function add_rows() returns trigger language plpgsql as $$ begin
  insert into cell
    select plan, month, unit, {SUMS} from new_rows
      cross join lateral (values (ward), (district), (79)) as above (unit)
      group by plan, month, unit order by plan, month, unit {ADD};
  return null; end $$;
create trigger add after insert on report referencing new table as new_rows
  for each statement execute function add_rows();
'''


def user_id(name):
    try:
        return pwd.getpwnam(name).pw_uid if os.getuid() == 0 else None
    except KeyError:
        return None


class Peer(Served):
    """A server that is not ours. What a subclass says: its program, and how it is started."""

    program = user = None

    def __init__(self, programs, name, protocol, shape, mix, in_flight=None):
        super().__init__(programs, name, shape=shape, mix=mix)
        self.protocol = protocol
        self.in_flight = in_flight or self.in_flight

    def load_command(self):
        return [self.programs.path('load_peer'), self.protocol, '--port', self.port, '--clients',
                self.clients, '--in-flight', self.in_flight, '--mix', self.mix, '--life', self.life]

    def start(self):
        if not shutil.which(str(self.program)):
            raise Failed(f'{self.program} is not installed; ./dev bench --peers installs it')
        self.folder = tempfile.mkdtemp(dir=self.programs.parent)
        self.port = free_port()
        if self.user and user_id(self.user) is not None:
            shutil.chown(self.folder, self.user)
        self.serve()
        self.wait_port()
        self.prepare()
        self.connect()

    # A peer may work a little with nothing to do.
    def rest(self):
        self.server.rest()

    def wake(self):
        self.server.wake()
        time.sleep(WAKE)

    def process(self, *command, **options):
        options.setdefault('user', user_id(self.user) if self.user else None)
        return Process(command, log=self.programs.log, cwd=self.folder, **options)

    def wait_port(self):
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            if self.server.popen.poll() is not None:
                self.server.fail('has ended')
            try:
                socket.create_connection(('127.0.0.1', self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.server.fail('does not listen')

    def prepare(self):
        """What the server must know before the clients come."""

    def say(self, *messages):
        """Sends bytes and waits for the end of a line after each."""
        with socket.create_connection(('127.0.0.1', self.port), WAIT) as link:
            link.settimeout(WAIT)
            answers = []
            for message in messages:
                link.sendall(message)
                answer = b''
                while not answer.endswith(b'\r\n'):
                    answer += link.recv(65536) or b'\r\n'
                answers.append(answer)
            return answers


class Redis(Peer):
    program = 'redis-server'

    def serve(self):
        self.server = self.process(
            'redis-server', '--port', self.port, '--bind', '127.0.0.1', '--dir', self.folder,
            '--appendonly', 'yes', '--appendfsync', 'always', '--save', '',
            '--auto-aof-rewrite-percentage', '0')

    def prepare(self):
        if self.protocol == 'redis-function':
            text = REDIS_FUNCTION.encode()
            answer = self.say(b'*3\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n$%d\r\n%s\r\n' % (len(text), text))
            if not answer[0].startswith(b'$'):
                raise Failed(f'redis: {answer[0].decode()}')


class Nats(Peer):
    program = 'nats-server'
    synced = False

    def serve(self):
        if self.synced:
            # This version has no setting for it: every write to the folder is made synchronous.
            subprocess.run(['chattr', '+S', self.folder], check=True, stderr=subprocess.DEVNULL)
        self.server = self.process('nats-server', '-a', '127.0.0.1', '-p', self.port, '-js', '-sd',
                                   self.folder)

    def prepare(self):
        config = b'{"name":"bench","subjects":["reports"],"storage":"file","retention":"limits"}'
        answers = self.say(
            b'', b'CONNECT {"verbose":true}\r\n', b'SUB made 1\r\n',
            b'PUB $JS.API.STREAM.CREATE.bench made %d\r\n%s\r\n' % (len(config), config))
        if b'error' in answers[-1]:
            raise Failed(f'nats: {answers[-1].decode()}')


class NatsSynced(Nats):
    synced = True


class Postgres(Peer):
    program = POSTGRES / 'postgres'
    user = 'postgres'

    def serve(self):
        data = f'{self.folder}/data'
        made = subprocess.run(
            [POSTGRES / 'initdb', '-D', data, '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--locale',
             'C', '-N'], user=user_id(self.user), cwd=self.folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, check=False)
        if made.returncode:
            raise Failed(f'initdb: {made.stderr.strip()}')
        self.server = self.process(
            POSTGRES / 'postgres', '-D', data, '-p', self.port, '-c', 'listen_addresses=127.0.0.1',
            '-c', f'unix_socket_directories={self.folder}', '-c',
            f'max_connections={self.clients + 10}', '-c', 'shared_buffers=512MB', '-c',
            'max_wal_size=8GB', '-c', 'wal_buffers=16MB')

    def rest(self):
        """Without the process that it has for each connection: where the kernel walks through memory it comes to what they
        share once for each, and other servers wait meanwhile."""
        self.disconnect()
        deadline = time.monotonic() + WAIT
        while self.sql("select count(*) from pg_stat_activity where backend_type = 'client backend'").strip() != '1':
            if time.monotonic() > deadline:
                raise Failed('PostgreSQL keeps connections that were closed')
            time.sleep(0.02)
        super().rest()

    def wake(self):
        super().wake()
        self.connect()
        self.load.ask('closed 0.2')  # each new process has its tables to learn

    def sql(self, text):
        done = subprocess.run(
            [POSTGRES / 'psql', '-h', '127.0.0.1', '-p', str(self.port), '-U', 'postgres', '-qAt', '-v',
             'ON_ERROR_STOP=1', '-c', text], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, check=False, cwd='/')
        if done.returncode:
            raise Failed(f'psql: {done.stderr.strip()}')
        return done.stdout

    def time(self, text, times):
        """Seconds of one query, the middle of so many, over one connection without a library."""
        words = b'user\0postgres\0database\0postgres\0\0'
        message = b'Q' + struct.pack('>I', len(text) + 5) + text.encode() + b'\0'
        with socket.create_connection(('127.0.0.1', self.port), WAIT) as link:
            link.sendall(struct.pack('>II', len(words) + 8, 3 << 16) + words)
            self.until_ready(link)
            seconds = []
            for _ in range(times):
                begun = time.monotonic()
                link.sendall(message)
                self.until_ready(link)
                seconds.append(time.monotonic() - begun)
            return statistics.median(seconds)

    def upsert(self, count, batch=1000):
        """Seconds for so many rows of twelve figures, replaced where they are; a transaction a batch,
        each waiting for the one before."""
        words = b'user\0postgres\0database\0postgres\0\0'
        with socket.create_connection(('127.0.0.1', self.port), WAIT) as link:
            link.sendall(struct.pack('>II', len(words) + 8, 3 << 16) + words)
            self.until_ready(link)
            begun = time.monotonic()
            for first in range(0, count, batch):
                rows = ', '.join(f'(9, {row % 12}, {row}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)'
                                 for row in range(first, min(first + batch, count)))
                text = f'insert into cell values {rows} {REPLACE}'
                link.sendall(b'Q' + struct.pack('>I', len(text) + 5) + text.encode() + b'\0')
                self.until_ready(link)
            return time.monotonic() - begun

    @staticmethod
    def until_ready(link):
        tail = b''
        while tail[-6:-1] != b'Z\0\0\0\5':
            more = link.recv(1 << 20)
            if not more:
                raise Failed('PostgreSQL closed a connection')
            tail = (tail + more)[-4096:]

    def prepare(self):
        deadline = time.monotonic() + WAIT
        while True:
            try:
                self.sql('select 1')
                break
            except Failed:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        self.sql(POSTGRES_TABLES)
        self.sql(POSTGRES_STATEMENT if self.protocol == 'copy' else POSTGRES_ROW)


class Rabbit(Peer):
    program = '/usr/lib/rabbitmq/bin/rabbitmq-server'
    user = 'rabbitmq'
    names_port = None

    def serve(self):
        pathlib.Path(f'{self.folder}/rabbitmq.conf').write_text(
            f'listeners.tcp.1 = 127.0.0.1:{self.port}\ndisk_free_limit.absolute = 50MB\n')
        name = pathlib.Path(self.folder).name
        self.names_port = free_port()
        self.server = self.process(
            self.program, env={
                'HOME': self.folder, 'RABBITMQ_NODENAME': f'{name}@localhost',
                'RABBITMQ_MNESIA_BASE': f'{self.folder}/data', 'RABBITMQ_LOG_BASE': f'{self.folder}/log',
                'RABBITMQ_CONFIG_FILE': f'{self.folder}/rabbitmq', 'RABBITMQ_DIST_PORT': str(free_port()),
                'RABBITMQ_ENABLED_PLUGINS_FILE': f'{self.folder}/plugins', 'RABBITMQ_PID_FILE':
                f'{self.folder}/pid', 'ERL_EPMD_PORT': str(self.names_port),
                'ERL_EPMD_ADDRESS': '127.0.0.1'})


    def stop(self):
        super().stop()
        if self.names_port and shutil.which('epmd'):  # its server of names stays behind
            subprocess.run(['epmd', '-port', str(self.names_port), '-kill'], check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# Name, class, protocol, requests in flight of each client (or the shape's)
PEERS = (
    ('Redis Streams', Redis, 'redis', None),
    ('Redis function with rollups', Redis, 'redis-function', None),
    ('NATS JetStream, not synced', Nats, 'nats', None),
    ('NATS JetStream', NatsSynced, 'nats', None),
    ('PostgreSQL insert and trigger', Postgres, 'postgres', None),
    ('PostgreSQL copy and trigger', Postgres, 'copy', 1),
    ('RabbitMQ quorum queue', Rabbit, 'rabbit', None),
)


def made_for(bench, mix, sizes):
    """With one message in flight of each of a thousand clients only the fastest, and in tests not what
    takes long to start; there, what is not installed is left out."""
    wanted = PEERS
    if sizes[0] == 1000:
        wanted = PEERS[:1]
    elif bench.tiny:
        wanted = [row for row in PEERS if mix == 'deadline' and row[1] is not Rabbit and
                  row[2] != 'postgres' and shutil.which(str(row[1].program))]
    return {name: kind(bench.programs, name, protocol, sizes, mix, in_flight)
            for name, kind, protocol, in_flight in wanted}
