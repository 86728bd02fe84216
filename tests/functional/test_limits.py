#!/usr/bin/python3
"""docs/limits.md is proto/limits.h, names a test for each bound, and the bounds hold where no other test is nearer."""

import csv
import glob
import http.client
import json
import os
import re
import subprocess
import time
import unittest

import msgpack

import harness
import nodes
import test_cli
import test_web
from harness import CITY, PLAN, SOURCE, client, key_of, month_report

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = ('proto', 'config', 'daemon', 'clients')
# What is called a maximum and is none of what a peer, a file or an operator makes long: facts of the
# calendar and of formats, and how much of a text is repeated in an error or tried by a command.
FACTS = {
    'BASE64_TEXT_MAX', 'BYTES_MAX', 'CELLS_MAX', 'CODE_QUOTED_MAX', 'DECIMAL_SCALE_MAX',
    'KEYS_MAX', 'NAMES_MAX', 'NAME_BYTES_MAX', 'NAME_BYTES_SHOWN_MAX', 'NOTE_LINE_MAX',
    'OPTIONS_MAX', 'DEPTH_MAX', 'KEY_BYTES_MAX', 'TREES_MAX', 'PAGE_BYTES_MAX',
    'PERIOD_POSITIONS_MAX', 'PERIOD_YEAR_MAX', 'REFUSALS_SAID_MAX', 'RULE_DAY_MAX', 'TURN_MS_MAX',
    'VARINT_BYTES_MAX', 'VERSION_MAX', 'WORDS_MAX', 'YEAR_MAX',
}


def read(*path):
    with open(os.path.join(SOURCE, *path), encoding='utf-8') as file:
        return file.read()


def limits():
    """Every bound of the header, as numbers."""
    values = {}
    for name, value in re.findall(r'^\t(LIMIT_\w+)\s*= ([^,]+),', read('proto', 'limits.h'), re.M):
        values[name] = eval(value.replace('/', '//'), {}, dict(values))  # pylint: disable=eval-used
    return values


LIMITS = limits()


def rows_of_document():
    """name: (value, tests) of each row of the tables."""
    found = re.findall(r'^\| `(LIMIT_\w+)` \| ([\d,]+) \| [^|]+ \| [^|]+ \| ([^|]+) \|$',
                       read('docs', 'limits.md'), re.M)
    return {name: (int(value.replace(',', '')), tests.strip()) for name, value, tests in found}


class Document(unittest.TestCase):
    def test_the_tables_are_the_header(self):
        self.assertEqual({name: value for name, (value, _) in rows_of_document().items()}, LIMITS)

    def test_every_test_that_is_named_exists(self):
        for name, (_, tests) in rows_of_document().items():
            for test in tests.split(', '):
                with self.subTest(limit=name, test=test):
                    folder, file, function = re.fullmatch(r'(unit|functional)/(\w+) `(\w+)`',
                                                          test).groups()
                    text = read('tests', folder, file + ('.c' if folder == 'unit' else '.py'))
                    self.assertRegex(text, rf'\b{function}\(')

    @staticmethod
    def programs():
        return ''.join(read(path) for folder in PROGRAMS for path in glob.glob(
            os.path.join(SOURCE, folder, '**', '*.[ch]'), recursive=True)
            if not path.endswith('proto/limits.h'))

    def test_no_bound_stands_elsewhere(self):
        found = set(re.findall(r'^\t(\w+_MAX)\s*= \(?\d', self.programs(), re.M))
        self.assertEqual(found - FACTS, set())

    def test_every_bound_is_used(self):
        text = self.programs()
        self.assertEqual([name for name in LIMITS if not re.search(rf'\b{name}\b', text)], [])


class Texts(harness.NodeCase):
    """Bounds of plans, units and settings, as the programs say them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        harness.need_binaries(harness.BAOCAO)
        cls.tool = harness.Tool(cls.folder)

    def check_plan(self, text):
        """What `plan check` says of the small plan with more of it."""
        path = os.path.join(self.folder, 'bounds.plan')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(harness.PLAN_TEXT + text)
        done = self.tool.run('plan', 'check', path)
        self.assertNotEqual(done.returncode, 0)
        return done.stdout + done.stderr

    def check_rows(self, limit, words, head, row):
        """One row too many is an error, and there is none of that kind without it."""
        count = LIMITS[limit]
        text = head + ''.join(row.format(i=i) + '\n' for i in range(count))
        self.assertIn(words, self.check_plan(text + row.format(i=count) + '\n'))
        path = os.path.join(self.folder, 'bounds.plan')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(harness.PLAN_TEXT + text)
        done = self.tool.run('plan', 'check', path)
        self.assertNotIn(words, done.stdout + done.stderr)

    def test_constraints_of_a_plan(self):
        self.check_rows('LIMIT_CONSTRAINTS_PER_PLAN', 'more than 256 constraints',
                        '# constraint\nform,left,operator,right,label,source\n',
                        'thang,lop,<=,hoc-vien + {i},C{i},T:L4')

    INDICATOR = '# indicator\ncode,title,version,form,kind,numerator,denominator,condition,' \
                'baseline,since,groups,unit,source,ambiguity\n'

    def test_indicators_of_a_plan(self):
        self.check_rows('LIMIT_INDICATORS_PER_PLAN', 'more than 128 indicators', self.INDICATOR,
                        'i{i},T,1,thang,sum,lop,,,,,ward,lớp,T:L4,')

    TARGET = '# target\ncode,indicator,operator,value,per,level,by,source,quote,ambiguity\n'

    def test_targets_of_a_plan(self):
        self.check_rows('LIMIT_TARGETS_PER_PLAN', 'more than 128 targets',
                        self.INDICATOR + 'x,T,1,thang,sum,lop,,,,,ward,lớp,T:L4,\n' + self.TARGET,
                        't{i},x,equal,1,horizon,city,,T:L4,q,')

    def test_scores_of_a_plan(self):
        self.check_rows('LIMIT_SCORES_PER_PLAN', 'more than 64 terms',
                        self.INDICATOR + 'x,T,1,thang,sum,lop,,,,,ward,lớp,T:L4,\n' +
                        self.TARGET + 't,x,equal,1,horizon,city,,T:L4,q,\n' +
                        '# score\nterm,title,kind,ref,points,source,quote,ambiguity\n',
                        's{i},T,target,t,1,T:L4,q,')

    def test_notes_of_a_plan(self):
        self.check_rows('LIMIT_NOTES_PER_PLAN', 'more than 64 notes',
                        '# note\ncode,kind,subject,reporter,addressee,channel,source,quote,'
                        'ambiguity\n', 'n{i},no-cadence,S,,1,,T:L4,q,')

    def test_terms_of_a_constraint(self):
        side = ' + '.join(['lop'] * (LIMITS['LIMIT_CONSTRAINT_TERMS'] + 1))
        head = '# constraint\nform,left,operator,right,label,source\n'
        self.assertIn('not 1 to 16 fields', self.check_plan(
            f'{head}thang,{side},<=,hoc-vien,C,T:L4\n'))

    def test_terms_of_a_condition(self):
        condition = ' and '.join(['csdl = 1'] * (LIMITS['LIMIT_CONDITION_TERMS'] + 1))
        self.assertIn('not 1 to 16 comparisons', self.check_plan(
            f'{self.INDICATOR}x,T,1,thang,share-of-units,,,{condition},,,ward,%,T:L4,\n'))

    def test_words_of_a_cell(self):
        words = ' '.join(['ward'] * (LIMITS['LIMIT_CELL_WORDS'] + 1))
        self.assertIn('more than 128 words', self.check_plan(
            f'{self.INDICATOR}x,T,1,thang,sum,lop,,,,,{words},lớp,T:L4,\n'))

    def test_cells_of_a_row(self):
        cells = ',' * LIMITS['LIMIT_ROW_CELLS']
        self.assertIn('more than 256 cells', self.check_plan(f'# note\n{cells}\n'))

    def test_files_of_units(self):
        done = self.tool.run('unit', 'publish', *['x'] * (LIMITS['LIMIT_UNIT_FILES'] + 1))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('more than 64 files', done.stdout + done.stderr)

    def test_contexts_of_a_home(self):
        home = os.path.join(self.folder, 'many')
        os.makedirs(home)
        rows = [f'c{i},tcp://127.0.0.1:1,{"1" * 64},k,,,\n'
                for i in range(LIMITS['LIMIT_CONTEXTS'] + 1)]
        for count, status in ((-1, 0), (None, 1)):
            with open(os.path.join(home, 'contexts'), 'w', encoding='utf-8') as file:
                file.write('# context\nname,endpoint,node_key,key,unit,node_unit,selected\n' +
                           ''.join(rows[:count]))
            done = subprocess.run([harness.BAOCAO, 'context', 'ls'], capture_output=True,
                                  text=True, check=False,
                                  env={**os.environ, 'BAOCAO_HOME': home, 'LC_ALL': 'C.UTF-8'})
            self.assertEqual(done.returncode != 0, status != 0, done.stderr)
        self.assertIn('more than 4096 contexts', done.stderr)

    def test_a_settings_file(self):
        path = os.path.join(self.folder, 'large.conf')
        with open(path, 'w', encoding='utf-8') as file:
            file.write('# x\n' * (LIMITS['LIMIT_SETTINGS_BYTES'] // 4 + 1))
        done = subprocess.run([harness.BAOCAOD, '--config', path, '--check-config'],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, harness.EXIT_CONFIG)
        self.assertIn('File too large', done.stderr)


class Node(harness.NodeCase):
    """Bounds of what a node takes and tells."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.city = cls.node('city', CITY, clock='2022-06-01T08:00:00+07:00')
        harness.furnish(cls.city)

    def assert_submission_refused(self, code, report):
        _, outcome = harness.submit(self.city, 11, report)
        self.assertEqual(outcome.codes, [code])
        self.assertIsNone(outcome.receipt)

    def test_a_code(self):
        self.assert_submission_refused('malformed', month_report(
            11, 'x' * (LIMITS['LIMIT_CODE_BYTES'] + 1), 1))
        _, outcome = harness.submit(self.city, 11, month_report(
            11, 'x' * LIMITS['LIMIT_CODE_BYTES'], 1))
        self.assertEqual(outcome.codes, ['unknown-period'])

    def test_a_text(self):
        self.assert_submission_refused('malformed', month_report(
            11, '2022-01', 1, note='x' * (LIMITS['LIMIT_TEXT_BYTES'] + 1)))
        _, outcome = harness.submit(self.city, 11, month_report(
            11, '2022-01', 1, note='x' * LIMITS['LIMIT_TEXT_BYTES']))
        self.assertIsNotNone(outcome.receipt)

    def test_the_text_of_a_publication(self):
        for more, code in ((1, 'malformed'), (0, None)):
            text = client.keys_text([]) + '#' * (LIMITS['LIMIT_PUBLICATION_BYTES'] + more)
            text = text[:LIMITS['LIMIT_PUBLICATION_BYTES'] + more - 1] + '\n'
            with self.city.session() as session:
                outcome = session.publish('keys', 'large', text, dry_run=True)
            self.assertEqual(code in outcome.codes, code is not None, outcome.codes)

    def test_cells_of_a_rollup(self):
        key = key_of('fake node')
        for more in (1, 0):
            cells = [[11, 1, 1, 1, 0, 1, 0, [bytes(32), bytes(32), 1654045200000, 10, 1], 1,
                      [1]]] * (LIMITS['LIMIT_CELLS_PER_ROLLUP'] + more)
            made = client.rollup(key, 1654045200000, 1, [['no-plan', 'thang', '2022-08', cells]])
            with self.city.session(key) as session:
                _, _, outcome = session.roll_up(made)
            self.assertEqual('malformed' in outcome.codes or 'too-large' in outcome.codes,
                             more == 1, outcome.codes)

    def test_watchers(self):
        watching = []
        try:
            for _ in range(LIMITS['LIMIT_WATCHERS'] + 1):
                watching.append(self.city.session(key_of('reader')))
                watching[-1].watch()
            harness.submit(self.city, 13, month_report(13, '2022-05', 1))
            with self.subTest('a key has the newest of its own'):
                kept = LIMITS['LIMIT_WATCHERS_OF_KEY']
                for session in watching[-kept:]:
                    session.next_event()
                with self.assertRaises(client.Timeout):
                    watching[-kept - 1].next_event(0.1)
            for name in ('collector 10', 'collector 20', 'fake node'):
                for _ in range(kept):
                    watching.append(self.city.session(key_of(name)))
                    watching[-1].watch()
            with self.city.session() as one_more:
                with self.assertRaises(client.Refused) as caught:
                    one_more.watch()
            self.assertEqual(caught.exception.code, 'busy')
        finally:
            for session in watching:
                session.close()

    def test_acts_of_a_report(self):
        key, reviewer = key_of('ward 12'), key_of('reviewer of bounds')
        harness.publish(self.city, 'keys', 'bounds', client.keys_text(
            [(reviewer.hex, CITY, 'reviewer', '2010-01-01', '', '')]))
        count = LIMITS['LIMIT_REPORT_ACTS'] + 4
        for revision in range(1, count // 2 + 2):
            harness.submit(self.city, 12, month_report(12, '2022-04', 1, revision=revision,
                                                       note='sửa'), key=key)
            with self.city.session(reviewer) as session:
                for kind in ('accept', 'reopen'):
                    made = client.review(reviewer, harness.next_counter(reviewer), [
                        client.act(kind, PLAN, 'thang', '2022-04', 12,
                                   revision if kind == 'accept' else 0,
                                   reason='' if kind == 'accept' else 'sửa')])
                    session.review(made)
        with self.city.session() as session:
            acts = session.report(PLAN, 'thang', '2022-04', 12)['acts']
        self.assertEqual(len(acts), LIMITS['LIMIT_REPORT_ACTS'])

    def test_refusals_that_are_logged(self):
        before = self.city.log().count('message-refused')
        begun = time.monotonic()
        with self.city.session() as session:
            for _ in range(20 * LIMITS['LIMIT_REFUSALS_LOGGED']):
                session.send_frame(b'x')
                session.receive()
        logged = self.city.log().count('message-refused') - before
        seconds = int(time.monotonic() - begun) + 2
        self.assertLessEqual(logged, seconds * LIMITS['LIMIT_REFUSALS_LOGGED'])
        self.assertGreaterEqual(logged, LIMITS['LIMIT_REFUSALS_LOGGED'])

    PLAN_HEAD = ('# plan\ncode,title,from,to\n{code},P,2022-01-01,2023-01-01\n'
                 '# form\ncode,title,cadence,source\nm,M,month,proposed\n'
                 '# duty\nform,reporter,source\nm,group ward,proposed\n'
                 '# field\nform,code,label,type,nature,over_time,over_units,source\n'
                 'm,n,N,integer,flow,sum,sum,proposed\n')

    def published(self, kind, names, text_of):
        """The codes of the last publication; the others must be taken."""
        codes = []
        with self.city.session() as session:
            for name in names:
                self.assertEqual(codes, [])
                codes = session.publish(kind, name, text_of(name)).codes
        return codes

    def test_plans(self):
        count = LIMITS['LIMIT_PLANS'] - 1 + 1  # one is there
        self.assertEqual(self.published('plan', [f'p{i}' for i in range(count)],
                                        lambda name: self.PLAN_HEAD.format(code=name)),
                         ['too-large'])

    def test_texts_of_units(self):
        count = LIMITS['LIMIT_UNIT_TEXTS'] - 1 + 1
        self.assertEqual(self.published(
            'units', [f'u{i}' for i in range(count)],
            lambda name: '# unit\nunit,code,name,group,parent,from,to\n'
                         f'{1000 + int(name[1:])},{name},N,camp,1,2010-01-01,\n'), ['too-large'])


class Command(test_cli.ToolCase):
    """Bounds of the command: long imports and long lists."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reviewer = key_of('reviewer of bounds')
        harness.publish(cls.city, 'keys', 'bounds', client.keys_text(
            [(cls.reviewer.hex, CITY, 'reviewer', '2010-01-01', '', '')]))
        cls.tool = cls.home('collector', 'collector 10')
        cls.tool('context', 'add', 'city', *cls.at_city('collector-10'), '--node-unit', CITY)

    def load(self, plan, form, rows):
        """Imports (unit, period, indicator, value); how many submissions that took."""
        path = os.path.join(self.folder, f'{plan}.csv')
        with open(path, 'w', encoding='utf-8', newline='') as file:
            writer = csv.writer(file, lineterminator='\n')
            writer.writerow(['unit_id', 'unit_name', 'parent_path', 'period', 'indicator',
                             'value'])
            writer.writerows([unit, '', '', *rest] for unit, *rest in rows)
        said = self.tool('report', 'import', path, '--plan', plan, '--form', form,
                         '--timeout', harness.FLOW_SECONDS)
        return int(re.search(r'submissions_received\W+(\d+)', said).group(1))

    def test_a_bundle_ends_behind_its_bytes(self):
        fields = [f'f{i:03}'.ljust(60, 'x')
                  for i in range(LIMITS['LIMIT_FIELDS_PER_FORM'])]
        harness.publish(self.city, 'plan', 'wide', (
            '# plan\ncode,title,from,to\nwide,Wide,2014-01-01,2023-01-01\n'
            '# form\ncode,title,cadence,source\nm,M,month,proposed\n'
            '# duty\nform,reporter,source\nm,group ward,proposed\n'
            '# field\nform,code,label,type,nature,over_time,over_units,source\n' +
            ''.join(f'm,{field},N,integer,flow,sum,sum,proposed\n' for field in fields)))
        wards = [(unit, f'{year}-{month:02}') for year in range(2014, 2022)
                 for month in range(1, 13) for unit in (11, 12, 13)]
        packed = len(msgpack.packb(client.report('wide', 'm', '2014-01', 11,
                                                 dict.fromkeys(fields, 1))))
        # The report that goes over the bound is the last one of its bundle.
        fit = LIMITS['LIMIT_BUNDLE_BYTES'] // packed + 1
        self.assertLess(fit, LIMITS['LIMIT_REPORTS_PER_SUBMISSION'])
        for reports, submissions in ((wards[:fit], 1), (wards[fit:2 * fit + 1], 2)):
            self.assertEqual(self.load('wide', 'm', [
                (*where, field, 1) for where in reports for field in fields]), submissions)

    def test_standings_of_a_list(self):
        first, count = 1000, LIMITS['LIMIT_STANDINGS'] + 1
        units = range(first, first + count)
        harness.publish(self.city, 'units', 'many', (
            '# unit\nunit,code,name,group,parent,from,to\n' +
            ''.join(f'{unit},{unit},N,ward,10,2010-01-01,\n' for unit in units)))
        self.load(PLAN, 'thang', [(unit, '2022-05', 'lop', 1) for unit in units])
        with self.city.session(self.reviewer) as session:
            for at in range(0, count, LIMITS['LIMIT_REPORTS_PER_SUBMISSION']):
                session.review(client.review(
                    self.reviewer, harness.next_counter(self.reviewer),
                    [client.act('accept', PLAN, 'thang', '2022-05', unit, 1)
                     for unit in units[at:at + LIMITS['LIMIT_REPORTS_PER_SUBMISSION']]]))
        done = self.tool.run('--json', 'report', 'status', PLAN, 'thang', '2022-05',
                             '--timeout', harness.FLOW_SECONDS)
        self.assertIn('only the first 1000', done.stderr)
        states = [report['state'] for report in json.loads(done.stdout)['reports']]
        self.assertEqual((states.count('accepted'), states.count('received')), (count - 1, 1))


class Page(test_web.WebCase):
    def test_streams_of_the_page(self):
        streams = []
        try:
            statuses = []
            for _ in range(LIMITS['LIMIT_WEB_STREAMS'] + 1):
                stream = http.client.HTTPConnection(self.web.address,
                                                    timeout=nodes.ANSWER_SECONDS)
                stream.request('GET', '/api/events')
                streams.append(stream)
                statuses.append(stream.getresponse().status)
            self.assertEqual(statuses[:-1], [200] * LIMITS['LIMIT_WEB_STREAMS'])
            self.assertEqual(statuses[-1], 503)
        finally:
            for stream in streams:
                stream.close()

    def test_headers_of_a_request(self):
        status, _, _ = self.web.request(
            '/', headers={'X-Long': 'x' * LIMITS['LIMIT_WEB_CONNECTION_BYTES']})
        self.assertIn(status, (400, 413, 431))

    def test_connections_to_the_page(self):
        held = []
        try:
            for _ in range(LIMITS['LIMIT_WEB_CONNECTIONS']):
                connection = http.client.HTTPConnection(
                    self.web.address, timeout=nodes.ANSWER_SECONDS)
                connection.connect()
                held.append(connection)
            with self.assertRaises((OSError, http.client.HTTPException)):
                self.web_once(2)
        finally:
            for connection in held:
                connection.close()
        harness.wait_until(lambda: self.answers())

    def web_once(self, timeout):
        connection = http.client.HTTPConnection(self.web.address, timeout=timeout)
        try:
            connection.request('GET', '/')
            return connection.getresponse().status
        finally:
            connection.close()

    def answers(self):
        try:
            return self.web_once(2) == 200
        except (OSError, http.client.HTTPException):
            return False


if __name__ == '__main__':
    harness.main()
