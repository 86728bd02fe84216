#!/usr/bin/python3
"""The program baocao against a real node: every verb, its exit codes, and its durable outbox."""

import csv
import glob
import json
import os
import signal
import subprocess

import harness
from harness import CITY, PLAN, Tool, client, key_of

DONE, FAILED, USAGE, INVALID, REFUSED, ABSENT, QUEUED = 0, 1, 2, 3, 4, 5, 75


class ToolCase(harness.NodeCase):
    """A node, an operator's home and the home of ward 11, which has one key and one context."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        harness.need_binaries(harness.BAOCAO)
        cls.city = cls.node('city', CITY, clock='2022-06-01T08:00:00+07:00')
        harness.furnish(cls.city)
        cls.office = cls.home('office', 'operator')
        cls.office('context', 'add', 'city', *cls.at_city('operator'))
        cls.ward = cls.home('ward', 'ward 11')
        cls.ward('context', 'add', 'city', *cls.at_city('ward-11'), '--unit', 11)

    @classmethod
    def home(cls, name, *keys):
        """A home whose key ring holds these test keys."""
        tool = Tool(cls.folder, name)
        os.makedirs(os.path.join(tool.home, 'keys'), mode=0o700, exist_ok=True)
        for key in keys:
            key_of(key).save(os.path.join(tool.home, 'keys', f'{key.replace(" ", "-")}.key'))
        return tool

    @classmethod
    def at_city(cls, key):
        return ('--endpoint', cls.city.endpoint, '--node-key', cls.city.key.hex, '--key', key)

    def form(self, tool, name, period, *values, form='thang', unit=None):
        """The path of a filled form."""
        path = os.path.join(tool.home, f'{name}.csv')
        tool('report', 'new', PLAN, form, period, '-o', path,
             *(['--unit', unit] if unit else []))
        if values:
            tool('report', 'fill', path, *values)
        return path

    def sum_of(self, period, unit=11, field=0):
        return harness.sum_of(self.city, period, unit, field)[0]


class Words(ToolCase):
    def test_help_names_every_noun(self):
        text = self.ward('help')
        for noun in ('context', 'key', 'unit', 'plan', 'report', 'inbox', 'request', 'late',
                     'matrix', 'target', 'score', 'rollup', 'node'):
            self.assertIn(f'\n  {noun} ', text)
        self.assertLessEqual(max(map(len, text.splitlines())), 120)

    def test_a_reader_who_has_enough_is_no_error_to_speak_of(self):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run([harness.BAOCAO, 'context', 'ls'], stdin=subprocess.DEVNULL,
                              stdout=writing, stderr=subprocess.PIPE, check=False,
                              env=self.ward.environment)
        os.close(writing)
        self.assertEqual((done.returncode, done.stderr), (FAILED, b''))

    def test_an_unknown_verb_is_a_usage_error_with_the_nearest_name(self):
        done = self.ward.run('report', 'sned')
        self.assertEqual(done.returncode, USAGE)
        self.assertIn('send', done.stderr)

    def test_a_missing_argument_is_a_usage_error(self):
        self.assertEqual(self.ward.run('report', 'new', PLAN).returncode, USAGE)
        done = self.ward.run('matrix', PLAN)
        self.assertEqual(done.returncode, USAGE)
        self.assertIn('matrix needs PLAN FORM\n       see: baocao matrix --help', done.stderr)

    def test_an_unknown_option_is_a_usage_error_with_the_nearest_name(self):
        done = self.ward.run('target', PLAN, '--unti', 10)
        self.assertEqual(done.returncode, USAGE)
        self.assertIn('--unit?', done.stderr)

    def test_a_command_without_any_context_is_an_error_that_says_what_to_do(self):
        done = Tool(self.folder, 'empty').run('node', 'status')
        self.assertNotEqual(done.returncode, DONE)
        self.assertIn('context add', done.stderr)


class Operator(ToolCase):
    def test_a_new_key_is_printed_and_can_be_listed(self):
        public = self.office('key', 'new', 'fresh').strip()
        self.assertIn(public, self.office('key', 'ls'))

    def test_a_new_key_file_can_be_read_by_the_independent_client(self):
        public = self.office('key', 'new', 'readable').strip()
        path = os.path.join(self.office.home, 'keys', 'readable.key')
        self.assertEqual((client.Key.load(path).hex, os.stat(path).st_mode & 0o777),
                         (public, 0o600))

    def test_a_key_that_exists_is_not_made_again(self):
        self.office('key', 'new', 'once')
        self.assertNotEqual(self.office.run('key', 'new', 'once').returncode, DONE)

    def test_an_enrolled_key_may_report(self):
        other = self.home('other')
        public = other('key', 'new', 'me').strip()
        self.office('key', 'enrol', public, '--unit', 12, '--role', 'reporter',
                    '--from', '2022-01-01', '--name', 'Phường 2')
        other('context', 'add', 'city', *self.at_city('me'), '--unit', 12)
        other('report', 'send', self.form(other, 'f', '2022-01', 'lop=2'))
        self.assertEqual(self.sum_of('2022-01', 12), 2)

    def test_a_role_that_is_none_is_told_all_that_there_are(self):
        done = self.office.run('key', 'enrol', '0' * 64, '--unit', 12, '--role', 'reporterr',
                               '--from', '2022-01-01')
        self.assertEqual(done.returncode, USAGE)
        for role in ('operator', 'reporter', 'collector', 'reviewer', 'carrier', 'node', 'reader'):
            self.assertRegex(done.stderr, rf'\b{role}\b')

    def test_an_endpoint_that_cannot_be_reached_by_anyone_is_a_usage_error(self):
        for endpoint in ('foo', 'tcp://127.0.0.1', 'tcp://127.0.0.1:99999', 'tcp://127.0.0.1:0',
                         'tcp://127.0.0.1:*', 'tcp://127.0.0.1:', 'tcp://:7502', 'tcp://a:7x'):
            for words in (('context', 'add', 'x', '--endpoint', endpoint, '--node-key', 'a' * 64,
                           '--key', 'operator'),
                          ('key', 'invite', '--unit', 12, '--role', 'reporter', '--endpoint',
                           endpoint)):
                done = self.office.run(*words)
                self.assertEqual((done.returncode, done.stdout), (USAGE, ''), (words, done.stderr))
                self.assertIn(f'--endpoint {endpoint} is not an endpoint', done.stderr)

    def test_keys_are_enrolled_from_a_file(self):
        path = os.path.join(self.folder, 'more.keys')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(client.keys_text([(key_of('from file').hex, 13, 'reporter', '2022-01-01',
                                          '', 'Phường 3')]))
        self.office('key', 'enrol', '--file', path)
        self.assertIn(key_of('from file').hex, self.office('key', 'ls', '--node'))

    def test_a_file_with_a_key_that_would_never_be_good_is_not_sent(self):
        path = os.path.join(self.folder, 'never.keys')
        for last, row in enumerate((('2022-05-01', '2022-05-01'), ('2022-05-02', '2022-05-01'))):
            good, never = key_of(f'good {last}').hex, key_of(f'never {last}').hex
            with open(path, 'w', encoding='utf-8') as file:
                file.write(client.keys_text([(good, 13, 'reporter', '2022-05-01', '2022-05-02', ''),
                                             (never, 13, 'reporter', *row, '')]))
            done = self.office.run('key', 'enrol', '--file', path)
            self.assertEqual((done.returncode, done.stdout), (INVALID, ''), done.stderr)
            self.assertIn(f'{path}:4: key to: a key from {row[0]} to {row[1]} would never be good: '
                          'write the day after its last', done.stderr)
            self.assertNotIn(good, self.office('key', 'ls', '--node'))

    def units_file(self, name, *rows, text='# unit\nunit,code,name,group,parent,from,to\n'):
        path = os.path.join(self.folder, f'{name}.units')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text + ''.join(f'{row},2010-01-01,2011-01-01\n' for row in rows))
        return path

    def assert_tried_as_published(self, code, noun, *paths):
        tables = self.office('plan', 'ls')
        tried = self.office.run(noun, 'publish', '--dry-run', *paths)
        self.assertEqual((tried.returncode, tried.stdout), (code, ''), tried.stderr)
        self.assertEqual(self.office('plan', 'ls'), tables)
        done = self.office.run(noun, 'publish', *paths)
        self.assertEqual(done.returncode, code, done.stderr)
        return tried.stderr

    def assert_units_tried_as_published(self, code, *paths):
        return self.assert_tried_as_published(code, 'unit', *paths)

    def test_a_dry_run_takes_a_file_of_units_that_stands_on_one_before_it(self):
        above = self.units_file('above', '30,q30,Quận C,district,1')
        below = self.units_file('below', '31,p31,Phường 1,ward,30')
        words = self.assert_units_tried_as_published(DONE, above, below)
        self.assertIn('after the files before it', words)
        self.assertIn('units above: the node would publish it', words)

    def test_files_of_units_that_only_the_node_can_judge_stay_in_their_order(self):
        above = self.units_file('upper', '70,q70,Quận G,district,1')
        below = self.units_file('lower', '71,p71,Phường 1,ward,70')
        whole = self.units_file('whole')
        self.assert_units_tried_as_published(DONE, above, below, whole)

    def test_a_dry_run_says_nothing_for_a_node_that_is_silent(self):
        again = self.units_file('again', '11,q11,Quận H,district,1')
        other = self.units_file('other', '80,q80,Quận I,district,1')
        self.office.run('unit', 'publish', '--dry-run', other, other)  # what is published is kept
        self.city.process.popen.send_signal(signal.SIGSTOP)
        try:
            done = self.office.run('--timeout', 1, 'unit', 'publish', '--dry-run', again, other)
        finally:
            self.city.process.popen.send_signal(signal.SIGCONT)
        self.assertEqual((done.returncode, done.stdout), (FAILED, ''), done.stderr)
        self.assertNotIn('does not publish', done.stderr)

    def test_a_dry_run_puts_a_file_of_units_in_the_place_of_the_one_with_its_name(self):
        above = self.units_file('units', '40,q40,Quận D,district,1', text=harness.UNITS_TEXT)
        below = self.units_file('wards', '41,p41,Phường 1,ward,40')
        self.assert_units_tried_as_published(DONE, below, above)

    def test_a_dry_run_refuses_files_of_units_that_are_in_order_only_one_by_one(self):
        paths = [self.units_file(f'same-{unit}', f'{unit},q,Quận {unit},district,1')
                 for unit in (51, 52)]
        for path in paths:
            self.office('unit', 'publish', '--dry-run', path)
        words = self.assert_units_tried_as_published(REFUSED, *paths)
        self.assertIn('same-52.units with what is before it:3: unit code: unit 51 has', words)

    def test_a_dry_run_refuses_a_file_of_units_that_comes_before_what_it_stands_on(self):
        above = self.units_file('later', '60,q60,Quận E,district,1')
        below = self.units_file('sooner', '61,p61,Phường 1,ward,60')
        self.assert_units_tried_as_published(REFUSED, below, above)

    def test_a_dry_run_counts_the_files_of_units_that_there_would_be(self):
        paths = [self.units_file(f'count-{unit}', f'{unit},q{unit},Quận {unit},district,1')
                 for unit in range(100, 164)]
        done = self.office.run('unit', 'publish', '--dry-run', *paths)
        self.assertEqual(done.returncode, REFUSED, done.stderr)
        self.assertIn('more than 64 files', done.stderr)

    def plan_file(self, code, parent='', name='', change=('', '')):
        """The path of the plan of the tests under another code, below another, with a change."""
        path = os.path.join(self.folder, f'{name or code}.plan')
        rows = harness.PLAN_TEXT.replace(*change).splitlines()
        at = next(number for number, row in enumerate(rows) if row.startswith('code,'))
        rows[at] += ',parent'
        rows[at + 1] = rows[at + 1].replace(PLAN, code) + f',{parent}'
        with open(path, 'w', encoding='utf-8') as file:
            file.write('\n'.join(rows) + '\n')
        return path

    def assert_plans_tried_as_published(self, code, *paths):
        return self.assert_tried_as_published(code, 'plan', *paths)

    def test_a_dry_run_takes_a_plan_that_stands_below_one_before_it(self):
        paths = [self.plan_file('top'), self.plan_file('middle', 'top'),
                 self.plan_file('low', 'middle')]
        words = self.assert_plans_tried_as_published(DONE, *paths)
        self.assertIn('plan top: the node would publish it;', words)
        for path in paths[1:]:
            self.assertIn(f'{path}: the node would publish it after the files before it', words)
            self.assertNotIn(f'{path}: the node has plan', words)

    def test_a_dry_run_refuses_a_plan_that_comes_before_the_one_above(self):
        paths = [self.plan_file('early', 'late'), self.plan_file('late')]
        words = self.assert_plans_tried_as_published(REFUSED, *paths)
        self.assertIn('early.plan with what is before it: plan parent: there is no plan late',
                      words)

    def test_a_dry_run_refuses_plans_that_are_in_order_only_one_by_one(self):
        for code in ('left', 'right'):
            self.office('plan', 'publish', self.plan_file(code))
        paths = [self.plan_file('left', 'right'), self.plan_file('right', 'left')]
        for path in paths:
            self.office('plan', 'publish', '--dry-run', path)
        words = self.assert_plans_tried_as_published(REFUSED, *paths)
        self.assertIn('the plans above right lead back to it', words)

    def test_a_dry_run_takes_plans_that_change_places(self):
        self.office('plan', 'publish', self.plan_file('high'), self.plan_file('deep', 'high'))
        self.assert_plans_tried_as_published(DONE, self.plan_file('deep', name='risen'),
                                             self.plan_file('high', 'deep', name='sunk'))

    def test_a_dry_run_holds_a_version_against_the_one_before_it(self):
        paths = [self.plan_file('twice', name='first'),
                 self.plan_file('twice', name='second', change=('month', 'quarter'))]
        words = self.assert_plans_tried_as_published(REFUSED, *paths)
        self.assertIn('second.plan with what is before it: form thang: the cadence changes', words)

    def test_a_dry_run_says_what_of_a_published_plan_only_the_node_can_judge(self):
        self.office('plan', 'publish', self.plan_file('moved'))
        paths = [self.plan_file('over'), self.plan_file('moved', 'over', name='again')]
        words = self.assert_plans_tried_as_published(DONE, *paths)
        self.assertIn(f'{paths[1]}: the node has plan moved already', words)

    def test_a_dry_run_looks_for_the_units_of_a_plan_that_the_node_is_not_asked_about(self):
        paths = [self.plan_file('sound'),
                 self.plan_file('astray', 'sound', change=('group ward', 'group nowhere'))]
        words = self.assert_plans_tried_as_published(REFUSED, *paths)
        self.assertRegex(words, r'astray\.plan:\d+: duty reporter: no unit of the group "nowhere"')

    def test_a_dry_run_counts_the_plans_that_there_would_be(self):
        paths = [self.plan_file(f'many-{number}') for number in range(256)]
        done = self.office.run('plan', 'publish', '--dry-run', *paths)
        self.assertEqual(done.returncode, REFUSED, done.stderr)
        self.assertIn('more than 256 plans', done.stderr)

    def test_a_good_plan_passes_the_check(self):
        path = os.path.join(harness.HERE, 'data', f'{PLAN}.plan')
        self.office('plan', 'check', path)

    def test_a_bad_plan_is_named_with_file_line_and_column(self):
        path = os.path.join(self.folder, 'bad.plan')
        text = harness.PLAN_TEXT.replace('integer,,lớp', 'integr,,lớp')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        line = [number for number, row in enumerate(text.splitlines(), 1) if 'integr,' in row][0]
        done = self.office.run('plan', 'check', path)
        self.assertEqual(done.returncode, INVALID)
        self.assertIn(f'bad.plan:{line}', done.stdout + done.stderr)

    def test_plans_that_stand_above_each_other_are_told(self):
        paths = [self.plan_file('one', 'two'), self.plan_file('two', 'one')]
        self.assertEqual(self.office.run('plan', 'check', paths[0]).returncode, 0)
        done = self.office.run('plan', 'check', *paths)
        self.assertEqual(done.returncode, INVALID)
        self.assertIn('one.plan: plan parent', done.stderr)

    def test_a_bad_plan_is_not_published(self):
        path = os.path.join(self.folder, 'worse.plan')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(harness.PLAN_TEXT.replace('month,T:L1', 'moon,T:L1'))
        self.assertEqual(self.office.run('plan', 'publish', path).returncode, INVALID)

    def test_the_same_plan_published_again_changes_nothing(self):
        path = os.path.join(self.folder, 'again.plan')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(harness.PLAN_TEXT.replace(harness.PLAN, 'again'))
        first = self.office('plan', 'publish', path)
        done = self.office.run('plan', 'publish', path)
        self.assertEqual((done.returncode, done.stdout), (DONE, first), done.stderr)
        self.assertIn('in force already', done.stderr)

    def test_a_ward_may_not_publish_a_plan(self):
        path = os.path.join(self.folder, 'later.plan')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(harness.PLAN_TEXT + '## later\n')
        self.assertEqual(self.ward.run('plan', 'publish', path).returncode, REFUSED)

    def test_a_key_without_the_right_is_told_what_to_do(self):
        done = self.ward.run('node', 'verify')
        self.assertEqual(done.returncode, REFUSED)
        self.assertIn('context ls', done.stderr)

    def test_a_clock_that_is_not_set_back_is_said_not_to_be(self):
        done = self.office.run('node', 'clock', '2022-01-01T00:00:00+07:00')
        self.assertEqual(done.returncode, REFUSED)
        self.assertIn('not set back', done.stderr)
        self.assertTrue(done.stdout.startswith('2022-06-01'))

    def test_the_plans_of_the_node_are_listed_and_shown(self):
        self.assertIn(PLAN, self.office('plan', 'ls'))
        self.assertIn('Số học viên', self.office('plan', 'show', PLAN))

    def test_a_plan_that_no_one_has_is_absent(self):
        self.assertEqual(self.office.run('plan', 'show', 'kt-1999').returncode, ABSENT)

    def test_the_status_of_the_node_says_that_it_is_synthetic(self):
        status = json.loads(self.office('--json', 'node', 'status'))
        self.assertIs(status['synthetic'], True)

    def test_the_recount_ends_with_the_differences(self):
        self.assertEqual(self.office('node', 'verify').splitlines()[-1], 'differences: 0')


class Reports(ToolCase):
    def test_a_filled_form_is_sent_and_counts(self):
        self.ward('report', 'send', self.form(self.ward, 'a', '2022-01', 'lop=7'))
        self.assertEqual(self.sum_of('2022-01'), 7)

    def test_a_form_with_errors_is_kept_and_not_sent(self):
        path = self.form(self.ward, 'b', '2022-02')
        with open(path, encoding='utf-8') as file:
            text = file.read()
        rows = [line if not line.startswith('lop,') else 'lop,1.5.x' for line in
                text.splitlines()]
        with open(path, 'w', encoding='utf-8') as file:
            file.write('\n'.join(rows) + '\n')
        self.assertEqual([self.ward.run('report', verb, path).returncode
                          for verb in ('check', 'send')], [INVALID, INVALID])

    def test_a_value_out_of_range_is_found_before_it_is_sent(self):
        path = self.form(self.ward, 'c', '2022-02')
        done = self.ward.run('report', 'fill', path, 'lop=1001')
        if done.returncode == DONE:
            done = self.ward.run('report', 'check', path)
        self.assertEqual(done.returncode, INVALID)

    def test_a_form_of_a_unit_that_is_none_is_found_before_it_is_sent(self):
        path = self.form(self.ward, 'u', '2022-02', 'lop=1')
        self.ward('report', 'check', path)
        with open(path, encoding='utf-8') as file:
            lines = ['unit,99999' if line.startswith('unit,') else line for line in file.read().splitlines()]
        with open(path, 'w', encoding='utf-8') as file:
            file.write('\n'.join(lines) + '\n')
        done = self.ward.run('report', 'check', path)
        self.assertEqual((done.returncode, f'{path}: no unit has the number 99999' in done.stderr),
                         (INVALID, True), done.stderr)

    def test_a_number_with_a_dot_that_can_be_read_in_two_ways_is_refused(self):
        path = self.form(self.ward, 'd', '2022-02')
        done = self.ward.run('report', 'fill', path, 'hoc-vien=1.902')
        if done.returncode == DONE:
            done = self.ward.run('report', 'check', path)
        self.assertEqual(done.returncode, INVALID)
        self.assertIn('1902', done.stderr.replace(' ', ''))

    def test_a_report_that_the_node_refuses_is_told_and_not_counted(self):
        stranger = self.home('stranger', 'ward 12')
        stranger('context', 'add', 'city', *self.at_city('ward-12'), '--unit', 13)
        path = self.form(stranger, 'e', '2022-03', 'lop=1')
        done = stranger.run('report', 'send', path)
        self.assertEqual(done.returncode, REFUSED)
        self.assertIn('not-your-unit', done.stderr)

    def test_a_form_for_a_plan_that_no_one_has_is_absent(self):
        self.assertEqual(self.ward.run('report', 'new', 'kt-1999', 'x', '2022-01').returncode,
                         ABSENT)

    def test_a_form_of_a_unit_that_no_one_has_is_absent(self):
        done = self.ward.run('report', 'new', PLAN, 'thang', '2022-05', '--unit', 999)
        self.assertEqual((done.returncode, done.stdout), (ABSENT, ''))

    def test_the_next_step_after_sending_names_the_context_that_was_given(self):
        path = self.form(self.ward, 'next', '2022-12', 'lop=1')
        done = self.ward.run('--context', 'city', 'report', 'send', path)
        self.assertIn('baocao --context city receipt verify COUNTER', done.stderr)

    def test_a_correction_replaces_the_figure(self):
        self.ward('report', 'send', self.form(self.ward, 'f', '2022-04', 'lop=3'))
        path = self.form(self.ward, 'f2', '2022-04', 'lop=5')
        self.ward('report', 'send', path, '--note', 'đếm lại')
        self.assertEqual(self.sum_of('2022-04'), 5)

    def test_the_same_form_again_changes_nothing(self):
        path = self.form(self.ward, 'g', '2022-05', 'lop=4')
        self.ward('report', 'send', path)
        with self.city.session() as session:
            before = session.status()['seq']
            self.ward('report', 'send', path)
            self.assertEqual(session.status()['seq'], before)

    def test_status_lists_what_was_sent(self):
        self.ward('report', 'send', self.form(self.ward, 'h', '2022-06', 'lop=4'))
        self.assertIn('2022-06', self.ward('report', 'status'))

    def test_the_figures_are_shown(self):
        self.ward('report', 'send', self.form(self.ward, 'i', '2022-07', 'lop=61'))
        text = self.office('rollup', 'show', PLAN, '--period', '2022-07', '--unit', 10)
        self.assertIn('61', text)
        self.assertIn('1/3', text)


class Outbox(ToolCase):
    """Each test has a home of its own, so that one queue does not fill another's."""

    def setUp(self):
        self.ward = self.home(self._testMethodName[:60], 'ward 11', 'ward 12')
        self.ward('context', 'add', 'city', *self.at_city('ward-11'), '--unit', 11)
        # A counter far from those of the other homes with the same key.
        number = 1000 * (1 + sorted(name for name in dir(self) if name.startswith('test_'))
                         .index(self._testMethodName))
        for key in ('ward-11', 'ward-12'):
            path = os.path.join(self.ward.home, 'keys', f'{key}.counter')
            with open(path, 'w', encoding='ascii') as file:
                file.write(f'{number}\n')

    def tearDown(self):
        if not self.city.alive():
            self.city.start()

    def test_a_report_to_a_silent_node_is_queued_and_a_later_send_delivers_it(self):
        path = self.form(self.ward, 'a', '2022-01', 'lop=11')
        self.city.stop()
        done = self.ward.run('--timeout', 1, 'report', 'send', path)
        self.assertEqual(done.returncode, QUEUED)
        self.city.start()
        self.ward('report', 'send')
        self.assertEqual(self.sum_of('2022-01'), 11)

    def test_a_queued_report_is_delivered_by_status(self):
        path = self.form(self.ward, 'b', '2022-02', 'lop=12')
        self.city.stop()
        self.assertEqual(self.ward.run('--timeout', 1, 'report', 'send', path).returncode, QUEUED)
        self.city.start()
        self.ward('report', 'status')
        self.assertEqual(self.sum_of('2022-02'), 12)

    def test_what_is_queued_is_listed_without_the_node(self):
        path = self.form(self.ward, 'c', '2022-03', 'lop=13')
        self.city.stop()
        self.ward.run('--timeout', 1, 'report', 'send', path)
        self.assertIn('2022-03', self.ward('report', 'status', '--offline'))

    def test_a_receipt_is_verified_without_the_node(self):
        self.ward('report', 'send', self.form(self.ward, 'd', '2022-04', 'lop=14'))
        receipt, = glob.glob(os.path.join(self.ward.home, 'sent', 'city', '*.receipt'))
        self.city.stop()
        self.ward('receipt', 'verify', receipt, '--node-key', self.city.key.hex)

    def test_a_receipt_is_refused_for_another_nodes_key(self):
        self.ward('report', 'send', self.form(self.ward, 'e', '2022-05', 'lop=15'))
        receipt, = glob.glob(os.path.join(self.ward.home, 'sent', 'city', '*.receipt'))
        done = self.ward.run('receipt', 'verify', receipt, '--node-key', key_of('x').hex)
        self.assertNotEqual(done.returncode, DONE)

    def test_the_receipt_that_is_kept_is_verified_by_the_independent_client(self):
        self.ward('report', 'send', self.form(self.ward, 'f', '2022-06', 'lop=16'))
        path, = glob.glob(os.path.join(self.ward.home, 'sent', 'city', '*.receipt'))
        with open(path, 'rb') as file:
            receipt = client.Receipt(file.read()).verify(self.city.key.public)
        self.assertEqual(receipt.sender, key_of('ward 11').public)

    def test_a_receipt_that_does_not_exist_is_absent(self):
        self.assertEqual(self.ward.run('receipt', 'verify', 424242).returncode, ABSENT)

    def test_a_number_is_a_counter_also_where_a_file_has_its_name(self):
        with open(os.path.join(self.ward.home, '424243'), 'wb') as file:  # its working folder
            file.write(b'x')
        self.assertEqual(self.ward.run('receipt', 'verify', 424243).returncode, ABSENT)
        self.assertEqual(self.ward.run('receipt', 'verify', './424243').returncode, FAILED)

    def test_a_client_killed_while_sending_delivers_with_the_next_send(self):
        path = self.form(self.ward, 'g', '2022-07', 'lop=17')
        self.city.process.popen.send_signal(signal.SIGSTOP)
        try:
            process = subprocess.Popen(
                [harness.BAOCAO, 'report', 'send', path], env=self.ward.environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            queue = os.path.join(self.ward.home, 'outbox', 'city')
            harness.wait_until(lambda: glob.glob(os.path.join(queue, '*.submission')))
            process.kill()
            process.wait()
        finally:
            self.city.process.popen.send_signal(signal.SIGCONT)
        self.ward('report', 'send')
        self.assertEqual(self.sum_of('2022-07'), 17)

    def test_the_queue_survives_a_restart_of_the_node_in_the_middle(self):
        path = self.form(self.ward, 'h', '2022-08', 'lop=18')
        self.ward('report', 'send', path)
        self.city.kill()
        self.city.start()
        path = self.form(self.ward, 'h2', '2022-08', 'lop=19')
        self.ward('report', 'send', path, '--note', 'sửa')
        self.assertEqual(self.sum_of('2022-08'), 19)


class Import(ToolCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tool = cls.home('collector', 'collector 10')
        cls.tool('context', 'add', 'city', *cls.at_city('collector-10'), '--node-unit', CITY)

    def write(self, name, rows):
        path = os.path.join(self.folder, name)
        with open(path, 'w', encoding='utf-8', newline='') as file:
            writer = csv.writer(file, lineterminator='\n')
            writer.writerow(['unit_id', 'unit_name', 'parent_path', 'period', 'indicator',
                             'value'])
            writer.writerows(rows)
        return path

    def load(self, path, *options, status=DONE):
        return self.tool('report', 'import', path, '--plan', PLAN, '--form', 'thang', *options,
                         status=status)

    def test_a_file_becomes_one_report_per_unit_and_period(self):
        self.load(self.write('a.csv', [
            ('11', 'Phường 1', 'x', '2022-01', 'lop', 1),
            ('11', 'Phường 1', 'x', '2022-01', 'hoc-vien', 30),
            ('11', 'Phường 1', 'x', '2022-02', 'lop', 2),
            ('12', 'Phường 2', 'x', '2022-01', 'lop', 3)]))
        rows = harness.figures(self.city)
        self.assertEqual([harness.row_of(rows, 'thang', *where).values[:2] for where in
                          (('2022-01', 11), ('2022-02', 11), ('2022-01', 12))],
                         [[1, 30], [2, None], [3, None]])

    def test_the_same_file_again_sends_nothing(self):
        path = self.write('b.csv', [('11', 'Phường 1', 'x', '2022-03', 'lop', 1)])
        self.load(path)
        with self.city.session() as session:
            before = session.status()['seq']
            self.load(path)
            self.assertEqual(session.status()['seq'], before)

    def test_a_file_with_an_unknown_unit_is_invalid_and_names_its_line(self):
        path = self.write('c.csv', [('11', 'Phường 1', 'x', '2022-04', 'lop', 1),
                                    ('999', 'Phường 9', 'x', '2022-04', 'lop', 1)])
        done = self.tool.run('report', 'import', path, '--plan', PLAN, '--form', 'thang')
        self.assertEqual(done.returncode, INVALID)
        self.assertIn('c.csv:3', done.stderr)

    def test_a_file_that_no_comma_separates_is_told_so_once(self):
        path = self.write('s.csv', [('11', 'Phường 1', 'x', '2022-05', 'lop', 1)] * 3)
        with open(path, encoding='utf-8') as file:
            text = file.read()
        for name, before, mark, said in (('semi', '', ';', "';'"), ('sep', 'sep=;\n', ';', "';'"),
                                         ('tab', '', '\t', 'tabs')):
            path = os.path.join(self.folder, f'{name}.csv')
            with open(path, 'w', encoding='utf-8') as file:
                file.write(before + text.replace(',', mark))
            done = self.tool.run('report', 'import', path, '--plan', PLAN, '--form', 'thang')
            self.assertEqual(done.returncode, INVALID)
            self.assertIn(f'{name}.csv:1 ', done.stderr)
            self.assertIn(f'separated by {said}, not by \',\'', done.stderr)
            self.assertIn('comma delimited', done.stderr)
            self.assertIn('1 errors', done.stderr)

    def test_a_file_with_an_unknown_indicator_is_invalid(self):
        path = self.write('d.csv', [('11', 'Phường 1', 'x', '2022-05', 'xyz', 1)])
        self.load(path, status=INVALID)

    def test_changed_figures_are_sent_as_a_correction_with_a_note(self):
        self.load(self.write('e.csv', [('12', 'Phường 2', 'x', '2022-06', 'lop', 1)]))
        self.load(self.write('e2.csv', [('12', 'Phường 2', 'x', '2022-06', 'lop', 9)]),
                  '--note', 'số mới')
        self.assertEqual(self.sum_of('2022-06', 12), 9)


if __name__ == '__main__':
    harness.main()
