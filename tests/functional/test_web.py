#!/usr/bin/python3
"""The page of baocao-web in a real browser, and what it answers over HTTP."""

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

import zmq
import zmq.utils.z85

import harness
import nodes
from harness import CITY, PLAN, client, key_of, month_report, submit

CHROMIUM, CHROMEDRIVER = '/usr/bin/chromium', '/usr/bin/chromedriver'
FLAGS = ('--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
         '--disable-background-networking', '--disable-component-update', '--disable-sync',
         '--disable-dev-shm-usage', '--window-size=1280,900', '--force-prefers-reduced-motion')
SEEN_SECONDS = 60
CLOCK = '2022-06-01T08:00:00+07:00'
# LIMIT_WEB_JOBS, LIMIT_WEB_LISTED and LIMIT_WEB_TEXTS_BYTES; a text is at most LIMIT_PUBLICATION_BYTES.
JOBS_MAX, LISTED_MAX, TEXTS_BYTES_MAX = 16, 4096, 32 << 20
TEXT_BYTES = 786432

try:
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select
    MISSING = [path for path in (CHROMIUM, CHROMEDRIVER) if not os.access(path, os.X_OK)]
except ImportError:
    MISSING = ['python3-selenium']


def knows_localhost():
    try:
        return bool(socket.getaddrinfo('localhost', None))
    except OSError:
        return False


class Web:
    """One baocao-web beside a node, started and ended here."""

    def __init__(self, folder, daemon, name='web'):
        self.notify = nodes.NotifySocket(os.path.join(folder, f'{name}.notify'))
        key_of('reader').save(os.path.join(folder, f'{name}.key'))
        os.makedirs(os.path.join(folder, name))
        os.rename(os.path.join(folder, f'{name}.key'), os.path.join(folder, name, 'web.key'))
        environment = {**os.environ, 'NOTIFY_SOCKET': self.notify.path,
                       'CREDENTIALS_DIRECTORY': os.path.join(folder, name)}
        with open(os.path.join(folder, f'{name}.log'), 'wb') as log:
            self.process = subprocess.Popen(
                [nodes.BAOCAO_WEB, '--endpoint', daemon.endpoint, '--node-key', daemon.key.hex,
                 '--listen', f'{nodes.address()}:0'], stdout=subprocess.PIPE, stderr=log,
                stdin=subprocess.DEVNULL, env=environment, preexec_fn=nodes._die_with_parent)
        if not select.select([self.process.stdout], [], [], nodes.START_SECONDS)[0]:
            raise TimeoutError('baocao-web said no address')
        self.url = self.process.stdout.readline().decode().strip()
        self.address = urllib.parse.urlsplit(self.url).netloc

    def request(self, path, method='GET', headers=None, body=None):
        """(status, headers, body) of one request."""
        connection = http.client.HTTPConnection(self.address, timeout=nodes.ANSWER_SECONDS)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def get(self, path, **parameters):
        """The JSON of an answer that must be good."""
        query = urllib.parse.urlencode(parameters)
        status, _, body = self.request(f'{path}?{query}' if query else path)
        if status != 200:
            raise AssertionError(f'{path}?{query}: {status} {body!r}')
        return json.loads(body)

    def wait_up(self):
        harness.wait_until(lambda: self.request('/api/status')[0] == 200)
        return self

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(nodes.STOP_SECONDS)

    def end(self):
        """A clean stop; a sanitizer that found something makes it another."""
        status = self.stop()
        self.close()
        if status != 0:
            raise AssertionError(f'baocao-web ended with {status}')

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.notify.close()


class WebCase(harness.NodeCase):
    """A made-up city with a few reports, and a page beside it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        harness.need_binaries(nodes.BAOCAO_WEB)
        cls.city = cls.node('city', CITY, clock=CLOCK)
        harness.furnish(cls.city)
        cls.send(11, month_report(11, '2022-05', 234, values={
            'hoc-vien': [1250300], 'chi': 5000000, 'diem': 85, 'csdl': 1, 'ghi-chu': 'Đủ <b>số</b>'}))
        cls.send(12, month_report(12, '2022-04', 7, values={'hoc-vien': [], 'diem': 70}))
        cls.send(12, month_report(12, '2022-05', nil=True))
        cls.web = Web(cls.folder, cls.city)
        cls.addClassCleanup(cls.web.end)
        cls.web.wait_up()

    @classmethod
    def send(cls, unit, *reports):
        """Hands in reports that must count; the receipt."""
        _, outcome = submit(cls.city, unit, *reports)
        if outcome.receipt is None:
            raise AssertionError(outcome.problems)
        return outcome.receipt


class Answers(WebCase):
    def row(self, period, unit, form='thang'):
        rows = self.web.get('/api/figures', plan=PLAN, form=form)['rows']
        return next(row for row in rows if (row['period'], row['unit']) == (period, unit))

    def test_only_a_loopback_address_is_taken(self):
        for listen in ('0.0.0.0:0', '192.168.0.1:80', '127.0.0.1', '127.0.0.1:99999', '[::1]:0'):
            done = subprocess.run([nodes.BAOCAO_WEB, '--endpoint', 'tcp://127.0.0.1:1',
                                   '--node-key', '0' * 64, '--listen', listen], timeout=nodes.START_SECONDS,
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, nodes.EXIT_CONFIG, done.stderr)
            self.assertIn('--listen', done.stderr)

    def test_every_answer_has_the_strict_headers(self):
        for path in ('/', '/app.js', '/app.css', '/api/status', '/nothing'):
            _, headers, _ = self.web.request(path)
            self.assertTrue(headers['Content-Security-Policy'].startswith("default-src 'self'"))
            self.assertEqual(headers['X-Content-Type-Options'], 'nosniff')
            self.assertIn(headers['Cache-Control'], ('no-cache', 'no-store'))

    def test_an_unknown_path_is_404(self):
        for path in ('/nothing', '/../etc/passwd', '/api/', '/app.js/', '//'):
            self.assertEqual(self.web.request(path)[0], 404, path)

    def test_other_methods_are_refused(self):
        for method in ('POST', 'PUT', 'DELETE', 'OPTIONS'):
            status, headers, _ = self.web.request('/api/status', method, body='x' * 100000)
            self.assertEqual((status, headers['Allow']), (405, 'GET, HEAD'), method)

    def test_head_has_no_body(self):
        status, headers, body = self.web.request('/', 'HEAD')
        self.assertEqual((status, body), (200, b''))
        self.assertGreater(int(headers['Content-Length']), 1000)

    def test_another_host_name_is_refused(self):
        for host in ('example.org', 'localhost.example.org', '127.0.0.1.example.org:80', ''):
            self.assertIn(self.web.request('/', headers={'Host': host})[0], (400, 421), host)
        self.assertEqual(self.web.request('/', headers={'Host': 'localhost:1'})[0], 200)

    def test_odd_parameters_are_refused(self):
        good = {'plan': PLAN, 'form': 'thang', 'period': '2022-05', 'unit': '11'}
        for name, value, wanted in (('unit', '-1', 400), ('unit', '99999999999', 400),
                                    ('unit', '1x', 400), ('plan', 'x' * 65, 400),
                                    ('plan', 'x', 404), ('form', 'x', 404), ('plan', '', 404),
                                    ('period', '2022-13', 404), ('period', '2022-04', 404),
                                    ('unit', '13', 404), ('plan', b'\xff', 400)):
            query = urllib.parse.urlencode({**good, name: value})
            status, _, body = self.web.request(f'/api/report?{query}')
            self.assertEqual(status, wanted, (name, value, body))
            self.assertIn('error', json.loads(body))

    def test_status_says_which_node_and_that_it_is_made_up(self):
        status = self.web.get('/api/status')
        self.assertEqual(status['unit'], {'number': 1, 'code': '1', 'name': 'Thành phố'})
        self.assertIs(status['synthetic'], True)
        self.assertEqual(status['node'], self.city.key.hex)

    def test_plans_have_forms_periods_and_fields(self):
        plan, = self.web.get('/api/plans')['plans']
        month, year = plan['forms']
        self.assertEqual((plan['code'], month['code'], year['source']), (PLAN, 'thang', 'proposed'))
        self.assertEqual(month['periods'][4], ['2022-05', '2022-06-06T00:00:00+07:00'])
        self.assertEqual(year['periods'], [['2022', None], ['2023', None]])
        self.assertEqual(month['fields'][3], {
            'code': 'diem', 'label': 'Điểm', 'unit': 'điểm', 'type': 'decimal', 'scale': 1,
            'summed': False, 'source': 'stated'})

    def test_figures_are_exact_strings(self):
        row = self.row('2022-05', 11)
        self.assertEqual(row['values'], ['234', ['1250300'], '5000000', '8.5', '1', None])
        self.assertEqual((row['name'], row['parent'], row['group'], row['on_time'], row['expected']),
                         ('Phường 1', 10, 'ward', 1, 1))
        city = self.row('2022-05', 1)
        self.assertEqual((city['received'], city['expected'], city['nil']), (2, 5, 1))
        self.assertEqual(city['sums'][0], ['234', 1, 0, 0])
        self.assertEqual(city['sums'][1], ['1250300', 1, 0, 1])
        self.assertEqual(self.row('2022-04', 12)['values'][1], [])
        self.assertIs(self.row('2022', 15, 'nam')['stated'], False)

    def test_figures_of_one_year(self):
        rows = self.web.get('/api/figures', plan=PLAN, form='thang', year=2023)['rows']
        self.assertEqual({row['period'][:4] for row in rows}, {'2023'})
        self.assertEqual(len(rows), 12 * 8)
        self.assertEqual(self.web.get('/api/figures', plan=PLAN, form='thang', year=1999)['rows'],
                         [])

    def test_report_goes_down_to_signer_and_digest(self):
        report = self.web.get('/api/report', plan=PLAN, form='thang', period='2022-05', unit=11)
        self.assertEqual(report['sender'], key_of('ward 11').hex)
        self.assertEqual((report['timeliness'], report['revision']), ('on-time', 1))
        self.assertEqual(len(report['digest']), 64)
        self.assertTrue(report['received'].startswith('2022-06-01T08:'))
        values = {value['field']: value for value in report['values']}
        self.assertEqual((values['diem']['value'], values['diem']['estimated']), ('8.5', False))
        self.assertIs(values['hoc-vien']['estimated'], True)
        self.assertEqual(values['ghi-chu']['text'], 'Đủ <b>số</b>')

    def test_many_questions_at_once_are_answered_or_told_to_wait(self):
        connections = []
        for _ in range(60):
            connection = http.client.HTTPConnection(self.web.address, timeout=30)
            connection.request('GET', f'/api/figures?plan={PLAN}&form=thang')
            connections.append(connection)
        answers = [connection.getresponse() for connection in connections]
        self.assertLessEqual({answer.status for answer in answers}, {200, 503})
        self.assertIn(200, {answer.status for answer in answers})
        for answer, connection in zip(answers, connections):
            json.loads(answer.read())
            connection.close()

    def test_an_event_follows_a_report(self):
        connection = http.client.HTTPConnection(self.web.address, timeout=nodes.ANSWER_SECONDS)
        connection.request('GET', '/api/events')
        response = connection.getresponse()
        self.assertEqual(response.headers['Content-Type'], 'text/event-stream')
        while not response.readline().startswith(b'data: up'):
            pass
        receipt = self.send(21, month_report(21, '2022-01', 1))
        while response.readline() != b'data: %d\n' % receipt.seq:
            pass
        connection.close()

    def test_it_stops_cleanly_with_questions_and_streams_open(self):
        web = Web(self.folder, self.city, 'stop')
        self.addCleanup(web.close)
        web.wait_up()
        stream = http.client.HTTPConnection(web.address, timeout=nodes.ANSWER_SECONDS)
        stream.request('GET', '/api/events')
        response = stream.getresponse()
        question = http.client.HTTPConnection(web.address, timeout=nodes.ANSWER_SECONDS)
        question.request('GET', f'/api/figures?plan={PLAN}&form=thang')
        self.assertEqual(web.stop(), 0)
        response.read()
        stream.close()
        question.close()
        web.notify.drain()
        self.assertIn('READY=1', web.notify.said)
        self.assertIn('STOPPING=1', web.notify.said)


class FakeNode:
    """Speaks the transport of a node, and says whatever a test wants."""

    def __init__(self):
        self.key = key_of('fake')
        self.endpoint = nodes.new_endpoint()
        self.say = {}  # name of a question -> function of the request to a frame
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.linger = 0
        public, secret = self.key.curve_pair()
        self.socket.curve_server = True
        self.socket.curve_secretkey = zmq.utils.z85.encode(secret)
        self.socket.curve_publickey = zmq.utils.z85.encode(public)
        self.socket.bind(self.endpoint)
        self.ending = False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.ending:
            if self.socket.poll(50):
                peer, frame = self.socket.recv_multipart()
                message = client.open_envelope(frame)
                answer = self.say.get(message.name)
                if answer:
                    self.socket.send_multipart([peer, answer(message.request)])

    def close(self):
        self.ending = True
        self.thread.join()
        self.socket.close()
        self.context.term()


def answering(data):
    return lambda request: client.envelope('answer', request, [1, data])


class NonsenseFromTheNode(harness.NodeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        harness.need_binaries(nodes.BAOCAO_WEB)
        cls.fake = FakeNode()
        cls.addClassCleanup(cls.fake.close)
        cls.web = Web(cls.folder, cls.fake, 'fake')
        cls.addClassCleanup(cls.web.end)

    GOOD_ROW = ['thang', '2022-05', 11, 0, 0, 0, 0, 1, 0, True, None, [], 0, 0, 0]

    def setUp(self):
        digest = bytes(32)
        self.fake.say = {
            'watch': answering(1),
            'list': answering([['plan', PLAN, 'x', 1, 1, digest],
                               ['units', 'u', '', 1, 1, digest]])}
        # Asked for once: the digests stay the same.
        texts = iter([harness.PLAN_TEXT, harness.UNITS_TEXT])
        self.fake.say['get'] = lambda request: client.envelope(
            'answer', request, [1, [next(texts), digest, 1]])
        harness.wait_until(lambda: self.web.request('/api/plans')[0] == 200)

    def ask(self, path):
        status, _, body = self.web.request(path)
        return status, json.loads(body)

    def test_odd_answers_to_every_question_are_errors(self):
        odd = [None, 7, -1, 'x', b'x', True, [], {}, [[]], [None], [None, None], [None, 7],
               [0, []], [-1, [self.GOOD_ROW]], [None, [[]]], [None, [self.GOOD_ROW + [1]]],
               [None, [['nam'] + self.GOOD_ROW[1:]]], [None, [['thang', 'x'] + self.GOOD_ROW[2:]]],
               [None, [self.GOOD_ROW[:7] + [1 << 40] + self.GOOD_ROW[8:]]],
               [None, [self.GOOD_ROW[:10] + [['x' * 99], [], 0, 0, 0]]],
               [None, [self.GOOD_ROW[:10] + [None, [[1, 2, 3]], 0, 0, 0]]],
               {'unit': 1}, {'unit': -1, 'clock': 1, 'synthetic': True},
               {'unit': 1, 'clock': 'x', 'synthetic': True}, {'values': {'lop': {}}},
               {'values': 7}, {'x' * 100: 1}, {'revision': 1, 'nil': 1}]
        questions = {'figures': f'/api/figures?plan={PLAN}&form=thang',
                     'report': f'/api/report?plan={PLAN}&form=thang&period=2022-05&unit=11',
                     'status': '/api/status'}
        for data in odd:
            for name, path in questions.items():
                self.fake.say[name] = answering(data)
                status, body = self.ask(path)
                self.assertEqual((status, body['error']), (502, 'node-nonsense'), (name, data))
        self.fake.say['figures'] = answering([None, [self.GOOD_ROW]])
        self.assertEqual(self.ask(questions['figures'])[0], 200)

    def test_a_list_that_is_odd_is_an_error(self):
        for data in (None, 7, [[]], [['plan', 7]], [['plan', 'x' * 100, '', 1, 1, bytes(32)]],
                     [['plan', 'p', '', 1, 1, bytes(31)]],
                     [['plan', 'p', '', 1, 1, bytes(32)]] * 2,
                     [['plan', f'p{i}', '', 1, 1, bytes(32)] for i in range(1000)]):
            self.fake.say['list'] = answering(data)
            self.assertEqual(self.ask('/api/plans')[0], 502, data)

    def test_so_many_requests_wait_and_the_next_is_told_so(self):
        listed, going_on = self.fake.say['list'], threading.Event()

        def late(request):
            going_on.wait()
            return listed(request)

        self.fake.say['list'] = late
        self.addCleanup(going_on.set)
        waiting = {}
        for _ in range(JOBS_MAX + 1):
            connection = http.client.HTTPConnection(self.web.address,
                                                    timeout=nodes.ANSWER_SECONDS)
            self.addCleanup(connection.close)
            connection.request('GET', '/api/plans')
            waiting[connection.sock] = connection
        told, _, _ = select.select(list(waiting), [], [], nodes.ANSWER_SECONDS)
        going_on.set()
        self.assertEqual(len(told), 1)
        response = waiting.pop(told[0]).getresponse()
        self.assertEqual((response.status, json.loads(response.read())['error']), (503, 'busy'))
        self.assertEqual([connection.getresponse().status for connection in waiting.values()],
                         [200] * JOBS_MAX)

    def test_a_list_is_looked_at_up_to_its_bound(self):
        for more, status in ((0, 200), (1, 502)):
            self.fake.say['list'] = answering(
                [['keys', f'k{i}', '', 1, 1, bytes(32)] for i in range(LISTED_MAX + more)])
            self.assertEqual(self.ask('/api/plans')[0], status)

    def test_texts_are_held_up_to_their_bound(self):
        count = TEXTS_BYTES_MAX // TEXT_BYTES + 1
        text = '#' * (TEXT_BYTES - 1) + '\n'
        digests = iter(range(1, 1 << 20))
        self.fake.say['get'] = lambda request: client.envelope(
            'answer', request, [1, [text, next(digests).to_bytes(32, 'big'), 1]])
        for texts, status in ((count - 1, 200), (count, 502)):
            first = next(digests)
            digests = iter(range(first, 1 << 20))
            self.fake.say['list'] = answering(
                [['plan', f'p{i}', '', 1, 1, (first + i).to_bytes(32, 'big')]
                 for i in range(texts)])
            self.assertEqual(self.ask('/api/plans')[0], status, texts)

    def test_figures_without_an_end_are_cut(self):
        cursors = iter(range(1, 1 << 40))
        row = self.GOOD_ROW[:10] + [None, [[(1 << 62) - 1, 1, 1, 1]] * 6, 0, 0, 0]
        self.fake.say['figures'] = lambda request: client.envelope(
            'answer', request, [1, [next(cursors), [row] * 512]])
        status, body = self.ask(f'/api/figures?plan={PLAN}&form=thang')
        self.assertEqual((status, body['error']), (502, 'too-large'))
        self.fake.say['figures'] = answering([5, []])
        self.assertEqual(self.ask(f'/api/figures?plan={PLAN}&form=thang')[0], 502)

    def test_frames_that_are_no_messages_end_the_questions(self):
        for frame in (b'', b'\xc1', b'x' * 1000, client.encode([2, 10, 1, []]),
                      client.encode([1, 10, 1]), b'\xdd\xff\xff\xff\xff', bytes(1 << 19)):
            self.fake.say['status'] = lambda request, frame=frame: frame
            self.assertIn(self.ask('/api/status')[0], (502, 503), frame[:20])
            harness.wait_until(lambda: self.web.request('/api/plans')[0] == 200)

    def test_other_types_and_refusals_are_errors(self):
        for frame, wanted in ((('receipts', []), 502), (('refused', []), 502),
                              (('refused', ['not-found', 'x']), 404),
                              (('refused', ['é' * 90, 'đ' * 600]), 502),
                              (('refused', ['not-permitted', '']), 403)):
            self.fake.say['status'] = lambda request, frame=frame: client.envelope(
                frame[0], request, frame[1])
            self.assertEqual(self.ask('/api/status')[0], wanted, frame)


@unittest.skipIf(MISSING, f'not installed: {" ".join(MISSING)}')
class Page(WebCase):
    @classmethod
    def setUpClass(cls):
        if not knows_localhost():
            raise unittest.SkipTest(
                'the driver of the browser needs the name localhost, which /etc/hosts lacks')
        super().setUpClass()
        options = Options()
        options.binary_location = CHROMIUM
        profile = tempfile.mkdtemp(dir=cls.folder)
        for flag in FLAGS + (f'--user-data-dir={profile}',):
            options.add_argument(flag)
        options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
        cls.browser = webdriver.Chrome(service=Service(CHROMEDRIVER), options=options)
        cls.addClassCleanup(cls.browser.quit)

    def wait(self, script, *arguments):
        """The value of a script once it is true; the page is asked, nothing sleeps for long."""
        limit = time.monotonic() + SEEN_SECONDS
        while True:
            value = self.browser.execute_script(f'return ({script})', *arguments)
            if value:
                return value
            if time.monotonic() > limit:
                raise TimeoutError(f'{script} {arguments} did not become true; live: '
                                   f'{self.browser.execute_script("return live.textContent")}')
            time.sleep(0.02)

    def text(self, unit, period, part=0):
        return self.browser.execute_script(
            'return cells.get(arguments[0])?.innerText.replace(/\\s+/g, " ").trim()',
            f'{part}|{unit}|{period}')

    def cell(self, unit, period, part=0):
        return self.browser.execute_script('return cells.get(arguments[0])',
                                           f'{part}|{unit}|{period}')

    def wait_text(self, unit, period, wanted, part=0):
        self.wait('cells.get(arguments[0])?.innerText.replace(/\\s+/g, " ").trim() === arguments[1]',
                  f'{part}|{unit}|{period}', wanted)

    def find(self, name):
        return self.browser.find_element(By.ID, name)

    def open_page(self, fragment=''):
        self.browser.get('about:blank')
        self.browser.get(self.web.url + fragment)
        self.browser.execute_script('localStorage.clear()')
        self.wait('typeof cells !== "undefined" && cells.size > 0')
        self.browser.execute_script('window.marker = "kept"')

    def setUp(self):
        self.open_page()

    def tearDown(self):
        self.assertEqual([entry for entry in self.browser.get_log('browser')
                          if entry['level'] == 'SEVERE'], [])

    def test_silent_units_and_coverage_stand_in_the_table(self):
        self.assertEqual(self.text(1, '2022-05'), '234 2/5')
        self.assertEqual(self.text(10, '2022-05'), '234 2/3')
        self.assertEqual(self.text(11, '2022-05'), '234 ✓ đúng hạn')
        self.assertEqual(self.text(12, '2022-04'), '7 ◔ trễ')
        self.assertEqual(self.text(12, '2022-05'), '∅ không phát sinh')
        self.assertEqual(self.text(13, '2022-05'), '○ chưa có')
        self.assertEqual(self.browser.find_elements(By.CSS_SELECTOR, '#matrix thead th')[1].text,
                         '2022-01')

    def act(self, kind, unit, period, revision=0):
        """An act by a reviewer of the city that must be taken."""
        key = key_of('reviewer 1')
        made = client.review(key, harness.next_counter(key), [
            client.act(kind, PLAN, 'thang', period, unit, revision, reason='vì thử')])
        with self.city.session(key) as session:
            outcome, = session.review(made)
        self.assertEqual(outcome.problems, [])

    def detail(self, unit, period, wanted):
        """The state in the dialog of a cell."""
        self.cell(unit, period).click()
        self.wait('document.querySelector("dialog dd")?.textContent === arguments[0]', wanted)
        self.find('close').click()

    def test_what_was_returned_exempted_or_waived_is_said(self):
        harness.publish(self.city, 'keys', 'reviewers', client.keys_text(
            [(key_of('reviewer 1').hex, CITY, 'reviewer', '2010-01-01', '', '')]))
        for unit, lop in ((11, 5), (12, 6)):
            self.send(unit, month_report(unit, '2022-01', lop))
        self.wait_text(11, '2022-01', '5 ◔ trễ')
        self.act('return', 11, '2022-01', 1)
        self.act('waive', 12, '2022-01')
        self.act('exempt', 13, '2022-01')
        self.wait_text(13, '2022-01', '◇ được miễn')
        self.assertEqual(self.text(11, '2022-01'), '↺ trả lại')
        self.assertEqual(self.text(12, '2022-01'), '6 ✓ đúng hạn')
        self.assertEqual(self.text(10, '2022-01'), '6 1/2')
        with self.subTest('and in a dialog'):
            self.detail(11, '2022-01', '↺ trả lại')
            self.detail(12, '2022-01', '✓ đúng hạn · đã bỏ qua trễ hạn')
            self.detail(13, '2022-01', '◇ được miễn')
        with self.subTest('in the legend, in both languages'):
            for words in ('↺ trả lại', '◇ được miễn'):
                self.assertIn(words, self.find('legend').text)
            self.find('language').click()
            for words in ('↺ returned', '◇ exempt'):
                self.assertIn(words, self.find('legend').text)
            self.assertEqual(self.text(13, '2022-01'), '◇ exempt')
            self.find('language').click()
        with self.subTest('where nobody is expected any more'):
            self.act('exempt', 21, '2022-07')
            self.act('exempt', 22, '2022-07')
            self.wait_text(20, '2022-07', '– 0/0')
            self.assertEqual(self.text(22, '2022-07'), '◇ được miễn')

    def test_made_up_figures_are_said_to_be(self):
        banner = self.find('synthetic')
        self.assertTrue(banner.is_displayed())
        self.assertIn('SYNTHETIC', banner.text)

    def test_another_field_other_form_and_proposed_duties(self):
        Select(self.find('field')).select_by_value('hoc-vien')
        self.assertEqual(self.text(11, '2022-05'), '~1.250.300 ✓ đúng hạn')
        self.assertEqual(self.text(12, '2022-04'), 'không áp dụng ◔ trễ')
        Select(self.find('field')).select_by_value('diem')
        self.assertEqual(self.text(11, '2022-05'), '8,5 ✓ đúng hạn')
        Select(self.find('plan')).select_by_value(PLAN)
        Select(self.find('form')).select_by_value('nam')
        self.wait_text(15, '2022', '○ chưa có', 1)
        self.assertEqual(self.browser.find_element(By.CSS_SELECTOR, 'th.part').text,
                         'Đề xuất, ngoài văn bản')
        self.assertEqual(self.text(10, '2022', 1), '– 0/1')

    def test_a_cell_opens_down_to_the_signature(self):
        self.cell(1, '2022-05').click()
        self.assertIn('2/5', self.find('detail').text)
        self.browser.find_element(By.XPATH, '//dialog//button[text()="Quận A"]').click()
        self.browser.find_element(By.XPATH, '//dialog//button[text()="Phường 1"]').click()
        self.wait('document.getElementById("detail").innerText.includes(arguments[0])',
                  key_of('ward 11').hex)
        text = self.find('detail').text
        for words in ('8,5', '1.250.300 (ước tính)', 'Đủ <b>số</b>', '✓ đúng hạn', 'Phường 1'):
            self.assertIn(words, text)
        self.find('close').click()
        self.assertFalse(self.find('detail').is_displayed())

    def test_the_keyboard_alone_goes_through_the_table(self):
        self.browser.execute_script('move(grid[0][0])')
        active = self.browser.switch_to.active_element
        for key in [Keys.ARROW_DOWN] * 2 + [Keys.ARROW_RIGHT] * 4:
            active.send_keys(key)
            active = self.browser.switch_to.active_element
        self.assertEqual(self.browser.execute_script(
            'const td = document.activeElement; return [td.unit.unit, td.label]'), [11, '2022-05'])
        active.send_keys(Keys.ENTER)
        self.wait('document.getElementById("detail").open')
        self.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
        self.assertEqual(self.browser.execute_script('return document.activeElement.label'),
                         '2022-05')
        self.assertEqual(len(self.browser.find_elements(By.CSS_SELECTOR, 'td[tabindex="0"]')), 1)

    def test_english_and_back(self):
        self.find('language').click()
        self.assertEqual(self.text(11, '2022-05'), '234 ✓ on time')
        self.assertEqual(self.browser.execute_script('return document.documentElement.lang'), 'en')
        Select(self.find('field')).select_by_value('hoc-vien')
        self.assertEqual(self.text(11, '2022-05'), '~1,250,300 ✓ on time')
        self.find('language').click()
        self.assertEqual(self.text(13, '2022-05'), '○ chưa có')

    def test_units_can_be_filtered_without_accents(self):
        self.find('filter').send_keys('phuong 2')
        self.assertFalse(self.cell(11, '2022-05').is_displayed())
        self.assertTrue(self.cell(12, '2022-05').is_displayed())

    def test_a_new_report_changes_its_cells_without_reload(self):
        self.assertEqual(self.text(22, '2022-03'), '○ chưa có')
        self.send(22, month_report(22, '2022-03', 41))
        self.wait_text(22, '2022-03', '41 ◔ trễ')
        self.assertEqual(self.text(20, '2022-03'), '41 1/2')
        self.assertEqual(self.text(1, '2022-03'), '41 1/5')
        self.assertEqual(self.browser.execute_script('return window.marker'), 'kept')
        self.assertIn('2022-03: 41 ◔ trễ', self.find('live').get_attribute('textContent'))

    def test_every_control_has_a_name_and_every_cell_a_header(self):
        unnamed = self.browser.execute_script('''
            return [...document.querySelectorAll('button, select, input, dialog, [role=region]')]
                .filter(one => !(one.innerText || one.ariaLabel || one.labels?.[0]?.innerText ||
                    one.getAttribute('aria-labelledby'))).map(one => one.outerHTML)''')
        self.assertEqual(unnamed, [])
        self.assertEqual(self.browser.execute_script(
            'return document.querySelectorAll("#matrix th:not([scope])").length'), 0)

    def test_a_node_that_went_is_said_and_found_again(self):
        self.city.kill()
        self.wait('!document.getElementById("down").hidden')
        self.assertIn('Nút không trả lời', self.find('down').text)
        self.assertEqual(self.text(11, '2022-05'), '234 ✓ đúng hạn')
        self.assertEqual(self.web.request('/api/status')[0], 503)
        self.city.start()
        self.wait('document.getElementById("down").hidden')
        self.send(13, month_report(13, '2022-02', 5))
        self.wait_text(13, '2022-02', '5 ◔ trễ')
        self.assertEqual(self.browser.execute_script('return window.marker'), 'kept')
        for entry in self.browser.get_log('browser'):
            self.assertIn('503', entry['message'])


if __name__ == '__main__':
    harness.main()
