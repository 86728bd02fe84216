#!/usr/bin/python3
"""Full maps, full disks and settings that are read again: on real file systems, and undone again."""

import fcntl
import os
import signal
import subprocess
import time
import unittest

import harness
from harness import CITY, EXIT_CONFIG, EXIT_IO, client, key_of, month_report

MIB = 1 << 20
RESUME_SECONDS = 30
EXT4_IOC_SHUTDOWN, NO_FLUSH = 0x8004587d, 2
WARD = key_of('ward 11')
SHIM = os.path.join(harness.nodes.BUILD, 'tests', 'functional', 'libshim.so')


def filler(number):
    """A report of about 4 kB that replaces the one before."""
    return month_report(11, '2022-01', number % 1000, revision=number + 1,
                        note=f'{number} ' + 'đ' * 500)


def run(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise unittest.SkipTest(f'{" ".join(arguments)}: {done.stderr.strip()}')


class LostPages(harness.NodeCase):
    """
    What a read error of the disk is to a process that has mapped the file: SIGBUS. A page behind the
    end of a file that was cut short is the same.
    """

    def assert_words(self, state, said):
        self.assertIn(f'critical store-error: a page of the store in {state} cannot be read', said)
        self.assertIn('restore a copy', said)

    def copy(self, path):
        with open(path, 'rb') as file:
            return file.read()

    def put_back(self, path, data):
        with open(path, 'r+b') as file:
            file.write(data)

    def test_a_node_that_cannot_read_a_page_says_so_and_ends_with_74(self):
        self.loses('baocao.mdb')

    def test_nor_one_of_its_journal(self):
        self.loses('baocao.journal')

    def loses(self, name):
        """A node that runs, and is asked for what lies there."""
        daemon = self.node(f'lost-{name}', CITY, settings={'map_size': '2M'})
        harness.furnish(daemon)
        made, outcome = harness.submit(daemon, 11, month_report(11, '2022-02', 7))
        self.assertEqual(harness.differences(daemon), 0)  # the tables know all of it
        path = os.path.join(daemon.state, name)
        whole = self.copy(path)
        os.truncate(path, 0)
        with daemon.session(WARD, timeout=2.0) as session:
            with self.assertRaises(client.Timeout):
                session.submit(made)
        self.assertEqual(daemon.process.wait(harness.STOP_SECONDS), EXIT_IO)
        self.assert_words(daemon.state, daemon.log())
        harness.wait_until(lambda: 'cannot be read; nothing more is acknowledged'
                           in daemon.notify.status())
        self.put_back(path, whole)
        daemon.start()
        with daemon.session(WARD) as session:
            again, = session.submit(made)
        self.assertEqual(again.receipt.data, outcome.receipt.data)

    def ended(self, daemon, cut, *arguments):
        """Runs the program, which loses that file once it has it open."""
        done = subprocess.run(
            [harness.BAOCAOD, '--config', daemon.settings_path, *arguments], text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=harness.START_SECONDS, check=False,
            env={**os.environ, 'LD_PRELOAD': SHIM, 'SHIM_CUT': cut,
                 'ASAN_OPTIONS': 'verify_asan_link_order=0:detect_leaks=0'})
        self.assertEqual(done.returncode, EXIT_IO, done.stderr)
        self.assert_words(daemon.state, done.stderr)

    def test_so_does_each_of_its_other_modes(self):
        harness.need_binaries(SHIM)
        daemon = harness.Daemon(self.folder, 'modes', CITY, self.operator)
        self.ended(daemon, os.path.join(daemon.state, 'new', 'baocao.mdb'), '--init', '--operator',
                   daemon.operator)
        daemon.init()
        path = os.path.join(daemon.state, 'baocao.mdb')
        whole = self.copy(path)
        for arguments in ([], ['--rebuild'], ['--restored']):
            with self.subTest(arguments):
                self.ended(daemon, path, *arguments)
                self.put_back(path, whole)
        self.daemons.append(daemon)
        daemon.start()

    def test_so_does_a_start_that_cannot_read_the_journal(self):
        harness.need_binaries(SHIM)
        daemon = self.node('journal', CITY)
        harness.furnish(daemon)
        made, outcome = harness.submit(daemon, 11, month_report(11, '2022-02', 7))
        daemon.kill()
        path = os.path.join(daemon.state, 'baocao.journal')
        whole = self.copy(path)
        self.ended(daemon, path)
        self.put_back(path, whole)
        daemon.start()
        with daemon.session(WARD) as session:
            again, = session.submit(made)
        self.assertEqual(again.receipt.data, outcome.receipt.data)


class Disk(harness.NodeCase):
    def setUp(self):
        self.mounted = []
        self.addCleanup(self.end)

    def end(self):
        for daemon in self.daemons:
            daemon.close()
        self.daemons.clear()
        for folder in self.mounted:
            subprocess.run(['umount', folder], check=False)

    def mount(self, *arguments):
        """A folder that is a file system of its own."""
        if os.geteuid() != 0:
            raise unittest.SkipTest('mounting a small file system needs root')
        folder = os.path.join(self.folder, f'mount{time.monotonic_ns()}')
        os.mkdir(folder)
        run('mount', *arguments, folder)
        self.mounted.append(folder)
        return folder

    def loop(self, kind, mib):
        """A file system of that kind in a file."""
        image = os.path.join(self.folder, f'image{time.monotonic_ns()}')
        with open(image, 'wb') as file:
            file.truncate(mib * MIB)
        run(f'/sbin/mkfs.{kind}', '-q', '-F', '-m', '0', image)
        return self.mount('-o', 'loop', image)

    def ward_node(self, name, start=True, folder=None, **settings):
        if folder:
            settings['state'] = os.path.join(folder, name)
            os.mkdir(settings['state'], 0o700)
        daemon = self.node(name, CITY, start=start, settings=settings)
        if start:
            harness.furnish(daemon)
        return daemon

    def fill(self, daemon):
        """Sends until the store is full; what was receipted, and the words of the refusal."""
        receipted = []
        with daemon.session(WARD) as session:
            while True:
                made = client.submission(WARD, harness.next_counter(WARD),
                                         [filler(len(receipted))])
                try:
                    outcome, = session.submit(made)
                except client.Refused as refused:
                    self.assertEqual(refused.code, 'store-full')
                    return receipted, made, refused.detail
                self.assertIsNotNone(outcome.receipt, outcome.problems)
                receipted.append((made, outcome.receipt.data))

    def receipted_within(self, daemon, made, seconds):
        """Sends again until there is a receipt; how long that took."""
        begin = time.monotonic()
        with daemon.session(WARD, timeout=1.0) as session:
            while True:
                try:
                    outcome, = session.submit(made)
                    self.assertIsNotNone(outcome.receipt, outcome.problems)
                    return
                except (client.Refused, client.Timeout):
                    self.assertLess(time.monotonic() - begin, seconds)
                    time.sleep(0.1)

    def assert_held(self, daemon, receipted):
        with daemon.session(WARD) as session:
            for made, receipt in receipted[-20:] + receipted[:20]:
                outcome, = session.submit(made)
                self.assertEqual(outcome.receipt.data, receipt)
        self.assertEqual(harness.differences(daemon), 0)

    def reload(self, daemon, **settings):
        """Returns when the node is ready again; what it logged meanwhile."""
        before = len(daemon.log())
        daemon.settings.update(settings)
        daemon.write_settings()
        ready = daemon.notify.said.count('READY=1')
        daemon.process.popen.send_signal(signal.SIGHUP)
        harness.wait_until(lambda: daemon.notify.said.count('READY=1') > ready)
        return daemon.log()[before:]

    def test_the_space_of_the_map_is_reserved_when_the_store_is_made(self):
        daemon = self.ward_node('reserved', start=False, map_size='3M')
        status = os.stat(os.path.join(daemon.state, 'baocao.mdb'))
        self.assertEqual(status.st_size, 3 * MIB)
        self.assertGreaterEqual(status.st_blocks * 512, 3 * MIB)

    def test_a_larger_or_smaller_map_is_reserved_or_given_back_at_the_next_start(self):
        daemon = self.ward_node('resized', map_size='2M')
        path = os.path.join(daemon.state, 'baocao.mdb')
        for size, bytes_expected in (('5M', 5 * MIB), ('3M', 3 * MIB)):
            daemon.settings['map_size'] = size
            daemon.write_settings()
            daemon.restart()
            self.assertEqual(os.stat(path).st_size, bytes_expected)
            self.assertEqual(harness.differences(daemon), 0)
        harness.submit(daemon, 11, month_report(11, '2022-02', 1))

    def test_a_map_that_the_disk_has_no_room_for_is_refused_with_figures_and_leaves_nothing(self):
        folder = self.mount('-t', 'tmpfs', '-o', 'size=4M', 'none')
        daemon = harness.Daemon(self.folder, 'toolarge', CITY, self.operator,
                                settings={'map_size': '64M', 'state': folder})
        done = daemon.run('--init', '--operator', daemon.operator)
        self.assertEqual(done.returncode, EXIT_CONFIG)
        for words in (folder, 'no room', 'map_size of 67108864', 'free space there'):
            self.assertIn(words, done.stderr)
        self.assertEqual(os.listdir(folder), [])
        daemon.settings['map_size'] = '1M'
        daemon.write_settings()
        daemon.init()

    def test_a_disk_that_others_fill_does_a_reserved_store_no_harm(self):
        folder = self.mount('-t', 'tmpfs', '-o', 'size=8M', 'none')
        daemon = self.ward_node('neighbour', folder=folder, map_size='4M')
        with open(os.path.join(folder, 'other'), 'wb', buffering=0) as file:
            with self.assertRaises(OSError):
                while True:
                    file.write(bytes(4096))
        for month in range(1, 10):
            _, outcome = harness.submit(daemon, 11, month_report(11, f'2022-0{month}', month))
            self.assertIsNotNone(outcome.receipt)
        with daemon.session(timeout=20) as session:
            self.assertLess(session.status()['map_used'], 4 * MIB)
            # A recount has no room beside it, and says so; nothing ends.
            for question in (session.verify, lambda: session.query(
                    'as-of', client.now_ms(), 13, [harness.PLAN, '', '', 0, 0])):
                with self.assertRaisesRegex(client.Refused, 'store-full: .* no room'):
                    question()
        daemon.stop()
        # The file of locks of the tables is in no copy; it is mapped, and made with its space.
        os.unlink(os.path.join(daemon.settings['state'], 'baocao.mdb-lock'))
        with open(os.path.join(folder, 'other'), 'ab', buffering=0) as file:
            with self.assertRaises(OSError):
                while True:
                    file.write(bytes(4096))
        done = daemon.run()
        self.assertEqual(done.returncode, EXIT_CONFIG, done.stderr)
        self.assertIn('no room for the store', done.stderr)
        os.unlink(os.path.join(folder, 'other'))
        daemon.start()

    def test_what_the_disk_has_no_space_for_in_the_journal_goes_to_the_tables(self):
        folder = self.mount('-t', 'tmpfs', '-o', 'size=16M', 'none')
        daemon = self.ward_node('nojournal', folder=folder, map_size='6M')
        journal = os.path.join(daemon.settings['state'], 'baocao.journal')
        with open(os.path.join(folder, 'other'), 'wb', buffering=0) as file:
            with self.assertRaises(OSError):
                while True:
                    file.write(bytes(4096))
        size = os.stat(journal).st_size
        receipted = []
        with daemon.session(WARD) as session:
            for number in range(600):
                made = client.submission(WARD, harness.next_counter(WARD), [filler(number)])
                outcome, = session.submit(made)
                self.assertIsNotNone(outcome.receipt, outcome.problems)
                receipted.append((made, outcome.receipt.data))
            self.assertGreater(session.status()['journal_used'], size / 2)
        self.assertEqual(os.stat(journal).st_size, size)
        self.assertEqual(daemon.log().count('warning journal-full: '), 1)
        daemon.kill()
        daemon.start()
        os.unlink(os.path.join(folder, 'other'))  # a recount takes some
        self.assert_held(daemon, receipted)

    def test_a_full_map_refuses_with_words_and_goes_on_after_a_reload(self):
        daemon = self.ward_node('full', map_size='1M')
        receipted, made, words = self.fill(daemon)
        self.assertIn('try again later', words)
        self.assertIn('enlarge map_size', words)
        self.assertGreater(len(receipted), 20)
        self.wait_status(daemon, 'the store is full')
        entries = self.entries(daemon)
        self.assert_is_still_asked(daemon)
        self.assertIn('map_size has its new value', self.reload(daemon, map_size='8M'))
        with daemon.session() as session:
            session.report(harness.PLAN, 'thang', '2022-01', 11)  # at once
        self.assertIn('RELOADING=1', daemon.notify.said)
        self.assertTrue(any(line.startswith('MONOTONIC_USEC=') for line in daemon.notify.said))
        self.receipted_within(daemon, made, RESUME_SECONDS)
        self.assertEqual(self.entries(daemon), entries + 1)
        self.wait_status(daemon, 'entries, clock')
        self.assert_held(daemon, receipted)

    def assert_is_still_asked(self, daemon):
        """All that was taken is in the tables, and neither file has more than a map of the disk."""
        with daemon.session() as session:
            self.assertIsNotNone(session.report(harness.PLAN, 'thang', '2022-01', 11))
            self.assertIsNotNone(session.figures(harness.PLAN))
            self.assertGreater(session.status()['journal_used'], MIB // 2)
        for name in ('baocao.mdb', 'baocao.journal'):
            status = os.stat(os.path.join(daemon.state, name))
            self.assertLessEqual(status.st_blocks * 512, MIB)

    def wait_status(self, daemon, words):
        """The answer goes out first: the manager is told a moment later."""
        harness.wait_until(lambda: words in daemon.notify.status())

    def entries(self, daemon):
        with daemon.session() as session:
            return session.status()['entries']

    def test_a_full_disk_refuses_with_words_and_the_node_goes_on_when_there_is_space(self):
        # ext2 cannot reserve: there a map may be larger than the disk.
        folder = self.loop('ext2', 20)
        ballast = os.path.join(folder, 'ballast')
        with open(ballast, 'wb') as file:
            file.write(bytes(17 * MIB))
        daemon = self.ward_node('fulldisk', folder=folder, map_size='64M')
        receipted, made, words = self.fill(daemon)
        self.assertIn('disk is full', words)
        self.assertIn('try again later', words)
        self.wait_status(daemon, f'the disk under {daemon.settings["state"]} is full')
        with daemon.session() as session:
            self.assertEqual(session.status()['entries'], len(receipted) + 4)
        process = daemon.process.popen.pid
        os.unlink(ballast)
        self.receipted_within(daemon, made, RESUME_SECONDS)
        self.assertEqual(daemon.process.popen.pid, process)
        self.wait_status(daemon, 'entries, clock')
        self.assert_held(daemon, receipted)

    def test_what_a_reload_cannot_take_over_is_named_and_keeps_its_value(self):
        daemon = self.ward_node('kept', map_size='4M')
        endpoint = daemon.settings['listen']
        log = self.reload(daemon, listen=harness.nodes.new_endpoint(), map_size='2M',
                          batch_messages=7)
        self.assertIn('listen: it takes a restart', log)
        self.assertIn('map_size: a store is not made smaller', log)
        self.assertIn('batch_messages has its new value', log)
        daemon.settings['listen'] = endpoint
        log = self.reload(daemon, map_size='4T')
        self.assertIn(f'{daemon.settings_path}:', log)
        self.assertIn('map_size: is not a size', log)
        with daemon.session() as session:
            self.assertEqual(session.status()['map_bytes'], 4 * MIB)

    def test_a_reload_that_the_disk_has_no_room_for_is_refused_with_figures(self):
        folder = self.mount('-t', 'tmpfs', '-o', 'size=8M', 'none')
        daemon = self.ward_node('noreload', folder=folder, map_size='4M')
        log = self.reload(daemon, map_size='64M')
        self.assertIn('more bytes are needed', log)
        self.assertIn(folder, log)
        harness.submit(daemon, 11, month_report(11, '2022-02', 1))
        with daemon.session() as session:
            self.assertEqual(session.status()['map_bytes'], 4 * MIB)

    def test_a_power_cut_keeps_every_receipted_report(self):
        folder = self.loop('ext4', 32)
        daemon = self.ward_node('power', folder=folder, map_size='8M')
        with daemon.session(WARD) as session:
            receipted = []
            for number in range(100):
                made = client.submission(WARD, harness.next_counter(WARD), [filler(number)])
                outcome, = session.submit(made)
                receipted.append((made, outcome.receipt.data))
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, NO_FLUSH.to_bytes(4, 'little'))
        finally:
            os.close(descriptor)
        daemon.kill()
        run('umount', folder)
        image = os.path.join(self.folder, sorted(
            name for name in os.listdir(self.folder) if name.startswith('image'))[-1])
        run('mount', '-o', 'loop', image, folder)
        daemon.start()
        self.assertEqual(self.entries(daemon), 104)
        self.assert_held(daemon, receipted)


if __name__ == '__main__':
    harness.main()
