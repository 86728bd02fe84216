#!/usr/bin/python3
"""A node that would let in anybody does not start; secret keys stand nowhere but in their files."""

import os
import pathlib
import resource
import select
import shutil
import signal
import subprocess
import unittest

import harness
from harness import CITY, Tool, client, key_of, nodes

SHIM = os.path.join(nodes.BUILD, 'tests', 'functional', 'libshim.so')


class Guard(harness.NodeCase):
    def ended(self, daemon, environment):
        """Starts it with more in its environment; its exit status."""
        daemon.process = nodes.Process(
            [harness.BAOCAOD, '--config', daemon.settings_path], daemon.log_path,
            {**os.environ, **environment})
        return daemon.process.wait(harness.START_SECONDS)

    def test_a_node_whose_guard_is_broken_ends_with_78_and_serves_nobody(self):
        harness.need_binaries(SHIM)
        daemon = self.node('open', CITY, start=False)
        status = self.ended(daemon, {
            'LD_PRELOAD': SHIM, 'SHIM_DROP_ZAP': '1',
            'ASAN_OPTIONS': 'verify_asan_link_order=0:detect_leaks=0'})
        self.assertEqual(status, harness.EXIT_CONFIG, daemon.log_tail())
        self.assertIn('critical unguarded', daemon.log())
        self.assertIn('lets in a key that nobody enrolled', daemon.log())

    def test_the_same_node_starts_with_its_guard_and_counts_no_refusal(self):
        daemon = self.node('guarded', CITY)
        with daemon.session() as session:
            status = session.status()
        self.assertEqual((status['handshakes_failed'], status['refusals']), (0, {}))
        self.assertNotIn('key-refused', daemon.log())

    def test_it_starts_whatever_it_listens_on(self):
        port = nodes.free_port()
        for number, endpoint in enumerate((f'tcp://*:{port}', f'tcp://[::1]:{port}',
                                           f'tcp://0.0.0.0:{port}')):
            with self.subTest(endpoint):
                daemon = self.node(f'listen {number}', CITY, start=False,
                                   settings={'listen': endpoint})
                daemon.endpoint = f'tcp://127.0.0.1:{port}'
                daemon.start()
                daemon.stop()

    def test_an_address_for_questions_takes_the_same_keys_and_messages_and_no_others(self):
        apart = nodes.new_endpoint()
        daemon = self.node('apart', CITY, settings={'listen.questions': apart})
        harness.furnish(daemon)
        self.assertIn(f'at {daemon.endpoint} and {apart}, ', daemon.log())
        names = [file.read_text().strip()
                 for file in pathlib.Path(f'/proc/{daemon.process.popen.pid}/task').glob('*/comm')]
        self.assertEqual(sorted(name for name in names if '/IO/' in name), [f'ZMQbg/IO/{thread}' for thread in range(3)])
        for number, endpoint in enumerate((daemon.endpoint, apart), 1):
            daemon.endpoint = endpoint
            harness.submit(daemon, 11, harness.month_report(11, f'2022-0{number}', 1))
            with daemon.session() as session:
                self.assertEqual(session.report(harness.PLAN, 'thang', f'2022-0{number}', 11)['revision'], 1)
            with self.assertRaises(client.Timeout), daemon.session(key_of('nobody'), timeout=1) as session:
                session.status()

    def test_an_address_for_questions_that_is_taken_is_named(self):
        other = self.node('other', CITY)
        daemon = self.node('taken', CITY, start=False, settings={'listen.questions': other.endpoint})
        self.assertEqual(self.ended(daemon, {}), harness.EXIT_CONFIG)
        self.assertIn(f'{other.endpoint}: Address already in use', daemon.log())


class Secrets(harness.NodeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.city = cls.node('city', CITY)
        harness.furnish(cls.city)

    @staticmethod
    def forms(key):
        """The secrets of a key, as they could stand anywhere: raw, in digits, as ZeroMQ writes it."""
        curve = key.curve_pair()[1]
        return [form for secret in (key.seed, curve)
                for form in (secret, secret.hex().encode(), client.zmq.utils.z85.encode(secret))]

    def assert_absent(self, where, data, keys):
        for key in keys:
            for form in self.forms(key):
                self.assertNotIn(form, data, where)

    def test_secrets_are_in_no_argument_no_environment_no_log_and_no_store(self):
        token = key_of('token of secrets')
        owner = key_of('owner of secrets')
        with self.city.session() as session:
            session.act_on_key(client.invitation(
                self.operator, self.city.key.public, token.public, 11, 'reporter', 1))
        with self.city.session(token) as session:
            session.act_on_key(client.replacement(token, owner, self.city.key.public))
        harness.submit(self.city, 11, harness.month_report(11, '2022-03', 1), key=owner)
        keys = (self.city.key, self.operator, token, owner)
        pid = self.city.process.popen.pid
        for name in ('environ', 'cmdline'):
            with open(f'/proc/{pid}/{name}', 'rb') as file:
                self.assert_absent(name, file.read(), keys)
        self.assert_absent('log', self.city.log().encode(), keys)
        with open(os.path.join(self.city.state, 'baocao.mdb'), 'rb') as file:
            self.assert_absent('store', file.read(), keys)

    def test_a_crash_leaves_no_core(self):
        """SIGABRT of a node that may write cores of any size; the same of a program that may."""
        def unlimited():
            hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
            resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

        daemon = self.node('crash', CITY, start=False)
        notify = nodes.NotifySocket(os.path.join(daemon.folder, 'notify'))
        self.addCleanup(notify.close)
        process = subprocess.Popen(
            [harness.BAOCAOD, '--config', daemon.settings_path], preexec_fn=unlimited,
            stderr=subprocess.DEVNULL, cwd=daemon.folder,
            env={**os.environ, 'NOTIFY_SOCKET': notify.path})
        self.addCleanup(process.kill)
        ended = os.pidfd_open(process.pid)
        notify.wait('READY=1', ended, harness.START_SECONDS)
        with open(f'/proc/{process.pid}/limits', encoding='ascii') as file:
            limit, = [line.split()[4:6] for line in file if line.startswith('Max core')]
        self.assertEqual(limit, ['0', '0'])
        process.send_signal(signal.SIGABRT)
        self.assertTrue(select.select([ended], [], [], harness.STOP_SECONDS)[0])
        _, status = os.waitpid(process.pid, 0)
        process.returncode = status
        self.assertEqual((os.WTERMSIG(status), os.WCOREDUMP(status)), (signal.SIGABRT, False))
        self.assertEqual([name for name in os.listdir(daemon.folder) if 'core' in name], [])

    @unittest.skipIf(os.geteuid() != 0, 'only root can start a process of another user')
    def test_its_own_user_cannot_look_into_it(self):
        """The files in /proc of a process that may not be dumped are root's, not its user's."""
        if 'asan' in os.path.basename(nodes.BUILD):
            self.skipTest('a sanitizer must look into it')
        user = 54321
        daemon = self.node('user', CITY, start=False)
        os.chmod(self.folder, 0o711)
        for folder, _, files in os.walk(daemon.folder):
            for name in ['.', *files]:
                os.chown(os.path.join(folder, name), user, user)
        os.chown(daemon.key_path, user, user)
        notify = nodes.NotifySocket(os.path.join(daemon.folder, 'notify'))
        self.addCleanup(notify.close)
        os.chown(notify.path, user, user)
        # The build may lie where that user may not go, as below /root.
        program = shutil.copy(harness.BAOCAOD, self.folder)
        with open(daemon.log_path, 'wb') as log:
            process = subprocess.Popen(
                [program, '--config', daemon.settings_path], user=user, group=user,
                extra_groups=[], env={**os.environ, 'NOTIFY_SOCKET': notify.path}, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertTrue(notify.wait('READY=1', os.pidfd_open(process.pid), harness.START_SECONDS),
                        daemon.log_tail())
        with open(f'/proc/{process.pid}/status', encoding='ascii') as file:
            self.assertIn(f'Uid:\t{user}\t', file.read())
        for name in ('environ', 'mem', 'maps'):
            self.assertEqual(os.stat(f'/proc/{process.pid}/{name}').st_uid, 0, name)

    def test_a_key_that_others_may_read_or_that_is_anothers_starts_nothing(self):
        for number, spoil in enumerate((lambda path: os.chmod(path, 0o640),
                                        lambda path: os.chown(path, 12345, 12345))):
            if number == 1 and os.geteuid() != 0:
                continue
            with self.subTest(number):
                daemon = self.node(f'spoilt {number}', CITY, start=False)
                spoil(daemon.key_path)
                self.assertEqual(daemon.run().returncode, harness.EXIT_CONFIG)
                tool = Tool(self.folder, f'spoilt home {number}')
                tool('key', 'new', 'mine')
                spoil(os.path.join(tool.home, 'keys', 'mine.key'))
                tool('key', 'ls', status=1)


if __name__ == '__main__':
    harness.main()
