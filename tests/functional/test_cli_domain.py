#!/usr/bin/python3
"""The verbs of obligations, targets and explanations of baocao, against a real node."""

import concurrent.futures
import json
import os

import harness
from harness import CITY, DISTRICT_A, Tool, client, key_of

DONE, FAILED, USAGE, INVALID, REFUSED, ABSENT, QUEUED = 0, 1, 2, 3, 4, 5, 75

PLAN = 'mp-2022'
PLAN_TEXT = '''## Synthetic; no document asks for it.
# plan
code,title,issuer,from,to,document
mp-2022,Kế hoạch thử mục tiêu,1,2022-01-01,2023-01-01,T
# form
code,title,cadence,source
thang,Báo cáo tháng,month,T:L1
quy,Báo cáo quý,quarter,T:L2
# due
form,rule,source
thang,on +5,T:L3
quy,unstated,proposed
# duty
form,reporter,under,source
thang,group ward,1,T:L4
quy,group ward,1,T:L4
# field
form,code,label,type,scale,nature,over_time,over_units,source
thang,lop,Số lớp,integer,,flow,sum,sum,T:L5
thang,clb,Số lớp có câu lạc bộ,integer,,flow,sum,sum,T:L6
thang,diem,Điểm cao nhất,decimal,1,stock,max,max,T:L7
quy,lop,Số lớp,integer,,flow,sum,sum,T:L5
# constraint
form,left,operator,right,label,source
thang,clb,<=,lop,Số lớp có câu lạc bộ không vượt số lớp,T:L6
# indicator
code,title,version,form,kind,numerator,denominator,condition,baseline,groups,source
tl,Tỷ lệ lớp có câu lạc bộ,1,thang,ratio,clb,lop,,,,T:L8
moi,Phường có ít nhất 3 lớp,1,thang,each,,,lop >= 3,,ward,T:L9
goc,Số lớp so với gốc,1,thang,multiple,lop,,,unknown,,T:L10
# target
code,indicator,operator,value,per,level,source,quote,ambiguity
m1,tl,>=,50,year,district,T:L8,ít nhất 50% số lớp,Tính cả lớp ghép?
m2,moi,equal,100,year,district,proposed T:L9,,
m3,goc,>=,2,horizon,city,T:L10,tăng gấp 2 lần,Văn bản không nêu số gốc
# score
term,title,kind,ref,points,source,ambiguity
cl,Đạt tỷ lệ,target,m1,60,proposed,Văn bản không nêu tiêu chí: thang ví dụ
dh,Báo cáo đúng hạn,timeliness,thang,40,proposed,Văn bản không nêu tiêu chí: thang ví dụ
'''


def rows_of(text):
    return [line.split('\t') for line in text.splitlines()]


class DomainCase(harness.NodeCase):
    """
    One node on 10 June 2022: the due days of January to May have passed. Each class has it anew. The
    ward of unit 11 reports, a reviewer of district 10 reviews, the office may do neither.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        harness.need_binaries(harness.BAOCAO)
        cls.city = cls.node('city', CITY, clock='2022-06-10T08:00:00+07:00')
        harness.furnish(cls.city)
        harness.publish(cls.city, 'plan', PLAN, PLAN_TEXT)
        harness.publish(cls.city, 'keys', 'reviewers', client.keys_text(
            [(key_of('reviewer').hex, DISTRICT_A, 'reviewer', '2010-01-01', '', 'Quận A')]))
        cls.office = cls.home('office', 'operator')
        cls.reviewer = cls.home('reviewer', 'reviewer')
        cls.ward = cls.home('ward', 'ward 11', unit=11)
        cls.ward12 = cls.home('ward12', 'ward 12', unit=12)

    @classmethod
    def home(cls, name, key, unit=0):
        tool = Tool(cls.folder, name)
        os.makedirs(os.path.join(tool.home, 'keys'), mode=0o700, exist_ok=True)
        key_of(key).save(os.path.join(tool.home, 'keys', 'me.key'))
        tool('context', 'add', 'city', '--endpoint', cls.city.endpoint, '--node-key',
             cls.city.key.hex, '--key', 'me', *(['--unit', unit] if unit else []))
        return tool

    def report(self, tool, period, *values, form='thang', note=None):
        path = os.path.join(tool.home, f'{self._testMethodName}-{period}-{form}.csv')
        if os.path.exists(path):
            os.unlink(path)
        tool('report', 'new', PLAN, form, period, '-o', path)
        tool('report', 'fill', path, *values)
        tool('report', 'send', path, *(['--note', note] if note else []))

    def state(self, period, unit=11, form='thang'):
        with self.city.session() as session:
            found, = [row for row in session.obligations(PLAN, form, period, unit)
                      if row.unit == unit]
        return found

    def files(self, tool, folder):
        path = os.path.join(tool.home, folder, 'city')
        return [name for name in os.listdir(path) if name != 'lock'] if os.path.isdir(path) else []


class Acts(DomainCase):
    def test_a_report_in_the_inbox_is_shown_and_accepted(self):
        self.report(self.ward, '2022-01', 'lop=7', 'clb=3')
        listed = rows_of(self.reviewer('inbox', 'ls', PLAN))
        self.assertIn([PLAN, 'thang', '2022-01', '11', '11', 'Phường 1', '1'],
                      [row[:7] for row in listed])
        shown = json.loads(self.office('--json', 'inbox', 'show', PLAN, 'thang', '2022-01', 11))
        self.assertEqual((shown['values'], shown['signer'], shown['revision']),
                         ({'lop': '7', 'clb': '3'}, 'W 11', 1))
        self.reviewer('inbox', 'accept', PLAN, 'thang', '2022-01', 11)
        self.assertEqual(self.state('2022-01').state, 'accepted')
        self.assertNotIn('2022-01', self.reviewer('inbox', 'ls', PLAN))
        self.assertEqual(self.status('2022-01'), ['accepted', 'đã chấp nhận'])
        self.assertEqual(self.status('2022-01', '--offline'), ['received', 'đã tiếp nhận'])

    def status(self, period, *options):
        """State and word of the ward's own list."""
        row, = rows_of(self.ward('report', 'status', PLAN, 'thang', period, *options))
        return row[:2]

    def test_a_returned_report_no_longer_counts(self):
        self.report(self.ward, '2022-02', 'lop=7')
        self.reviewer('inbox', 'return', PLAN, 'thang', '2022-02', 11, '--reason', 'thiếu')
        self.assertEqual(self.state('2022-02').state, 'returned')
        self.assertEqual(self.status('2022-02'), ['returned', 'trả lại'])

    def test_a_ward_reads_who_returned_its_report_and_why(self):
        place = PLAN, 'thang', '2022-05'
        by = key_of('reviewer').hex
        self.report(self.ward12, '2022-05', 'lop=7')
        self.reviewer('inbox', 'return', *place, 12, '--reason', 'thiếu lớp')
        row, = rows_of(self.ward12('report', 'status', *place))
        self.assertEqual(row[-2:], [by, 'thiếu lớp'])
        self.assertTrue(row[-3].startswith('2022-06-10T'), row)
        listed = json.loads(self.ward12('--json', 'report', 'status', *place))
        self.assertEqual([(each['by'], each['reason']) for each in listed['reports']],
                         [(by, 'thiếu lớp')])
        shown = [line for line in rows_of(self.ward12('inbox', 'show', *place, 12))
                 if line[0] == 'act']
        self.assertEqual([(line[1], line[2], *line[4:]) for line in shown],
                         [('return', '1', by, 'thiếu lớp', '')])
        # The next revision is received: nobody has said anything of it.
        self.report(self.ward12, '2022-05', 'lop=8', note='đủ')
        self.assertEqual(rows_of(self.ward12('report', 'status', *place))[-1][-3:], ['', '', ''])
        self.reviewer('inbox', 'accept', *place, 12)
        shown = json.loads(self.office('--json', 'inbox', 'show', *place, 12))
        self.assertEqual([(act['kind'], act['revision'], act['reason']) for act in shown['acts']],
                         [('accept', 2, ''), ('return', 1, 'thiếu lớp')])
        with self.city.session() as session:
            accepted, returned = session.report(*place, 12)['acts']
            self.assertEqual(session.report(*place, 12, returned[2])['acts'], [returned])
            self.assertEqual(returned, [2, 1, returned[2], bytes.fromhex(by), 'thiếu lớp', 0])
            self.assertGreater(accepted[2], returned[2])

    def test_an_act_that_needs_a_reason_is_not_signed_without_one(self):
        done = self.reviewer.run('inbox', 'return', PLAN, 'thang', '2022-02', 11)
        self.assertEqual(done.returncode, USAGE)
        self.assertIn('--reason', done.stderr)

    def test_a_ward_withdraws_its_report(self):
        self.report(self.ward, '2022-03', 'lop=7')
        self.ward('report', 'withdraw', PLAN, 'thang', '2022-03', '--reason', 'nhầm kỳ')
        self.assertEqual(self.state('2022-03').state, 'withdrawn')
        self.assertEqual(self.status('2022-03'), ['withdrawn', 'đã rút'])

    def test_a_report_that_was_taken_back_can_be_sent_again_as_it_was(self):
        self.report(self.ward12, '2022-03', 'lop=7')
        self.ward12('report', 'withdraw', PLAN, 'thang', '2022-03', '--reason', 'chờ duyệt')
        self.report(self.ward12, '2022-03', 'lop=7', note='đã duyệt')
        self.assertEqual((self.state('2022-03', 12).state, self.state('2022-03', 12).revision),
                         ('received', 2))

    def test_lateness_is_waived(self):
        self.report(self.ward, '2022-04', 'lop=7')
        self.assertEqual(self.cell('2022-04'), ('L', 'late', False))
        self.reviewer('inbox', 'waive', PLAN, 'thang', '2022-04', 11, '--reason', 'mất điện')
        self.assertEqual(self.state('2022-04').flags & 4, 4)
        with self.subTest('and the matrix and the list of what waits say so'):
            self.assertEqual(self.cell('2022-04'), ('V', 'late', True))
            waiting, = [row for row in json.loads(self.office('--json', 'inbox', 'ls', PLAN))['obligations']
                        if row['period'] == '2022-04']
            self.assertEqual((waiting['timeliness'], waiting['waived']), ('late', 'yes'))

    def cell(self, period, unit=11):
        """What the matrix says of a unit: its letter; its timeliness and whether that is waived."""
        asked = 'matrix', PLAN, 'thang', '--period', period
        letter, = [line.split()[1] for line in self.office(*asked).splitlines()
                   if line.split()[0] == str(unit)]
        cell, = [row['cells'][0] for row in json.loads(self.office('--json', *asked))['units']
                 if row['unit'] == unit]
        return letter, cell['timeliness'], cell['waived']

    def test_an_extension_moves_the_due_instant(self):
        self.reviewer('inbox', 'extend', PLAN, 'thang', '2022-05', 11, '--until', '2022-07-01',
                      '--reason', 'lũ')
        self.assertEqual(self.state('2022-05').due, harness.ms_of('2022-07-01T00:00:00+07:00'))

    def test_an_extension_without_an_end_is_a_usage_error(self):
        self.assertEqual(self.reviewer.run('inbox', 'extend', PLAN, 'thang', '2022-05', 11,
                                           '--reason', 'lũ').returncode, USAGE)

    def test_a_unit_is_exempted(self):
        self.reviewer('inbox', 'exempt', PLAN, 'thang', '2022-05', 13, '--reason', 'mới lập')
        self.assertEqual(self.state('2022-05', 13).state, 'exempt')
        shown = json.loads(self.office('--json', 'inbox', 'show', PLAN, 'thang', '2022-05', 13))
        self.assertEqual([shown['revision'], shown['received'], shown['values']], [0, None, {}])
        self.assertEqual([act['reason'] for act in shown['acts']], ['mới lập'])
        self.assertEqual(self.reviewer.run('inbox', 'accept', PLAN, 'thang', '2022-05',
                                           13).returncode, ABSENT)

    def test_what_is_closed_is_refused_until_it_is_reopened(self):
        self.reviewer('inbox', 'close', PLAN, 'thang', '2022-08', 11)
        path = os.path.join(self.ward.home, 'closed.csv')
        self.ward('report', 'new', PLAN, 'thang', '2022-08', '-o', path)
        self.ward('report', 'fill', path, 'lop=1')
        done = self.ward.run('report', 'send', path)
        self.assertEqual((done.returncode, 'closed' in done.stderr), (REFUSED, True))
        self.reviewer('inbox', 'reopen', PLAN, 'thang', '2022-08', 11, '--reason', 'bổ sung')
        self.ward('report', 'send', path)

    def test_an_act_that_does_not_fit_is_refused_by_its_name(self):
        done = self.reviewer.run('inbox', 'waive', PLAN, 'thang', '2022-09', 11, '--reason', 'x')
        self.assertEqual(done.returncode, REFUSED)
        self.assertIn('act-not-possible', done.stderr)

    def test_an_act_on_a_unit_elsewhere_is_refused(self):
        done = self.reviewer.run('inbox', 'exempt', PLAN, 'thang', '2022-09', 21, '--reason', 'x')
        self.assertEqual(done.returncode, REFUSED)
        self.assertIn('not-your-unit', done.stderr)

    def test_an_act_of_a_role_that_may_not_is_refused_and_leaves_the_queue(self):
        done = self.office.run('inbox', 'exempt', PLAN, 'thang', '2022-09', 11, '--reason', 'x')
        self.assertEqual(done.returncode, REFUSED)
        self.assertIn('not-permitted', done.stderr)
        self.assertEqual(self.files(self.office, 'outbox'), [])

    def test_a_report_of_a_role_that_may_not_is_refused_and_acts_go_on(self):
        path = os.path.join(self.reviewer.home, 'wrong.csv')
        self.reviewer('report', 'new', PLAN, 'thang', '2022-09', '--unit', 11, '-o', path)
        self.reviewer('report', 'fill', path, 'lop=1')
        done = self.reviewer.run('report', 'send', path)
        self.assertEqual(done.returncode, REFUSED, done.stderr)
        self.assertIn('not-permitted', done.stderr)
        self.assertIn('context ls', done.stderr)
        self.assertIn(os.path.join(self.reviewer.home, 'refused'), done.stderr)
        self.assertEqual(self.files(self.reviewer, 'outbox'), [])
        self.assertEqual(sorted(os.path.splitext(name)[1] for name in
                                self.files(self.reviewer, 'refused'))[-2:],
                         ['.reason', '.submission'])
        self.reviewer('inbox', 'exempt', PLAN, 'thang', '2022-09', 11, '--reason', 'mới lập')
        self.assertEqual(self.state('2022-09').state, 'exempt')

    def test_a_ward_that_withdraws_nothing_is_told_what_it_may_ask(self):
        done = self.ward.run('report', 'withdraw', PLAN, 'thang', '2022-10', '--reason', 'x')
        self.assertEqual(done.returncode, ABSENT, done.stderr)
        self.assertIn('see: baocao report status', done.stderr)

    def test_a_report_that_never_came_cannot_be_accepted(self):
        self.assertEqual(self.reviewer.run('inbox', 'accept', PLAN, 'thang', '2022-10',
                                           11).returncode, ABSENT)

    def test_a_dry_run_signs_nothing(self):
        before = len(self.files(self.reviewer, 'sent'))
        done = self.reviewer.run('inbox', 'close', PLAN, 'thang', '2022-11', 11, '--dry-run')
        self.assertEqual(done.returncode, DONE)
        self.assertIn('close', done.stderr)
        self.assertEqual(len(self.files(self.reviewer, 'sent')), before)


class Queued(DomainCase):
    def tearDown(self):
        if not self.city.alive():
            self.city.start()

    def test_a_question_to_a_node_that_is_down_fails_and_says_so(self):
        self.city.stop()
        for verb in (['late'], ['matrix', PLAN, 'thang'], ['target', PLAN], ['score', PLAN],
                     ['inbox', 'ls'], ['request', 'ls'],
                     ['rollup', 'explain', PLAN, 'thang', '2022-05', 10, 'lop']):
            done = self.office.run('--timeout', 1, *verb)
            self.assertEqual((done.returncode, done.stdout), (FAILED, ''))
            self.assertIn(self.city.endpoint, done.stderr)

    def test_an_act_waits_for_a_node_that_is_down_and_is_delivered_later(self):
        self.reviewer('inbox', 'ls', PLAN)  # the units are in the cache from here on
        self.city.stop()
        done = self.reviewer.run('--timeout', 1, 'inbox', 'exempt', PLAN, 'thang', '2022-07', 11,
                                 '--reason', 'mới lập')
        self.assertEqual(done.returncode, QUEUED, done.stderr)
        self.assertEqual(len(self.files(self.reviewer, 'outbox')), 1)
        self.city.start()
        self.reviewer('report', 'status')
        self.assertEqual(self.state('2022-07').state, 'exempt')
        receipt, = [name for name in self.files(self.reviewer, 'sent')
                    if name.endswith('.receipt')]
        self.reviewer('receipt', 'verify',
                      os.path.join(self.reviewer.home, 'sent', 'city', receipt))

    def test_a_withdrawal_while_the_node_is_down_means_the_revision_that_was_sent(self):
        self.report(self.ward, '2022-02', 'lop=7')
        self.city.stop()
        done = self.ward.run('--timeout', 1, 'report', 'withdraw', PLAN, 'thang', '2022-02',
                             '--reason', 'nhầm')
        self.assertEqual(done.returncode, QUEUED, done.stderr)
        self.city.start()
        self.ward('report', 'send')
        self.assertEqual(self.state('2022-02').state, 'withdrawn')


class Kept(DomainCase):
    """What one has signed, where keys or machines change."""

    def test_another_key_of_a_context_writes_over_nothing(self):
        self.report(self.ward, '2022-01', 'lop=1')
        kept, = [name for name in self.files(self.ward, 'sent') if name.endswith('.receipt')]
        path = os.path.join(self.ward.home, 'sent', 'city', kept)
        with open(path, 'rb') as file:
            receipt = file.read()
        harness.publish(self.city, 'keys', 'again', client.keys_text(
            [(key_of('ward 11 anew').hex, 11, 'reporter', '2010-01-01', '', 'another')]))
        key_of('ward 11 anew').save(os.path.join(self.ward.home, 'keys', 'anew.key'))
        self.city.stop()
        queued = []
        for key, months in (('me', ['02']), ('anew', ['03', '04'])):
            self.ward('context', 'add', 'city', '--endpoint', self.city.endpoint, '--node-key',
                      self.city.key.hex, '--key', key, '--unit', 11)
            for month in months:
                made = os.path.join(self.ward.home, f'{month}.csv')
                self.ward('report', 'new', PLAN, 'thang', f'2022-{month}', '-o', made)
                self.ward('report', 'fill', made, 'lop=2')
                done = self.ward.run('--timeout', 1, 'report', 'send', made)
                self.assertEqual(done.returncode, QUEUED, done.stderr)
                queued.append(month)
        self.assertEqual(len([name for name in self.files(self.ward, 'outbox')
                              if name.endswith('.submission')]), len(queued))
        self.city.start()
        self.ward.run('report', 'send')
        with open(path, 'rb') as file:
            self.assertEqual(file.read(), receipt)
        self.assertEqual(self.state('2022-04').state, 'received')

    def test_what_another_machine_corrected_is_sent_again(self):
        path = os.path.join(self.ward12.home, 'again.csv')
        self.ward12('report', 'new', PLAN, 'thang', '2022-05', '-o', path)
        self.ward12('report', 'fill', path, 'lop=5')
        self.ward12('report', 'send', path)
        _, outcome = harness.submit(self.city, 12, client.report(
            PLAN, 'thang', '2022-05', 12, {'lop': 7}, revision=2, note='đếm lại'), counter=1000)
        self.assertIsNotNone(outcome.receipt, outcome.problems)
        done = self.ward12.run('report', 'send', path)  # without a reason it stays
        self.assertEqual((done.returncode, self.state('2022-05', 12).revision), (DONE, 2))
        self.assertIn('revision 2 from elsewhere', done.stderr)
        self.ward12('report', 'send', path, '--note', '5 là đúng')
        self.assertEqual(self.state('2022-05', 12).revision, 3)
        self.assertIn('nothing has changed', self.ward12.run('report', 'send', path).stderr)

    def test_a_form_behind_a_link_is_filled_in_where_it_is(self):
        real = os.path.join(self.ward12.home, 'real.csv')
        self.ward12('report', 'new', PLAN, 'thang', '2022-06', '-o', real)
        os.chmod(real, 0o664)
        with open(f'{real}.new', 'w', encoding='utf-8') as file:
            file.write('của tôi')
        link = os.path.join(self.ward12.home, 'link.csv')
        os.symlink('real.csv', link)
        self.ward12('report', 'fill', link, 'lop=5')
        self.assertTrue(os.path.islink(link))
        self.assertEqual(os.stat(real).st_mode & 0o777, 0o664)
        with open(real, encoding='utf-8') as file:
            self.assertIn('lop,5', file.read())
        with open(f'{real}.new', encoding='utf-8') as file:
            self.assertEqual(file.read(), 'của tôi')

    def test_commands_of_one_home_do_not_disturb_each_other(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for done in pool.map(lambda _: self.office.run('late', PLAN), range(48)):
                self.assertEqual((done.returncode, bool(done.stdout)), (DONE, True), done.stderr)


class Owed(DomainCase):
    def test_what_was_returned_or_withdrawn_is_owed_again(self):
        # Due before 6 May 00:00, asked on 10 June 08:00.
        for unit in (11, 12):
            harness.submit(self.city, unit, client.report(PLAN, 'thang', '2022-04', unit, {'lop': 1}))
        late = ['late', PLAN, '--period', '2022-04', '--unit', 10]
        self.assertEqual([row[4] for row in rows_of(self.office(*late))], ['13'])
        self.reviewer('inbox', 'return', PLAN, 'thang', '2022-04', 11, '--reason', 'thiếu lớp')
        self.ward12('report', 'withdraw', PLAN, 'thang', '2022-04', '--reason', 'nhầm')
        self.assertEqual([(row[0], row[4], row[8]) for row in rows_of(self.office(*late))],
                         [('returned', '11', '-36'), ('withdrawn', '12', '-36'),
                          ('overdue', '13', '-36')])

    def test_a_code_is_of_the_unit_that_has_it_in_the_period(self):
        harness.publish(self.city, 'units', 'again', '''# unit
unit,code,name,group,parent,from,to
31,30,Phường cũ,ward,20,2010-01-01,2022-03-01
32,30,Phường mới,ward,20,2022-03-01,
30,33,Phường khác,ward,20,2010-01-01,
''')
        for unit, period, wanted in (('30', '2022-02', '31'), ('30', '2022-03', '32'),
                                     (':30', '2022-03', '30'), ('32', '2022-03', '32'),
                                     ('33', '2022-03', '30')):
            rows = rows_of(self.office('late', PLAN, '--all', '--period', period, '--unit', unit))
            self.assertEqual([row[4] for row in rows], [wanted], (unit, period))
            made = self.office('report', 'new', PLAN, 'thang', period, '--unit', unit, '-o', '-')
            self.assertIn(f'\nunit,{wanted}\n', made)
        with self.city.session() as session:
            session.clock(harness.ms_of('2022-06-10T08:00:00+07:00'))
        done = self.office.run('key', 'invite', '--unit', '30', '--role', 'reporter', '--name', 'x')
        self.assertIn('unit 32: 30 Phường mới', done.stderr)
        for unit in (':34', ':', 'x30'):
            self.assertEqual(self.office.run('late', PLAN, '--unit', unit).returncode, ABSENT)


class Reading(DomainCase):
    """Reports of May of two wards of district A: 11 has 4 classes, 3 with a club; 12 has 2 and none."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for unit, values in ((11, {'lop': 4, 'clb': 3, 'diem': 75}),
                             (12, {'lop': 2, 'clb': 0, 'diem': 80})):
            _, outcome = harness.submit(cls.city, unit, client.report(
                PLAN, 'thang', '2022-05', unit, values))
            assert outcome.receipt is not None, outcome.problems
        with cls.city.session() as session:
            session.clock(harness.ms_of('2022-06-20T08:00:00+07:00'))
        _, outcome = harness.submit(cls.city, 11, client.report(
            PLAN, 'thang', '2022-05', 11, {'lop': 10, 'clb': 3, 'diem': 75}, revision=2,
            note='đếm lại'))
        assert outcome.receipt is not None, outcome.problems
        for month in ('2022-01', '2022-02', '2022-03'):
            harness.submit(cls.city, 11, client.report(PLAN, 'thang', month, 11, {'lop': 1}))
        harness.submit(cls.city, 11, client.report(PLAN, 'quy', '2022-Q1', 11, {'lop': 5}))

    def test_what_is_overdue_is_listed_with_its_days(self):
        # Due before 6 June 00:00, asked on 20 June 08:00: 14 days and 8 hours late.
        rows = rows_of(self.office('late', PLAN, '--period', '2022-05'))
        self.assertEqual([(row[0], row[4], row[8]) for row in rows],
                         [('overdue', unit, '-15') for unit in ('13', '21', '22')])

    def test_what_is_due_within_days_is_listed(self):
        # June is due before 6 July 00:00: in 15 days and 16 hours.
        for days, count in ((15, 0), (16, 5)):
            rows = rows_of(self.office('late', PLAN, '--period', '2022-06', '--days', days))
            self.assertEqual(len(rows), count)

    def test_all_obligations_are_listed_with_their_states(self):
        rows = rows_of(self.office('late', PLAN, '--all', '--period', '2022-05', '--unit', 10))
        self.assertEqual([row[0] for row in rows], ['received', 'received', 'overdue'])

    def test_every_plan_is_asked_where_none_is_named(self):
        plans = {row[1] for row in rows_of(self.office('late'))}
        self.assertEqual(plans, {PLAN, harness.PLAN})

    def test_late_as_of_an_earlier_day(self):
        rows = rows_of(self.office('late', PLAN, '--period', '2022-05', '--as-of',
                                   '2022-06-11T00:00:00+07:00'))
        self.assertEqual([(row[4], row[8]) for row in rows],
                         [('13', '-5'), ('21', '-5'), ('22', '-5')])

    def test_before_a_plan_was_published_it_is_absent_and_no_plan_has_anything(self):
        self.assertEqual(self.office.run('late', PLAN, '--as-of', '2022-06-05').returncode, ABSENT)
        self.assertEqual(self.office('late', '--as-of', '2022-06-05'), '')

    def test_the_matrix_shows_silent_units_and_coverage(self):
        rows = rows_of(self.office('matrix', PLAN, 'thang', '--period', '2022-05', '--plain'))
        self.assertEqual(rows, [
            ['unit', '2022-05', 'name'], ['1', '2/5', 'Thành phố'], ['10', '2/3', 'Quận A'],
            ['11', 'received', 'Phường 1'], ['12', 'received', 'Phường 2'],
            ['13', 'overdue', 'Phường 3'], ['20', '0/2', 'Quận B'],
            ['21', 'overdue', 'Phường 1'], ['22', 'overdue', 'Phường 2']])

    def test_the_matrix_of_a_longer_period_has_its_months(self):
        lines = self.office('matrix', PLAN, 'thang', '--period', '2022-Q1').splitlines()
        self.assertEqual(lines[0].split(), ['unit', '2022-01', '2022-02', '2022-03', 'name'])

    def test_the_matrix_in_json(self):
        matrix = json.loads(self.office('--json', 'matrix', PLAN, 'thang', '--period', '2022-05'))
        city = matrix['units'][0]
        self.assertEqual((city['unit'], city['cells'][0]['received'],
                          city['cells'][0]['expected']), (1, 2, 5))

    def target(self, code, unit, *options):
        rows = json.loads(self.office('--json', 'target', PLAN, '--unit', unit,
                                      *options))['targets']
        return [row for row in rows if row['target'] == code and row['period'] in
                ('2022-05', '2022-12') or row['target'] == code and code == 'm3'][0]

    def test_a_share_stands_in_percent_with_two_decimals(self):
        # 3 of 12 classes: 25 %; May is over, so what does not hold is missed.
        row = self.target('m1', 10)
        self.assertEqual((row['value'], row['goal'], row['status'], row['coverage']),
                         ('25.00%', '>= 50%', 'missed', '2/3'))
        self.assertEqual((row['source'], row['quote'], row['ambiguity']),
                         ('T:L8', 'ít nhất 50% số lớp', 'Tính cả lớp ghép?'))

    def test_who_falls_short_is_named_and_proposed_is_marked(self):
        # Ward 12 has 2 classes, ward 13 says nothing: 1 of 3, rounded half up.
        row = self.target('m2', 10)
        self.assertEqual((row['value'], row['units'], row['short'], row['source']),
                         ('33.33%', '12 13', 2, 'proposed T:L9'))

    def test_what_cannot_be_measured_has_the_reason(self):
        row = self.target('m3', 1)
        self.assertEqual((row['status'], row['value'], row['reason'] != ''),
                         ('not-measurable', '', True))

    def test_a_target_as_of_an_earlier_instant(self):
        # Before the revision: 3 of 6.
        row = self.target('m1', 10, '--as-of', '2022-06-12')
        self.assertEqual((row['value'], row['status']), ('50.00%', 'met'))

    def test_the_terms_of_a_score_add_up_and_say_that_the_scale_is_an_example(self):
        done = self.office.run('score', PLAN, '--unit', 11)
        self.assertEqual(done.returncode, DONE)
        rows = rows_of(done.stdout)
        self.assertEqual([row[1] for row in rows], ['cl', 'dh', 'total'])
        self.assertEqual(sum(float(row[3]) for row in rows[:2]), float(rows[2][3]))
        self.assertIn('thang ví dụ', done.stderr)
        self.assertIn('thang ví dụ', rows[0][5])

    def test_a_longer_window_is_shown(self):
        text = self.office('rollup', 'show', PLAN, '--form', 'thang', '--period', '2022-Q1',
                           '--unit', 11)
        self.assertIn('thang.lop\t3', text)

    def test_figures_as_of_an_earlier_instant(self):
        text = self.office('rollup', 'show', PLAN, '--form', 'thang', '--period', '2022-05',
                           '--unit', 10, '--as-of', '2022-06-12')
        self.assertIn('thang.lop\t6', text)

    def explain(self, field, period='2022-05', unit=10, *options):
        done = self.office.run('rollup', 'explain', PLAN, 'thang', period, unit, field, *options)
        self.assertEqual(done.returncode, DONE, done.stderr)
        return rows_of(done.stdout)

    def test_an_explanation_adds_up_and_names_the_signers(self):
        rows = self.explain('lop')
        self.assertEqual([(row[1], row[2], row[3], row[8]) for row in rows[:2]],
                         [('11', '10', '2', 'W 11'), ('12', '2', '1', 'W 12')])
        self.assertEqual(rows[2:], [['total', '12'], ['sum of lines', '12']])

    def test_an_explanation_of_a_greatest_value(self):
        self.assertEqual(self.explain('diem')[2:], [['total', '8.0'], ['sum of lines', '8.0']])

    def test_an_explanation_over_months(self):
        rows = self.explain('lop', '2022-Q1', 11)
        self.assertEqual(([row[0] for row in rows[:3]], rows[3:]),
                         (['2022-01', '2022-02', '2022-03'],
                          [['total', '3'], ['sum of lines', '3']]))

    def test_an_explanation_as_of_an_earlier_instant(self):
        self.assertEqual(self.explain('lop', '2022-05', 10, '--as-of', '2022-06-12')[2:],
                         [['total', '6'], ['sum of lines', '6']])

    def test_a_field_that_no_form_has_is_absent(self):
        self.assertEqual(self.office.run('rollup', 'explain', PLAN, 'thang', '2022-05', 10,
                                         'xyz').returncode, ABSENT)

    def test_what_is_not_there_is_said_with_what_there_is(self):
        show = ('rollup', 'show', PLAN)
        for code, word, *options in ((ABSENT, 'thang quy', *show, '--form', 'tháng'),
                                     (USAGE, '2022-H1', *show, '--period', '2022-99'),
                                     (ABSENT, 'code', *show, '--unit', 999),
                                     (ABSENT, 'code', 'rollup', 'explain', PLAN, 'thang',
                                      '2022-05', 999, 'lop')):
            done = self.office.run(*options)
            self.assertEqual(done.returncode, code, options)
            self.assertIn(word, done.stderr.splitlines()[-1])

    def test_a_report_is_shown_beside_what_shorter_ones_add_up_to(self):
        shown = json.loads(self.office('--json', 'inbox', 'show', PLAN, 'quy', '2022-Q1', 11))
        self.assertEqual(shown['nested'], [
            {'field': 'lop', 'stated': '5', 'derived': '3', 'difference': '2',
             'from_form': 'thang', 'counts': 'stated'}])

    def test_a_new_form_says_what_shorter_reports_add_up_to(self):
        text = self.ward('report', 'new', PLAN, 'quy', '2022-Q1', '-o', '-')
        self.assertIn('thang: 3', text)

    def test_an_instant_that_is_none_is_a_usage_error(self):
        for verb in (['late'], ['matrix', PLAN, 'thang'], ['target', PLAN], ['score', PLAN],
                     ['rollup', 'show', PLAN], ['inbox', 'ls']):
            self.assertEqual(self.office.run(*verb, '--as-of', 'hôm qua').returncode, USAGE)


class Plans(DomainCase):
    def write(self, name, text):
        path = os.path.join(self.office.home, name)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        return path

    def test_a_plan_is_shown_in_the_language_that_is_asked_for(self):
        vietnamese = self.office('plan', 'show', PLAN, '--lang', 'vi')
        self.assertIn('BIỂU MẪU', vietnamese)
        self.assertIn('Tính cả lớp ghép?', vietnamese)
        self.assertNotIn('BIỂU MẪU', self.office('plan', 'show', PLAN, '--lang', 'en'))

    def test_a_language_that_is_not_known_is_a_usage_error(self):
        self.assertEqual(self.office.run('plan', 'show', PLAN, '--lang', 'fr').returncode, USAGE)

    def test_a_file_is_compared_with_what_is_published(self):
        path = self.write('b.plan', PLAN_TEXT.replace('>=,50,', '>=,60,'))
        done = self.office.run('plan', 'diff', PLAN, path)
        self.assertEqual(done.returncode, DONE)
        self.assertIn('"50" -> "60"', done.stdout)
        self.assertIn('differences: 1', done.stderr)
        self.assertEqual(json.loads(self.office('--json', 'plan', 'diff', PLAN, PLAN))
                         ['differences'], 0)

    def test_a_dry_run_publishes_nothing(self):
        path = self.write('c.plan', PLAN_TEXT.replace('mp-2022', 'mp-thu'))
        self.office('plan', 'publish', path, '--dry-run')
        self.assertNotIn('mp-thu', self.office('plan', 'ls'))


class Requests(DomainCase):
    def ask(self, code, *words, status=DONE):
        done = self.office.run('request', 'new', PLAN, code, *words, '--from', '2022-06-01')
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def test_what_is_asked_is_reported_and_listed(self):
        self.ask('yc-dn', 'so_dn:Số doanh nghiệp:integer', 'ghi_chu:Ghi chú, nếu có:text',
                 '--title', 'Danh sách doanh nghiệp', '--due', '2022-06-20', '--to', 'ward',
                 '--under', '10', '--source', 'CV:L1')
        path = os.path.join(self.ward.home, 'yc.csv')
        self.ward('report', 'new', 'yc-dn', 'phieu', '2022-06-01', '-o', path)
        self.ward('report', 'fill', path, 'so_dn=12')
        self.ward('report', 'send', path)
        row, = json.loads(self.office('--json', 'request', 'ls'))['requests']
        self.assertEqual((row['plan'], row['parent'], row['received'], row['expected'],
                          row['due']), ('yc-dn', PLAN, 1, 3, '2022-06-21T00:00:00+07:00'))
        self.assertEqual(len(rows_of(self.office('late', 'yc-dn', '--days', 30))), 2)

    def test_what_was_only_tried_or_was_refused_leaves_no_file(self):
        words = ('yc-z', 'a:A:integer', '--title', 'T', '--due', '2022-06-20', '--to', 'ward')
        path = os.path.join(self.office.home, 'yc-z.plan')
        self.ask(*words, '--dry-run')
        self.assertFalse(os.path.exists(path))
        self.reviewer_may_not(*words)
        done = self.ask(*words)
        self.assertTrue(os.path.exists(path))
        self.assertIn('below, from the topmost one down', done.stderr)

    def reviewer_may_not(self, *words):
        done = self.reviewer.run('request', 'new', PLAN, *words, '--from', '2022-06-01')
        self.assertEqual(done.returncode, REFUSED, done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.reviewer.home, 'yc-z.plan')))

    def test_a_request_below_no_plan_is_absent(self):
        done = self.office.run('request', 'new', 'kt-1999', 'x', 'a:A:integer', '--title', 'T',
                               '--due', '2022-06-20', '--from', '2022-06-01', '--to', 'ward')
        self.assertEqual(done.returncode, ABSENT)

    def test_a_field_without_a_type_is_a_usage_error(self):
        self.ask('yc-x', 'a:A', '--title', 'T', '--due', '2022-06-20', '--to', 'ward',
                 status=USAGE)

    def test_a_type_that_is_not_known_is_said_and_nothing_published(self):
        self.ask('yc-y', 'a:A:integr', '--title', 'T', '--due', '2022-06-20', '--to', 'ward',
                 status=INVALID)
        self.assertNotIn('yc-y', self.office('plan', 'ls'))


class Constraints(DomainCase):
    def filled(self, name, *values, status=DONE):
        path = os.path.join(self.ward.home, f'{name}.csv')
        self.ward('report', 'new', PLAN, 'thang', '2022-05', '-o', path)
        done = self.ward.run('report', 'fill', path, *values)
        self.assertEqual(done.returncode, status, done.stderr)
        return path, done

    def test_a_form_that_breaks_a_constraint_is_kept_and_not_sent(self):
        path, done = self.filled('a', 'lop=2', 'clb=3', status=INVALID)
        self.assertIn('không vượt', done.stderr)
        for verb in ('check', 'send'):
            done = self.ward.run('report', verb, path)
            self.assertEqual(done.returncode, INVALID)
            self.assertIn('không vượt', done.stderr)
        with open(path, encoding='utf-8') as file:
            self.assertIn('clb,3', file.read())
        self.assertEqual(self.state('2022-05').state, 'overdue')

    def test_a_field_that_is_missing_breaks_nothing(self):
        path, _ = self.filled('b', 'clb=3')
        self.ward('report', 'check', path)


if __name__ == '__main__':
    harness.main()
