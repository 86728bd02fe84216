"""What hostile peers do, each in a process of its own: attackers.py NAME ENDPOINT NODE KEY SECONDS.

NODE and KEY are the node's public and the attacker's secret key in hexadecimal digits. At the end
it prints how often it did what it does.
"""

import errno
import os
import socket
import sys
import threading
import time

import zmq
from nacl import bindings as box

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', '..', 'clients', 'python'))
sys.dont_write_bytecode = True
import baocao_client as client  # noqa: E402

GREETING = b'\xff' + bytes(8) + b'\x7f\x03\x00' + b'CURVE'.ljust(20, b'\0') + bytes(32)


class Attack:
    """One attacker: where the node is, and until when it is attacked."""

    def __init__(self, endpoint, node, key, seconds):
        self.endpoint = endpoint
        self.node = bytes.fromhex(node)
        self.key = client.Key(bytes.fromhex(key))
        self.until = time.monotonic() + seconds
        self.context = zmq.Context()
        host, port = endpoint[len('tcp://'):].rsplit(':', 1)
        self.address = host, int(port)
        self.count = 0

    def lasts(self):
        return time.monotonic() < self.until

    def dealer(self, key=None, endpoint=None, **options):
        """A DEALER with a key (of nobody: without CURVE), connected."""
        dealer = self.context.socket(zmq.DEALER)
        dealer.linger = 0
        dealer.reconnect_ivl = 10
        for name, value in options.items():
            setattr(dealer, name, value)
        if key is not None:
            public, secret = key.curve_pair()
            dealer.curve_publickey = zmq.utils.z85.encode(public)
            dealer.curve_secretkey = zmq.utils.z85.encode(secret)
            dealer.curve_serverkey = zmq.utils.z85.encode(client.curve_public(self.node))
        dealer.connect(endpoint or self.endpoint)
        return dealer

    def raw(self, wait=1.0):
        return socket.create_connection(self.address, wait)

    # Without a key ------------------------------------------------------------------------------

    def silent(self, held=3000):
        """Connections that say nothing, as many as held at a time; closed ones are opened again."""
        connections = []
        while self.lasts():
            try:
                connections.append(socket.create_connection(self.address, 0.2))
                self.count += 1
            except OSError:
                time.sleep(0.01)
            if len(connections) > held:
                connections.pop(0).close()

    def slow_greeting(self):
        """A hundred handshakes, one byte at a time."""
        peers = []
        while self.lasts():
            if len(peers) < 100:
                peers.append([self.raw(), 0])
            for peer in list(peers):
                try:
                    peer[0].sendall(GREETING[peer[1]:peer[1] + 1])
                    peer[1] += 1
                    self.count += 1
                except OSError:
                    peers.remove(peer)
                if peer[1] == len(GREETING):
                    peers.remove(peer)
            time.sleep(0.05)

    def said(self, *texts):
        """Connects, says one of these after the other, and waits for the end or a moment."""
        while self.lasts():
            for text in texts:
                try:
                    with self.raw(0.3) as peer:
                        peer.sendall(text)
                        peer.settimeout(0.05)
                        while peer.recv(4096):
                            pass
                except OSError:
                    pass
                self.count += 1

    def garbage(self):
        self.said(os.urandom(64), os.urandom(65536), b'\xff' * 10000, bytes(10000), b'')

    def wrong_protocol(self):
        """HTTP, TLS, ZMTP 1 and 2, and ZMTP 3 with the mechanisms NULL and PLAIN."""
        tls = bytes.fromhex('1603010200010001fc0303') + os.urandom(300)
        zmtp1 = b'\x01\x00' + b'\x05\x00data'
        zmtp2 = b'\xff' + bytes(8) + b'\x7f\x01\x05\x00\x00' + b'\x00\x04data'
        null = GREETING.replace(b'CURVE', b'NULL\0') + b'\x04\x19\x05READY\x0bSocket-Type\0\0\0\x06DEALER'
        plain = GREETING.replace(b'CURVE', b'PLAIN') + b'\x04\x0a\x05HELLO\x01a\x01b'
        self.said(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n', tls, zmtp1, zmtp2, null, plain)

    def huge_headers(self):
        """After the greeting a command of 2^62 bytes, of 2 MiB and one of the first kind in parts."""
        self.said(GREETING + b'\x06' + (1 << 62).to_bytes(8, 'big') + b'x' * 1000,
                  GREETING + b'\x06' + (2 << 20).to_bytes(8, 'big') + b'x' * (1 << 20),
                  GREETING + b'\x02' + ((1 << 63) - 1).to_bytes(8, 'big') + b'x' * 1000,
                  GREETING + b'\x06' + b'\xff' * 8)

    def unregistered(self):
        """New keys that nobody enrolled, each through a whole handshake, with 20 at a time."""
        dealers = []
        while self.lasts():
            try:
                dealers.append(self.dealer(client.Key.new()))
                self.count += 1
            except zmq.ZMQError as error:
                if error.errno != errno.EMFILE:
                    raise
                time.sleep(0.01)  # what was closed is not gone at once
            if len(dealers) > 20:
                dealers.pop(0).close()

    # With an enrolled key -----------------------------------------------------------------------

    def flood_with(self, frames, connections):
        """Sends the same frames on all connections as fast as they go; answers are read."""
        dealers = [self.dealer(self.key) for _ in range(connections)]
        while self.lasts():
            sent = False
            for dealer in dealers:
                try:
                    dealer.send_multipart(frames, zmq.DONTWAIT)
                    self.count += 1
                    sent = True
                except zmq.Again:
                    pass
                try:
                    for _ in range(10):
                        dealer.recv(zmq.DONTWAIT)
                except zmq.Again:
                    pass
            if not sent:
                time.sleep(0.001)

    def flood_small(self):
        self.flood_with([client.envelope('status', 1, [])], 20)

    def flood_questions(self):
        """The longest answers that there are."""
        self.flood_with([client.envelope('figures', 1, ['kt-2022', '', '2022', 0, 0])], 20)

    def flood_keys(self):
        """Questions of some milliseconds each."""
        self.flood_with([client.envelope('keys', 1, [])], 20)

    def flood_submissions(self):
        """Messages of 1 MiB: 64 submissions with wrong signatures."""
        reports = [client.report('kt-2022', 'thang', '2022-01', 11, {'lop': 1}, note='x' * 50)] * 170
        made = client.submission(self.key, 1, reports)
        frame = client.envelope('submit', 1, [[made.data, bytes(64), 0]] * 64)
        self.flood_with([frame], 5)

    def replay(self):
        """The same submission again and again."""
        made = client.submission(self.key, 1000001, [
            client.report('kt-2022', 'thang', '2022-03', 12, {'lop': 1})])
        self.flood_with([client.envelope('submit', 1, [[made.data, made.signature, 0]])], 3)

    def replay_connection(self):
        """What an honest connection said, encrypted as it was, again on another connection."""
        said = []
        recorder = Relay(self.address, up=said.append)
        dealer = self.dealer(self.key, recorder.endpoint)
        dealer.send(client.envelope('status', 1, []))
        dealer.poll(5000)
        self.said(b''.join(said))

    def multipart(self):
        """One message without an end; libzmq itself would send nothing of it before its end."""
        part = bytes(1 << 20)
        while self.lasts():
            try:
                with self.raw(0.3) as peer:
                    peer.settimeout(5)
                    raw = RawCurve(peer, self.key, self.node)
                    while self.lasts():
                        raw.send(part, more=True)
                        self.count += 1
            except OSError:
                time.sleep(0.01)

    def many_parts(self):
        """Messages of 1,000 parts."""
        self.flood_with([b'x'] * 1000, 5)

    def too_large(self):
        """Frames above what the node reads: the connection ends, and is made again."""
        self.flood_with([bytes(3 << 20)], 5)

    def huge_message(self):
        """After the handshake the header of a frame of 2 MiB, or of 2^62, and then silence."""
        while self.lasts():
            for size in (2 << 20, 1 << 62):
                relay = Relay(self.address)
                dealer = self.dealer(self.key, relay.endpoint, reconnect_ivl=-1)
                dealer.send(client.envelope('status', 1, []))
                dealer.poll(2000)
                relay.inject(b'\x02' + size.to_bytes(8, 'big') + b'x' * 100)
                self.count += 1

    def slow_reader(self):
        """Asks for the longest text on 20 connections and never reads an answer."""
        question = client.envelope('get', 1, ['keys', 'many'])
        dealers = [self.dealer(self.key, rcvhwm=1, rcvbuf=4096, sndhwm=10) for _ in range(20)]
        while self.lasts():
            sent = False
            for dealer in dealers:
                try:
                    dealer.send(question, zmq.DONTWAIT)
                    self.count += 1
                    sent = True
                except zmq.Again:
                    pass
            if not sent:
                time.sleep(0.001)

    def slow_writer(self):
        """Whole messages on 20 connections, one byte at a time after the handshake."""
        relays = [Relay(self.address) for _ in range(20)]
        dealers = [self.dealer(self.key, relay.endpoint) for relay in relays]
        for dealer, relay in zip(dealers, relays):
            dealer.send(client.envelope('status', 1, []))
            dealer.poll(2000)
            relay.pause = 0.02
        while self.lasts():
            for dealer in dealers:
                dealer.send(client.envelope('status', 2, []))
                self.count += 1
            time.sleep(0.1)

    def connects(self):
        """
        Handshakes one after the other, each on a connection of its own that is closed then; from the
        first one that is not let in on for three more seconds.
        """
        begun = time.monotonic()
        refused = 0
        while self.lasts():
            with self.raw(0.3) as peer:
                try:
                    RawCurve(peer, self.key, self.node)
                    self.count += 1
                except OSError:
                    self.until = self.until if refused else time.monotonic() + 3
                    refused += 1
        print(f'refused {refused}')
        print(f'ms {int((time.monotonic() - begun) * 1000)}')

    def forged_ids(self):
        """The id of the honest client, none, and one of 255 bytes; answers to it are told."""
        stolen = 0
        while self.lasts():
            for name in (b'honest', b'', b'\xff' * 255):
                options = {'routing_id': name} if name else {}
                dealer = self.dealer(self.key, **options)
                dealer.send(client.envelope('status', 7, []))
                while dealer.poll(20):
                    stolen += client.open_envelope(dealer.recv()).request != 7
                dealer.close()
                self.count += 1
        print(f'stolen {stolen}')


class RawCurve:
    """A CURVE client of its own (ZMTP 3.1, RFC 26), for what libzmq would not send."""

    def __init__(self, peer, key, node):
        self.peer = peer
        self.nonce = 0
        server = client.curve_public(node)
        public, secret = key.curve_pair()
        short_public, short_secret = box.crypto_box_keypair()
        peer.sendall(GREETING)
        self._exactly(64)
        nonce = self._next()
        self.frame(b'\x05HELLO\x01\x00' + bytes(72) + short_public + nonce +
                   box.crypto_box(bytes(64), b'CurveZMQHELLO---' + nonce, server, short_secret))
        welcome = self.read()
        welcome = box.crypto_box_open(welcome[24:], b'WELCOME-' + welcome[8:24], server,
                                      short_secret)
        self.shared = box.crypto_box_beforenm(welcome[:32], short_secret)
        vouch_nonce = os.urandom(16)
        vouch = vouch_nonce + box.crypto_box(short_public + server, b'VOUCH---' + vouch_nonce,
                                             welcome[:32], secret)
        nonce = self._next()
        self.frame(b'\x08INITIATE' + welcome[32:] + nonce + box.crypto_box_afternm(
            public + vouch + b'\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0',
            b'CurveZMQINITIATE' + nonce, self.shared))
        self.read()

    def _next(self):
        self.nonce += 1
        return self.nonce.to_bytes(8, 'big')

    def _exactly(self, size):
        data = b''
        while len(data) < size:
            more = self.peer.recv(size - len(data))
            if not more:
                raise ConnectionError('the node has closed the connection')
            data += more
        return data

    def frame(self, body, flags=4):
        size = len(body)
        head = bytes([flags, size]) if size < 256 else bytes([flags | 2]) + size.to_bytes(8, 'big')
        self.peer.sendall(head + body)

    def read(self):
        flags = self._exactly(1)[0]
        return self._exactly(int.from_bytes(self._exactly(8 if flags & 2 else 1), 'big'))

    def send(self, data, more=False):
        nonce = self._next()
        self.frame(b'\x07MESSAGE' + nonce + box.crypto_box_afternm(
            bytes([more]) + data, b'CurveZMQMESSAGEC' + nonce, self.shared), 0)


class Relay:
    """Passes bytes between one libzmq client and the node; can slow, record and forge them."""

    def __init__(self, address, up=None):
        self.address = address
        self.up = up
        self.pause = 0.0
        self.node = None
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.endpoint = 'tcp://127.0.0.1:%d' % self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            peer, _ = self.listener.accept()
            self.node = socket.create_connection(self.address)
            self.node.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pass, args=(self.node, peer, None), daemon=True).start()
            threading.Thread(target=self._pass, args=(peer, self.node, self.up),
                             daemon=True).start()

    def _pass(self, source, target, told):
        try:
            while data := source.recv(65536):
                if told:
                    told(data)
                step = 1 if self.pause and target is self.node else len(data)
                for at in range(0, len(data), step):
                    target.sendall(data[at:at + step])
                    time.sleep(self.pause)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def inject(self, data):
        try:
            self.node.sendall(data)
        except (OSError, AttributeError):
            pass


def main():
    name, endpoint, node, key, seconds = sys.argv[1:6]
    attack = Attack(endpoint, node, key, float(seconds))
    getattr(attack, name)(*map(int, sys.argv[6:]))
    print(f'did {attack.count}', flush=True)
    os._exit(0)  # threads and sockets of thousands of connections end with the process


if __name__ == '__main__':
    main()
