#!/usr/bin/python3
"""Tokens and keys with the command and with the Python client, and crashes in between."""

import os
import subprocess
import sys

import harness
from harness import CITY, PLAN, SOURCE, Tool, client, key_of
from test_cli import ABSENT, DONE, FAILED, REFUSED, USAGE, ToolCase  # noqa: F401

SHIM = os.path.join(harness.nodes.BUILD, 'tests', 'functional', 'libshim.so')
PYTHON_CLIENT = os.path.join(SOURCE, 'clients', 'python', 'baocao_client.py')
KILLED = -9


class IdentityCase(ToolCase):
    def token(self, unit=12, role='reporter', *options):
        """The line that `key invite` prints."""
        return self.office('key', 'invite', '--unit', unit, '--role', role,
                           '--name', f'W {unit}', *options).strip()

    def joined(self, name, unit=12):
        """A new home whose key came by a token."""
        tool = Tool(self.folder, name)
        tool('join', self.token(unit), '--name', 'city')
        return tool

    def killed(self, tool, at, *arguments):
        """Runs until the process is killed before its at-th rename; False where it ended first."""
        environment = {**tool.environment, 'LD_PRELOAD': SHIM, 'SHIM_KILL_AT': str(at),
                       'ASAN_OPTIONS': 'verify_asan_link_order=0:detect_leaks=0'}
        done = subprocess.run([harness.BAOCAO, *arguments], env=environment, cwd=tool.home,
                              capture_output=True, stdin=subprocess.DEVNULL, check=False)
        self.assertIn(done.returncode, (DONE, KILLED), done.stderr)
        return done.returncode == KILLED

    def key_of_context(self, tool):
        line, = tool('context', 'ls').splitlines()
        return line.split('\t')[3]

    def states(self):
        """state by public key, as the node lists it."""
        rows = [line.split('\t') for line in self.office('key', 'ls', '--node').splitlines()]
        return {row[0]: row[7] for row in rows}

    def send(self, tool, name, period, *values):
        tool('report', 'send', self.form(tool, name, period, *values))


class Join(IdentityCase):
    def test_a_ward_joins_with_a_token_and_reports(self):
        tool = self.joined('first')
        self.send(tool, 'march', '2022-03', 'lop=31')
        self.assertEqual(self.sum_of('2022-03', 12), 31)

    def test_a_token_from_a_file_or_standard_input_stands_in_no_arguments(self):
        tool = Tool(self.folder, 'file')
        path = os.path.join(tool.home, 'token')
        with open(path, 'w', encoding='ascii') as file:
            file.write(self.token(13) + '\n')
        tool('join', '--token-file', path)
        self.assertEqual(self.key_of_context(tool), 'unit-13')
        other = Tool(self.folder, 'stdin')
        done = subprocess.run([harness.BAOCAO, 'join', '--token-file', '-'], check=False,
                              input=self.token(13), env=other.environment, text=True,
                              capture_output=True)
        self.assertEqual(done.returncode, DONE, done.stderr)

    def test_a_token_is_good_once_and_says_so(self):
        token = self.token()
        Tool(self.folder, 'winner')('join', token)
        done = Tool(self.folder, 'loser').run('join', token)
        self.assertEqual(done.returncode, REFUSED)
        self.assertIn('was used', done.stderr)

    def test_after_a_token_that_was_used_another_one_serves(self):
        token, tool = self.token(), Tool(self.folder, 'second chance')
        Tool(self.folder, 'taker')('join', token)
        tool('join', token, status=REFUSED)
        tool('join', self.token())
        self.assertEqual(self.key_of_context(tool), 'unit-12')

    def test_a_typing_error_is_told_before_anything_is_asked(self):
        token = self.token()
        wrong = token[:-9] + ('A' if token[-9] != 'A' else 'B') + token[-8:]
        tool = Tool(self.folder, 'typo')
        for text, words in ((wrong, 'typing error'), (token[:-3], 'typing error'),
                            ('abc', 'not a token')):
            with self.subTest(words):
                done = tool.run('join', text)
                self.assertEqual(done.returncode, USAGE)
                self.assertIn(words, done.stderr)
        tool('join', token)

    def test_a_join_that_is_killed_anywhere_is_finished_by_a_repeat(self):
        harness.need_binaries(SHIM)
        for at in range(1, 40):
            with self.subTest(at=at):
                token, tool = self.token(), Tool(self.folder, f'killed join {at}')
                killed = self.killed(tool, at, 'join', token)
                if not killed:
                    self.assertGreater(at, 4)
                    return
                if not os.path.exists(os.path.join(tool.home, 'contexts')):
                    tool('join', token)
                tool('node', 'status')
        self.fail('it does not end')

    def test_only_an_operator_invites(self):
        done = self.ward.run('key', 'invite', '--unit', 11, '--role', 'reader')
        self.assertEqual(done.returncode, REFUSED)
        self.assertIn('not-permitted', done.stderr)

    def test_a_key_that_would_never_be_good_is_not_asked_for(self):
        dates = '--from', '2022-05-01', '--to', '2022-05-01'
        for verb in (('invite',), ('enrol', key_of('ward 13').public.hex())):
            done = self.office.run('key', *verb, '--unit', 13, '--role', 'reporter', *dates)
            self.assertEqual((done.returncode, 'would never be good' in done.stderr), (USAGE, True),
                             done.stderr)

    def test_an_invitation_that_ends_by_the_clock_of_the_node_is_not_asked_for(self):
        keys = self.office('key', 'ls', '--node')
        for dates in (('--to', '2022-06-01'), ('--from', '2010-01-01', '--to', '2011-01-01')):
            done = self.office.run('key', 'invite', '--unit', 13, '--role', 'reporter', *dates)
            self.assertEqual((done.returncode, done.stdout), (USAGE, ''), done.stderr)
            self.assertIn(f"a key to {dates[-1]} would never be good: by the node's clock it is "
                          '2022-06-01', done.stderr)
        self.assertEqual(self.office('key', 'ls', '--node'), keys)
        tool = Tool(self.folder, 'one day')
        tool('join', self.token(13, 'reporter', '--to', '2022-06-02'))
        tool('node', 'status')


class Rotate(IdentityCase):
    def test_a_key_is_replaced_and_everything_goes_on(self):
        tool = self.joined('rotate', 21)
        self.send(tool, 'march', '2022-03', 'lop=3')
        old = tool('key', 'ls').split('\t')[1].strip()
        tool('key', 'rotate')
        self.assertEqual(self.key_of_context(tool), 'city-2')
        self.send(tool, 'april', '2022-04', 'lop=4')
        self.assertEqual((self.sum_of('2022-03', 21), self.sum_of('2022-04', 21)), (3, 4))
        self.assertEqual(self.states()[old], 'replaced')
        tool('key', 'rotate')
        self.assertEqual(self.key_of_context(tool), 'city-3')

    def test_a_rotation_that_is_killed_anywhere_is_finished_by_a_repeat(self):
        harness.need_binaries(SHIM)
        tool = self.joined('killed rotate', 22)
        for at in range(1, 40):
            with self.subTest(at=at):
                killed = self.killed(tool, at, 'key', 'rotate')
                tool('key', 'rotate')
                tool('node', 'status')
                self.assertFalse(os.path.exists(
                    os.path.join(tool.home, 'outbox', 'city', 'replacement')))
                if not killed:
                    self.assertGreater(at, 4)
                    break
        self.send(tool, 'march', '2022-03', 'lop=9')
        self.assertEqual(self.sum_of('2022-03', 22), 9)

    def test_what_is_queued_goes_before_the_rotation(self):
        tool = self.joined('queue', 12)
        path = self.form(tool, 'june', '2022-06', 'lop=6')
        self.city.stop()
        try:
            tool('--timeout', 1, 'report', 'send', path, status=75)
        finally:
            self.city.start()
        tool('key', 'rotate')
        self.assertEqual(self.sum_of('2022-06', 12), 6)

    def test_what_was_queued_elsewhere_is_signed_again_and_counts_once(self):
        """A home restored from before the rotation, with reports that the node may or may not have."""
        tool = self.joined('restored', 13)
        self.send(tool, 'march', '2022-03', 'lop=5')
        sent = os.path.join(tool.home, 'sent', 'city')
        receipted, = [name for name in os.listdir(sent) if name.endswith('.submission')]
        path = self.form(tool, 'april', '2022-04', 'lop=6')
        self.city.stop()
        try:
            tool('--timeout', 1, 'report', 'send', path, status=75)
            queue = os.path.join(tool.home, 'outbox', 'city')
            queued, = [name for name in os.listdir(queue) if name.endswith('.submission')]
            with open(os.path.join(queue, queued), 'rb') as file:
                kept = file.read()
            os.unlink(os.path.join(queue, queued))
        finally:
            self.city.start()
        tool('key', 'rotate')
        with open(os.path.join(queue, queued), 'wb') as file:
            file.write(kept)
        os.rename(os.path.join(sent, receipted), os.path.join(queue, receipted))
        os.unlink(os.path.join(sent, receipted.replace('submission', 'receipt')))
        before = harness.figures(self.city)
        tool('report', 'status')
        self.assertEqual((self.sum_of('2022-03', 13), self.sum_of('2022-04', 13)), (5, 6))
        self.assertEqual([name for name in os.listdir(queue) if name.endswith('.submission')], [])
        self.assertNotEqual(harness.figures(self.city), before)

    def test_a_revoked_key_is_told(self):
        tool = self.joined('revoked', 12)
        key = tool('key', 'ls').split('\t')[1].strip()
        self.office('key', 'revoke', key, '--reason', 'mất máy')
        self.assertEqual(self.states()[key], 'revoked')
        done = self.office.run('key', 'revoke', key, '--reason', 'mất máy')
        self.assertEqual(done.returncode, REFUSED)
        self.assertIn('has ended', done.stderr)


class PythonClient(IdentityCase):
    def started(self, *arguments, text=None):
        return subprocess.run([sys.executable, '-B', PYTHON_CLIENT, *arguments], input=text,
                              capture_output=True, text=True, check=False)

    def run_client(self, *arguments, text=None):
        done = self.started(*arguments, text=text)
        self.assertEqual(done.returncode, DONE, done.stderr)
        return done.stdout

    def submission(self, key, period, *values, unit=12, endpoint=None):
        """The arguments that submit a report."""
        return ('submit', '--endpoint', endpoint or self.city.endpoint, '--node-key',
                self.city.key.hex, '--key', key, '--plan', PLAN, '--form', 'thang',
                '--period', period, '--unit', str(unit), *values)

    def enrolled(self, name, unit):
        """The path of a key that came by a token."""
        path = os.path.join(self.folder, f'{name}.key')
        self.run_client('enrol', '--key', path, text=self.token(unit))
        return path

    def rotate(self, path, new):
        self.run_client('rotate', '--endpoint', self.city.endpoint, '--node-key',
                        self.city.key.hex, '--key', path, '--new-key', new)

    def test_it_enrols_by_a_token_and_replaces_its_key(self):
        path = self.enrolled('python', 12)
        with self.city.session(client.Key.load(path)) as session:
            session.status()
        self.rotate(path, f'{path}2')
        with self.city.session(client.Key.load(f'{path}2')) as session:
            session.status()
        self.assertEqual(self.states()[client.Key.load(path).hex], 'replaced')

    def test_a_new_key_goes_on_with_the_counters_of_the_old_one(self):
        path = self.enrolled('counting', 21)
        for period in ('2022-01', '2022-02'):
            self.run_client(*self.submission(path, period, 'lop=1', unit=21))
        self.rotate(path, f'{path}2')
        self.run_client(*self.submission(f'{path}2', '2022-03', 'lop=3', unit=21))
        self.assertEqual(client.last_counter(f'{path}2.counter'), 3)
        with self.subTest('and back to a file that has counted further'):
            client.raise_counter(f'{path}3.counter', 9)
            self.rotate(f'{path}2', f'{path}3')
            self.assertEqual(client.last_counter(f'{path}3.counter'), 9)

    def test_a_second_key_of_a_party_counts_on_from_what_the_node_has_seen(self):
        first, second = self.enrolled('first', 22), self.enrolled('second', 22)
        for period in ('2022-01', '2022-02'):
            self.run_client(*self.submission(first, period, 'lop=1', unit=22))
        asked = self.submission(second, '2022-03', 'lop=3', unit=22)
        done = self.started(*asked)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn('counts on from 2; submit again', done.stderr)
        self.run_client(*asked)

    def test_a_value_without_a_sign_is_named_with_what_to_write(self):
        key = os.path.join(self.folder, 'values.key')
        client.Key.new().save(key)
        for value in ('lop', '=3'):
            done = self.started(*self.submission(key, '2022-01', 'chi=1', value))
            self.assertEqual(done.returncode, FAILED)
            self.assertIn(f'{value}: not field=value; write', done.stderr)
        self.assertEqual(client.last_counter(f'{key}.counter'), 0)

    def test_the_time_without_an_answer_is_said_as_it_was_given(self):
        key = os.path.join(self.folder, 'silent.key')
        client.Key.new().save(key)
        for seconds in ('0.3', '1'):
            done = self.started(*self.submission(key, '2022-01', 'lop=1',
                                                 endpoint='tcp://127.0.0.1:1'),
                                '--timeout', seconds)
            self.assertEqual(done.returncode, 75)
            self.assertIn(f'no answer within {seconds} s\n', done.stderr)

    def test_it_can_be_run_by_its_name(self):
        self.assertTrue(os.access(PYTHON_CLIENT, os.X_OK))

    def test_it_reads_a_token_as_the_command_writes_it(self):
        token = client.Token.parse(self.token(11, 'reader', '--hours', '5'))
        self.assertEqual((token.unit, token.endpoint, token.node),
                         (11, self.city.endpoint, self.city.key.public))


if __name__ == '__main__':
    harness.main()
