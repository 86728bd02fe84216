#!/usr/bin/python3
"""Bounds of what waits: for a handshake, for a node that stands still, for a peer that does not read."""

import os
import signal
import socket
import time

import harness
from harness import CITY, client
from test_limits import LIMITS


class Waiting(harness.NodeCase):
    def setUp(self):
        self.city = self.node(f'city{len(self.daemons)}', CITY, clock='2022-06-01T08:00:00+07:00',
                              settings={'rate.messages': 0, 'rate.bytes': 0, 'rate.work': 0})
        harness.furnish(self.city)

    def test_a_connection_without_a_handshake(self):
        host, port = self.city.endpoint[len('tcp://'):].rsplit(':', 1)
        begun = time.monotonic()
        with socket.create_connection((host, int(port)), 60) as peer:
            while peer.recv(4096):  # the node's greeting, and then the end
                pass
        self.assertGreater(time.monotonic() - begun, LIMITS['LIMIT_HANDSHAKE_MS'] / 1000 - 0.5)

    def test_connections_that_nobody_takes(self):
        with open('/proc/sys/net/core/somaxconn', encoding='ascii') as file:
            held = min(LIMITS['LIMIT_BACKLOG'], int(file.read())) + 1  # Linux holds one more
        host, port = self.city.endpoint[len('tcp://'):].rsplit(':', 1)
        taken = 0
        self.city.process.popen.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.city.process.popen.pid, os.WSTOPPED)
        try:
            while taken <= held:  # one that is closed stays in the queue
                socket.create_connection((host, int(port)), 2).close()
                taken += 1
        except TimeoutError:
            pass
        finally:
            self.city.process.popen.send_signal(signal.SIGCONT)
        self.assertEqual(taken, held)
        with self.city.session() as session:
            session.status()

    def ask_for_much(self):
        """A peer that reads nothing of what it asked for, more than the system's buffers hold."""
        text = client.keys_text([
            (client.Key(i.to_bytes(32, 'big')).hex, 11, 'reporter', '2010-01-01', '', f'Number {i}')
            for i in range(1, 4001)])
        harness.publish(self.city, 'keys', 'many', text)
        peer = self.city.session()
        peer.socket.disconnect(self.city.endpoint)
        peer.socket.rcvhwm = 1
        peer.socket.rcvbuf = 4096
        peer.socket.connect(self.city.endpoint)
        count = LIMITS['LIMIT_ANSWERS_BYTES'] // len(text) - 1
        for _ in range(count):
            peer.send('get', ['keys', 'many'])
        made = client.publication(self.city.operator_key, 'keys', 'last', client.keys_text([]))
        peer.send('publish', [made.data, made.signature, False])
        harness.wait_for(self.city, lambda session: any(
            row[1] == 'last' for row in session.list()))  # all before it was answered
        return peer, count

    @staticmethod
    def read_rest(peer):
        count = 0
        try:
            while peer.receive(1).name == 'answer':
                count += 1
        except client.Timeout:
            pass
        return count

    def test_a_stop_waits_for_who_does_not_read_and_then_drops_the_rest(self):
        peer, count = self.ask_for_much()
        with peer:
            begun = time.monotonic()
            self.city.stop()
            self.assertGreaterEqual(time.monotonic() - begun, LIMITS['LIMIT_LINGER_MS'] / 1000)
            self.assertLess(self.read_rest(peer), count)

    def test_a_stop_waits_for_who_reads_meanwhile(self):
        peer, count = self.ask_for_much()
        with peer:
            self.city.process.popen.send_signal(signal.SIGTERM)
            self.city.wait_said('STOPPING=1')
            self.assertEqual(self.read_rest(peer), count)
            self.city.stop()


if __name__ == '__main__':
    harness.main()
