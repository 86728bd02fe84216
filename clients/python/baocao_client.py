#!/usr/bin/python3
"""A small client of the protocol, written from docs/protocol.md and nothing else.

It shows that a ward tool can be made without this project's libraries, and the tests use it as
the independent voice: what it computes from a node's public key is not what the node says of
itself. It keeps no outbox; a program that must not lose a report keeps counter and bytes first.

Names in brackets below, such as "Signed bytes", are headings of docs/protocol.md.
"""

import argparse
import base64
import datetime
import hashlib
import os
import re
import sys
import time
from typing import NamedTuple

import msgpack
import nacl.bindings
import nacl.exceptions
import zmq
import zmq.utils.z85

VERSION = 1
MESSAGE_BYTES_MAX = 1 << 20
FRAME_BYTES_MAX = 2 << 20
DEPTH_MAX = 8
REQUESTS_MAX = 4096  # of a session, whose submissions it remembers

# "Envelope": the numbers of the messages.
TYPES = {
    'submit': 1, 'receipts': 2, 'rollup': 3, 'rollup-ack': 4, 'hello': 5, 'welcome': 6,
    'publish': 7, 'published': 8, 'status': 9, 'answer': 10, 'list': 11, 'get': 12,
    'figures': 13, 'report': 14, 'receipt': 15, 'watch': 16, 'event': 17, 'verify': 18,
    'keys': 19, 'clock': 20, 'review': 21, 'obligations': 22, 'explain': 23, 'targets': 24,
    'scores': 25, 'nested': 26, 'as-of': 27, 'key-act': 28, 'checkpoint': 29, 'prove': 30,
    'consistency': 31, 'witness': 32,
    'cosigned': 33, 'refused': 99,
}
TYPE_NAMES = {number: name for name, number in TYPES.items()}

# "Roles".
ROLES = {'operator': 1, 'reporter': 2, 'collector': 3, 'carrier': 4, 'node': 5, 'reader': 6,
         'reviewer': 7, 'invited': 8}

# "Judgements and refusals".
CODES = {
    'accepted': 0, 'accepted-on-time': 1, 'accepted-late': 2,
    'unknown-plan': 16, 'unknown-form': 17, 'unknown-period': 18, 'unknown-unit': 19,
    'unit-not-valid': 20, 'not-your-unit': 21, 'no-obligation': 22, 'unknown-field': 23,
    'wrong-type': 24, 'out-of-range': 25, 'overflow': 26, 'missing-field': 27,
    'stale-revision': 28, 'reason-missing': 29, 'nil-with-values': 30, 'constraint': 31,
    'closed': 32, 'act-not-possible': 33,
    'malformed': 64, 'protocol-version': 65, 'unknown-type': 66, 'too-large': 67,
    'unknown-key': 68, 'not-permitted': 69, 'wrong-sender': 70, 'bad-signature': 71,
    'id-conflict': 72, 'stale-publication': 73, 'bad-text': 74, 'incompatible': 75,
    'not-found': 76, 'not-synthetic': 77, 'store-full': 78, 'store-failed': 79, 'busy': 80, 'gap': 81,
    'key-revoked': 82, 'key-taken': 83, 'later': 84, 'rewritten': 85,
}
CODE_NAMES = {number: name for name, number in CODES.items()}
JUDGEMENT_REFUSED_MIN = 16

KINDS = {1: 'init', 2: 'publication', 3: 'submission', 4: 'rollup', 5: 'review', 6: 'key-act'}
ENTRY_OF_MESSAGE = {'submit': 3, 'review': 5}
# "Review": the kinds of acts; "Rollup": the states and flags of a cell.
ACTS = {'accept': 1, 'return': 2, 'withdraw': 3, 'waive': 4, 'extend': 5, 'exempt': 6,
        'close': 7, 'reopen': 8}
STATUSES = ('none', 'received', 'accepted', 'returned', 'withdrawn')
FLAG_NIL, FLAG_EXEMPT, FLAG_WAIVED, FLAG_CLOSED, FLAG_REOPENED = 1, 2, 4, 8, 16
SECRET_PREFIX = 'baocao-secret-key-1 '
# "Key act".
KEY_ACTS = {'invite': 1, 'replace': 2, 'revoke': 3}
TOKEN_PREFIX = 'baocao-token-1.'


class ProtocolError(Exception):
    """The peer sent something that docs/protocol.md does not allow."""


class VerificationError(Exception):
    """A signature, a receipt or a path does not prove what it should."""


class Timeout(Exception):
    """Nothing came in time. The message may or may not have arrived."""


class Refused(Exception):
    """The node answered with `refused`."""

    def __init__(self, code, detail):
        super().__init__(f'{code}: {detail}')
        self.code = code
        self.detail = detail

    @property
    def wait(self):
        """Seconds after which to send again what was refused with `later`."""
        return int(self.detail.split()[0]) / 1000


# "Notation" -------------------------------------------------------------------------------------

def _check(value, depth):
    if value is None or isinstance(value, (bool, bytes)):
        return
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 63:
            raise ProtocolError('an integer outside the signed 64-bit range')
        return
    if isinstance(value, str):
        if '\0' in value:
            raise ProtocolError('a NUL in a str')
        return
    if depth >= DEPTH_MAX:
        raise ProtocolError(f'more than {DEPTH_MAX} levels')
    if isinstance(value, (list, tuple)):
        for item in value:
            _check(item, depth + 1)
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ProtocolError('a key of a map that is not a str')
            _check(key, depth + 1)
            _check(item, depth + 1)
        return
    raise ProtocolError(f'a {type(value).__name__} is not of the protocol')


def encode(value):
    """Bytes of a value, in the minimal forms of "Notation"."""
    _check(value, 0)
    return msgpack.packb(value, use_bin_type=True)


def decode(data):
    """The value of bytes that must be in the minimal forms; arrays become lists."""
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=True,
                                max_str_len=MESSAGE_BYTES_MAX, max_bin_len=MESSAGE_BYTES_MAX)
    except Exception as error:
        raise ProtocolError(f'not MessagePack: {error}') from error
    # A second encoding differs where a form was not minimal or a key stood twice.
    if encode(value) != data:
        raise ProtocolError('not the shortest encoding, or a key given twice')
    return value


# Keys ("Transport", "Files") --------------------------------------------------------------------

def curve_public(public):
    """The CURVE public key that belongs to an Ed25519 public key."""
    return nacl.bindings.crypto_sign_ed25519_pk_to_curve25519(public)


def verify(public, data, signature):
    """Raises VerificationError unless signature is the key's signature of exactly data."""
    try:
        nacl.bindings.crypto_sign_open(signature + data, public)
    except (nacl.exceptions.BadSignatureError, ValueError) as error:
        raise VerificationError('the signature does not fit') from error


class Key:
    """One party's Ed25519 key pair, and the CURVE pair that follows from it."""

    def __init__(self, seed):
        if len(seed) != 32:
            raise ValueError('a seed has 32 bytes')
        self.seed = seed
        self.public, self._secret = nacl.bindings.crypto_sign_seed_keypair(seed)

    @classmethod
    def new(cls):
        return cls(os.urandom(32))

    @classmethod
    def load(cls, path):
        with open(path, encoding='ascii') as file:
            text = file.read()
        digits = text[len(SECRET_PREFIX):-1]
        if not text.startswith(SECRET_PREFIX) or text[-1:] != '\n' or len(digits) != 64:
            raise ValueError(f'{path}: not a secret key file')
        return cls(bytes.fromhex(digits))

    def save(self, path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, 'w', encoding='ascii') as file:
            file.write(f'{SECRET_PREFIX}{self.seed.hex()}\n')

    @property
    def hex(self):
        return self.public.hex()

    def sign(self, data):
        return nacl.bindings.crypto_sign(data, self._secret)[:64]

    def curve_pair(self):
        return (curve_public(self.public),
                nacl.bindings.crypto_sign_ed25519_sk_to_curve25519(self._secret))


# "Key act" --------------------------------------------------------------------------------------

class Token(NamedTuple):
    """What an operator hands over, so that a key can be enrolled once."""
    node: bytes
    key: Key
    expires: int
    unit: int
    endpoint: str

    @classmethod
    def parse(cls, text):
        text = text.strip()
        if not text.startswith(TOKEN_PREFIX):
            raise ValueError(f'a token begins with {TOKEN_PREFIX}')
        digits = text[len(TOKEN_PREFIX):]
        try:
            data = base64.urlsafe_b64decode(digits + '=' * (-len(digits) % 4))
        except ValueError as error:
            raise ValueError('the token has a typing error') from error
        if hashlib.sha256(data[:-4]).digest()[:4] != data[-4:]:
            raise ValueError('the token has a typing error')
        tag, node, seed, expires, unit, endpoint = _shape(
            decode(data[:-4]), 'token', str, bytes, bytes, int, int, str)
        if tag != 'baocao-token':
            raise ProtocolError('not a token')
        return cls(node, Key(seed), expires, unit, endpoint)


# "Signed bytes" ---------------------------------------------------------------------------------

class Signed(NamedTuple):
    """Bytes and the signature of exactly these bytes."""
    data: bytes
    signature: bytes

    @property
    def digest(self):
        return hashlib.sha256(self.data).digest()


def signed(key, value):
    data = encode(value)
    return Signed(data, key.sign(data))


def now_ms():
    return time.time_ns() // 1_000_000


def report(plan, form, period, unit, values=None, revision=1, nil=False, note=''):
    """One report. A value is an int, [int] if estimated, [] if not applicable, or a str."""
    return [plan, form, period, unit, revision, nil, values or {}, note]


def submission(key, counter, reports, created=None, sender=None):
    """A signed submission; sender differs from the signing key only in tests."""
    return signed(key, ['baocao-submission', 1, sender or key.public, counter,
                        now_ms() if created is None else created, reports])


def act(kind, plan, form, period, unit, revision=0, until=0, reason=''):
    """One act of a review; kind is a name of ACTS."""
    return [ACTS[kind], plan, form, period, unit, revision, until, reason]


def review(key, counter, acts, created=None, sender=None):
    """A signed review: acts on obligations. Counters are those of submissions."""
    return signed(key, ['baocao-review', 1, sender or key.public, counter,
                        now_ms() if created is None else created, acts])


def key_act(key, node, kind, subject, rest, created=None, sender=None):
    """What is done to one key, for one node."""
    return signed(key, ['baocao-key', 1, sender or key.public, node,
                        now_ms() if created is None else created, KEY_ACTS[kind], subject, rest])


def invitation(key, node, token_public, unit, role, hours, start='', end='', name='',
               created=None):
    """By an operator: the key of a token may be replaced once, by one that gets unit and role."""
    return key_act(key, node, 'invite', token_public, [unit, role, start, end, name, hours],
                   created)


def replacement(old, new, node, created=None):
    """The new key takes the place of the old one, or of a token's; both sign."""
    proof = new.sign(encode(['baocao-key-proof', 1, old.public, new.public]))
    return key_act(old, node, 'replace', new.public, proof, created)


def revocation(key, node, subject, reason='', created=None):
    return key_act(key, node, 'revoke', subject, reason, created)


def publication(key, kind, name, text, issued=None):
    return signed(key, ['baocao-publication', 1, key.public,
                        now_ms() if issued is None else issued, kind, name, text])


def rollup(key, epoch, up_to, slices, after=0):
    """slices: [[plan, form, period, [cell, …]], …]; a cell has its origin itself, with its key."""
    signers, origins, packed = [], [], []
    for plan, form, period, cells in slices:
        packed.append([plan, form, period, []])
        for cell in cells:
            signer, *rest = cell[7]
            if signer not in signers:
                signers.append(signer)
            origin = [signers.index(signer), *rest]
            if origin not in origins:
                origins.append(origin)
            packed[-1][3].append([*cell[:7], origins.index(origin), *cell[8:]])
    return signed(key, ['baocao-rollup', 1, key.public, epoch, after, up_to, signers, origins,
                        packed])


def keys_text(rows):
    """The text of a keys publication; rows of (key, unit, role, from, to, name)."""
    lines = ['# key', 'key,unit,role,from,to,name']
    for key, unit, role, start, end, name in rows:
        name = '"' + name.replace('"', '""') + '"' if set(name) & set(',"') else name
        lines.append(f'{key},{unit},{role},{start},{end},{name}')
    return '\n'.join(lines) + '\n'


# "Receipts" -------------------------------------------------------------------------------------

def _hash(prefix, *parts):
    return hashlib.sha256(bytes([prefix]) + b''.join(parts)).digest()


def _shape(value, name, *types):
    """The items of an array with exactly these types of elements."""
    if not isinstance(value, list) or len(value) != len(types):
        raise ProtocolError(f'{name}: not {len(types)} elements')
    for item, kind in zip(value, types):
        if type(item) is not kind:
            raise ProtocolError(f'{name}: {item!r} is not {kind.__name__}')
    return value


def inclusion_holds(leaf, index, size, path, root):
    """Is the leaf the one at index in the tree of that size and root?"""
    if not 0 <= index < size:
        return False
    value, last = leaf, size - 1
    for other in path:
        if last == 0:
            return False
        if index % 2 or index == last:
            value = _hash(1, other, value)
            while index and not index % 2:
                index, last = index // 2, last // 2
        else:
            value = _hash(1, value, other)
        index, last = index // 2, last // 2
    return last == 0 and value == root


def paths_of_range(first, leaves, size, hashes):
    """
    The inclusion path of each of the leaves that stand from index first on in a tree of that size,
    from the hashes that lead from all of them to its root ("Receipts in short").
    """
    left, right, end = first, first + len(leaves) - 1, size - 1
    if not leaves or not 0 <= left <= right <= end:
        raise ProtocolError('entries that are not in the tree')
    nodes, levels, rest = dict(enumerate(leaves, first)), [], list(hashes)
    while True:
        wanted = [left - 1] * (left % 2) + [right + 1] * (right % 2 == 0 and right < end)
        if len(rest) < len(wanted):
            raise ProtocolError('a proof with too few hashes')
        nodes.update(zip(wanted, rest))
        rest = rest[len(wanted):]
        levels.append(nodes)
        if end == 0:
            break
        nodes = {index // 2: _hash(1, node, nodes[index + 1]) if index + 1 in nodes else node
                 for index, node in nodes.items() if index % 2 == 0}
        left, right, end = left // 2, right // 2, end // 2
    if rest:
        raise ProtocolError('a proof with too many hashes')
    return [[level[index >> number ^ 1] for number, level in enumerate(levels)
             if index >> number ^ 1 in level]
            for index in range(first, first + len(leaves))]


def consistency_holds(old, old_root, size, root, path):
    """Is the tree of the old size and root the beginning of the other?"""
    if not 0 < old < size:
        return old <= size and not path and (old == 0 or old_root == root)
    path = [old_root, *path] if old & old - 1 == 0 else list(path)
    if not path:
        return False
    index, last = old - 1, size - 1
    while index % 2:
        index, last = index // 2, last // 2
    before = after = path[0]
    for other in path[1:]:
        if last == 0:
            return False
        if index % 2 or index == last:
            before, after = _hash(1, other, before), _hash(1, other, after)
            while index and not index % 2:
                index, last = index // 2, last // 2
        else:
            after = _hash(1, after, other)
        index, last = index // 2, last // 2
    return last == 0 and before == old_root and after == root


class Checkpoint:
    """A signed checkpoint ("Checkpoints"), taken apart. Nothing of it is proven before verify()."""

    def __init__(self, note):
        self.note = note
        body, separator, lines = note.partition('\n\n')
        parts = body.split('\n')
        if not separator or len(parts) != 3 or not lines.endswith('\n'):
            raise ProtocolError('not a checkpoint')
        self.body = f'{body}\n'.encode()
        self.origin, size, root = parts
        if not size.isdecimal() or str(int(size)) != size:
            raise ProtocolError('a size that is not a decimal number')
        self.size = int(size)
        self.root = _base64(root, 32)
        self.signatures = []
        for line in lines[:-1].split('\n'):
            dash, name, data = line.split(' ') if line.count(' ') == 2 else ('', '', '')
            if dash != '—' or not name:
                raise ProtocolError('a line of a checkpoint that is no signature')
            self.signatures.append((name, data))
        self.synthetic = self.origin.startswith('baocao-synthetic/')
        match = re.fullmatch('baocao(-synthetic)?/[0-9a-f]{16}(/([1-9a-f][0-9a-f]{0,14}))?', self.origin)
        if not match:
            raise ProtocolError('a checkpoint of no node')
        self.life = int(match[3] or '0', 16)

    def verify(self, node_public):
        """Is it of that node, and signed by it? Other signatures are passed over."""
        if self.origin != node_name(node_public, self.synthetic, self.life):
            raise VerificationError('the checkpoint is of another node')
        wanted = hashlib.sha256(self.origin.encode() + b'\n\x01' + node_public).digest()[:4]
        for name, data in self.signatures:
            raw = _base64(data)
            if name == self.origin and raw[:4] == wanted and len(raw) == 68:
                verify(node_public, self.body, raw[4:])
                return self
        raise VerificationError('the checkpoint has no signature of the node')


def cosigned_at(checkpoint, witness_public):
    """When that node cosigned the checkpoint, in seconds since 1970; raises if it did not."""
    for name, data in checkpoint.signatures:
        raw = _base64(data)
        key_hash = hashlib.sha256(name.encode() + b'\n\x04' + witness_public).digest()[:4]
        if raw[:4] == key_hash and len(raw) == 76:
            seconds = int.from_bytes(raw[4:12], 'big')
            verify(witness_public, b'cosignature/v1\ntime %d\n' % seconds + checkpoint.body,
                   raw[12:])
            return seconds
    raise VerificationError('the checkpoint is not cosigned by that node')


def node_name(public, synthetic=False, life=0):
    name = f'{"baocao-synthetic" if synthetic else "baocao"}/{public.hex()[:16]}'
    return f'{name}/{life:x}' if life else name


def _base64(text, size=None):
    """The bytes of standard base64 in its only form."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ProtocolError(f'not base64: {error}') from error
    if base64.b64encode(data).decode() != text or (size is not None and len(data) != size):
        raise ProtocolError('not the base64 of a hash or a signature')
    return data


class Receipt:
    """A node's receipt, taken apart. Nothing of it is proven before verify()."""

    def __init__(self, data):
        self.data = data
        tag, version, note, self.statement_data, self.path = _shape(
            decode(data), 'receipt', str, int, str, bytes, list)
        if tag != 'baocao-receipt' or version != 2:
            raise ProtocolError('not a receipt')
        self.checkpoint = Checkpoint(note)
        (self.seq, self.instant, kind, self.sender, self.digest, self.submission_signature,
         self.judgements) = _shape(decode(self.statement_data), 'statement',
                                   int, int, int, bytes, bytes, bytes, list)
        self.kind = KINDS.get(kind, str(kind))
        for item in self.path + self.judgements:
            if type(item) not in (bytes, int):
                raise ProtocolError('a receipt with odd elements')

    @property
    def synthetic(self):
        return self.checkpoint.synthetic

    @property
    def judgement_names(self):
        return [CODE_NAMES.get(number, str(number)) for number in self.judgements]

    def verify(self, node_public, submitted=None):
        """The three steps of "Receipts". submitted: the Signed that the receipt is for."""
        self.checkpoint.verify(node_public)
        if not inclusion_holds(_hash(0, self.statement_data), self.seq - 1, self.checkpoint.size,
                               self.path, self.checkpoint.root):
            raise VerificationError('the path does not lead to the root of the checkpoint')
        if submitted is not None:
            if self.digest != submitted.digest:
                raise VerificationError('the receipt is for other bytes')
            if self.submission_signature != submitted.signature:
                raise VerificationError('the receipt names another signature')
            verify(self.sender, submitted.data, submitted.signature)
        return self


class Problem(NamedTuple):
    index: int
    code: str
    place: str


def problems_of(value):
    return [Problem(*_shape(item, 'problem', int, str, str)) for item in value]


class Outcome(NamedTuple):
    """What the node said of one submission, publication or rollup."""
    counter: int
    receipt: Receipt
    problems: list
    highest: int = 0

    @property
    def codes(self):
        return [problem.code for problem in self.problems]


def _head_of(data):
    """Sender and counter of a submission or review, as far as the bytes are one."""
    try:
        return decode(data)[2:4]
    except (ProtocolError, TypeError, ValueError):
        return None, None


def _whole_receipts(shorts, proof, sent):
    """
    The whole receipts of entries of one commit, given as (request, place, counter, seq,
    judgements) in the order of their sequences. sent: {request: (kind, [Signed, …])}.
    """
    if not shorts:
        if proof is not None:
            raise ProtocolError('a proof of nothing')
        return []
    note, instant, hashes = _shape(proof, 'proof', str, int, list)
    statements = []
    for request, place, counter, seq, judgements in shorts:
        if seq != shorts[0][3] + len(statements):
            raise ProtocolError('entries that do not follow each other')
        kind, ones = sent.get(request, (0, ()))
        made = ones[place] if place < len(ones) else Signed(b'', b'')
        sender, its_counter = _head_of(made.data)
        if counter != its_counter:
            raise ProtocolError(f'a receipt in short of counter {counter}, which was not sent')
        statements.append(encode([seq, instant, kind, sender, made.digest, made.signature,
                                  judgements]))
    paths = paths_of_range(shorts[0][3] - 1, [_hash(0, one) for one in statements],
                           Checkpoint(note).size, hashes)
    return [encode(['baocao-receipt', 2, note, statement, path])
            for statement, path in zip(statements, paths)]


def receipts_of(body, sent):
    """
    [(request, [[counter, receipt bytes or None, problems, highest], …]), …]: what the body of a
    `receipts` says, with every receipt whole. sent: {request: (kind, [Signed, …])}.
    """
    if len(body) != 2 or not isinstance(body[0], list):
        raise ProtocolError('receipts that are not [answers, proof]')
    answers, shorts = [], []
    for answer in body[0]:
        request, items = _shape(answer, 'answer', int, list)
        answers.append((request, items))
        for place, item in enumerate(items):
            if not isinstance(item, list) or len(item) != 4:
                raise ProtocolError('an item of receipts that is not one')
            if isinstance(item[1], list):
                shorts.append((request, place, item[0],
                               *_shape(item[1], 'receipt in short', int, list)))
    whole = iter(_whole_receipts(shorts, body[1], sent))
    for _, items in answers:
        for item in items:
            if isinstance(item[1], list):
                item[1] = next(whole)
    return answers


def _receipt_or_none(value):
    return None if value is None else Receipt(value)


# "Transport" and "Envelope" ---------------------------------------------------------------------

class Message(NamedTuple):
    type: int
    request: int
    body: list

    @property
    def name(self):
        return TYPE_NAMES.get(self.type, str(self.type))


def envelope(name, request, body, version=VERSION):
    return encode([version, TYPES[name], request, body])


def open_envelope(frame):
    version, number, request, body = _shape(decode(frame), 'envelope', int, int, int, list)
    if version != VERSION:
        raise ProtocolError(f'the frame speaks version {version}')
    return Message(number, request, body)


class Session:
    """
    One connection to a node. Every call has a deadline; only what the node put off with `later`
    is sent again by itself.
    """

    def __init__(self, endpoint, node_public, key, timeout=5.0):
        self.node_public = node_public
        self.key = key
        self.timeout = timeout
        self._request = 0
        self._sent = {}     # request: (kind, [Signed, …]), of submissions and reviews
        self._arrived = []  # answers that came in one message
        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.DEALER)
        public, secret = key.curve_pair()
        self.socket.curve_publickey = zmq.utils.z85.encode(public)
        self.socket.curve_secretkey = zmq.utils.z85.encode(secret)
        self.socket.curve_serverkey = zmq.utils.z85.encode(curve_public(node_public))
        self.socket.linger = 0
        self.socket.maxmsgsize = FRAME_BYTES_MAX
        self.socket.reconnect_ivl = 50
        self.socket.reconnect_ivl_max = 500
        self.socket.ipv6 = True
        self.socket.connect(endpoint)

    def close(self):
        self.socket.close()
        self._context.term()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Frames as they are: what a hostile peer needs.
    def send_frame(self, *frames):
        self.socket.send_multipart(frames)

    def receive(self, timeout=None):
        """
        The next message, whatever it is. The answers in a `receipts` come one by one, each as if
        it were alone: [[counter, receipt bytes or None, problems, highest], …].
        """
        while not self._arrived:
            limit = self.timeout if timeout is None else timeout
            if not self.poll(limit):
                raise Timeout(f'no answer within {round(limit, 1):g} s')
            frames = self.socket.recv_multipart()
            if len(frames) != 1:
                raise ProtocolError(f'a message of {len(frames)} frames')
            message = open_envelope(frames[0])
            if message.name != 'receipts':
                return message
            self._arrived = [Message(message.type, request, items)
                             for request, items in receipts_of(message.body, self._sent)]
        return self._arrived.pop(0)

    def poll(self, timeout=0.0):
        """Is there a message to receive, or does one come in that time?"""
        return bool(self._arrived) or bool(self.socket.poll(int(timeout * 1000)))

    def note_sent(self, name, request, body):
        """Remembers what receipts in short will speak of; of the latest requests."""
        if name in ENTRY_OF_MESSAGE and all(
                isinstance(one, list) and len(one) == 3 for one in body):
            self._sent[request] = (ENTRY_OF_MESSAGE[name],
                                   [Signed(data, signature) for data, signature, _ in body])
            while len(self._sent) > REQUESTS_MAX:
                del self._sent[next(iter(self._sent))]

    def send(self, name, body):
        """Sends one message and returns its request number."""
        self._request += 1
        self.note_sent(name, self._request, body)
        self.send_frame(envelope(name, self._request, body))
        return self._request

    def answer_to(self, request, timeout=None):
        """The message that answers the request; others (events, late answers) are passed over."""
        limit = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            message = self.receive(max(0.0, limit - time.monotonic()))
            if message.request == request:
                return message

    def ask(self, name, body, expected, timeout=None):
        """
        Sends and returns the body of the answer, which must be of that type. A node that says
        `later` is asked again when it said, as long as the time lasts.
        """
        limit = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            message = self.answer_to(self.send(name, body), max(0.0, limit - time.monotonic()))
            if message.type != TYPES['refused']:
                break
            refused = Refused(*_shape(message.body, 'refused', str, str))
            if refused.code != 'later' or time.monotonic() + refused.wait > limit:
                raise refused
            time.sleep(refused.wait)
        if message.name != expected:
            raise ProtocolError(f'{name} was answered with {message.name}')
        return message.body

    def query(self, name, *arguments):
        """The seq and the data of an answer."""
        seq, data = self.ask(name, list(arguments), 'answer')
        return seq, data

    # Submissions, publications, rollups.
    def submit(self, *submissions, attempts=0, timeout=None):
        """Outcomes in the order of the submissions (1 to 64 of them)."""
        return self._hand_in('submit', submissions, attempts, timeout)

    def review(self, *reviews, attempts=0, timeout=None):
        """The same for reviews."""
        return self._hand_in('review', reviews, attempts, timeout)

    def _hand_in(self, name, signed_ones, attempts, timeout):
        entries = self.ask(name, [[s.data, s.signature, attempts] for s in signed_ones],
                           'receipts', timeout)
        if len(entries) != len(signed_ones):
            raise ProtocolError(f'{len(entries)} answers to {len(signed_ones)} of a {name}')
        return [Outcome(counter, _receipt_or_none(receipt), problems_of(problems), highest)
                for counter, receipt, problems, highest in entries]

    def publish(self, kind, name, text, issued=None, dry_run=False):
        made = publication(self.key, kind, name, text, issued)
        return self.publish_signed(made, dry_run)

    def publish_signed(self, made, dry_run=False):
        receipt, problems = self.ask('publish', [made.data, made.signature, dry_run], 'published')
        return Outcome(0, _receipt_or_none(receipt), problems_of(problems))

    def act_on_key(self, made):
        """An invitation, a replacement or a revocation."""
        receipt, problems = self.ask('key-act', [made.data, made.signature], 'published')
        return Outcome(0, _receipt_or_none(receipt), problems_of(problems))

    def hello(self, unit, epoch):
        """(up_to, synthetic): where a child goes on."""
        up_to, synthetic = self.ask('hello', [unit, epoch], 'welcome')
        return up_to, synthetic

    def roll_up(self, made):
        """(epoch, up_to, outcome) of a rollup."""
        epoch, up_to, receipt, problems = self.ask(
            'rollup', [made.data, made.signature], 'rollup-ack')
        return epoch, up_to, Outcome(0, _receipt_or_none(receipt), problems_of(problems))

    # Queries ("Answers"); each returns the data alone.
    def status(self):
        return self.query('status')[1]

    def list(self):
        return self.query('list')[1]

    def get(self, kind, name):
        return self.query('get', kind, name)[1]

    def figures(self, plan, form='', period='', unit=0, calls_max=1000):
        """Every row, over as many calls as it takes."""
        rows = self._all('figures', [plan, form, period, unit], calls_max)[-1]
        return [Row(*row) for row in rows]

    def _question(self, name, arguments, moment):
        """The data of an answer, of now or as of an instant."""
        if moment is None:
            return self.query(name, *arguments)[1]
        return self.query('as-of', moment, TYPES[name], list(arguments))[1]

    def _all(self, name, arguments, calls_max=1000, moment=None):
        """What stands between `next` and the rows, and every row, over as many calls as it takes."""
        rows, cursor = [], 0
        for _ in range(calls_max):
            cursor, *middle, more = self._question(name, [*arguments, cursor], moment)
            rows += more
            if cursor is None:
                return (*middle, rows)
        raise ProtocolError(f'{name} without an end')

    # moment: milliseconds of a past instant, for the answer as it was known then.
    def figures_as_of(self, moment, plan, form='', period='', unit=0):
        rows = self._all('figures', [plan, form, period, unit], moment=moment)[-1]
        return [Row(*row) for row in rows]

    def obligations(self, plan, form='', period='', unit=0, moment=None):
        rows = self._all('obligations', [plan, form, period, unit], moment=moment)[-1]
        return [Obligation(*row) for row in rows]

    def explain(self, plan, form, period, unit, field, moment=None):
        """(total, [Part, …])"""
        total, rows = self._all('explain', [plan, form, period, unit, field], moment=moment)
        return total, [Part(*row) for row in rows]

    def targets(self, plan, unit=0, moment=None):
        return [Target(*row) for row in self._all('targets', [plan, unit], moment=moment)[-1]]

    def scores(self, plan, unit=0, moment=None):
        """[[unit, total, [[term, points, of], …]], …] in hundredths of a point."""
        return self._question('scores', [plan, unit], moment)

    def nested(self, plan, form, period, unit, moment=None):
        return [Nested(*row)
                for row in self._question('nested', [plan, form, period, unit], moment)]

    def report(self, plan, form, period, unit, moment=None):
        return self._question('report', [plan, form, period, unit], moment)

    def receipt(self, counter):
        entries = self.ask('receipt', [counter], 'receipts')
        (_, data, _, _), = entries
        return Receipt(data)

    def watch(self):
        return self.query('watch')[1]

    def next_event(self, timeout=None):
        """The seq of the next event; answers are passed over."""
        limit = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            message = self.receive(max(0.0, limit - time.monotonic()))
            if message.name == 'event':
                return _shape(message.body, 'event', int)[0]

    def verify(self):
        return self.query('verify')[1]

    def keys(self):
        return self.query('keys')[1]

    def checkpoint(self):
        """The node's checkpoint of now, verified."""
        return Checkpoint(self.query('checkpoint')[1][0]).verify(self.node_public)

    def cosigned(self):
        """The last checkpoint of the node that its parent cosigned, or None."""
        note = self.query('checkpoint')[1][1]
        return None if note is None else Checkpoint(note).verify(self.node_public)

    def prove(self, seq, size):
        """The hashes that show an entry in the tree of that size."""
        return self.query('prove', seq, size)[1]

    def consistency(self, old, size):
        """The hashes that show a tree to be the beginning of a larger one."""
        return self.query('consistency', old, size)[1]

    def clock(self, ms):
        return self.query('clock', ms)[1]


class Row(NamedTuple):
    """One row of figures."""
    form: str
    period: str
    unit: int
    received: int
    nil: int
    on_time: int
    late: int
    expected: int
    version: int
    stated: bool
    values: list
    sums: list
    returned: int = 0
    exempt: int = 0
    accepted: int = 0


class Obligation(NamedTuple):
    """One row of obligations."""
    form: str
    period: str
    unit: int
    state: str
    due: int
    received: int
    revision: int
    timeliness: int
    flags: int
    counted: int
    stated: bool


class Part(NamedTuple):
    """One row of explain: a report that has the field."""
    period: str
    unit: int
    value: object
    counted: object
    status: int
    received: int
    origin_unit: int
    origin_seq: int
    signer: bytes
    digest: bytes


class Target(NamedTuple):
    """One row of targets."""
    target: str
    period: str
    unit: int
    status: str
    reason: str
    numerator: int
    denominator: int
    scale: int
    n: int
    m: int
    short: int
    units: list


class Nested(NamedTuple):
    """One row of nested."""
    field: str
    stated: object
    derived: object
    difference: object
    from_form: str
    counts: str


# Command line -----------------------------------------------------------------------------------

def value_of(text):
    """7, [7] estimated, [] not applicable, anything else a text."""
    if text == '[]':
        return []
    estimated = text.startswith('[') and text.endswith(']')
    digits = text[1:-1] if estimated else text
    try:
        number = int(digits)
    except ValueError:
        return text
    return [number] if estimated else number


def pair_of(text):
    """(field, value) of an argument."""
    field, sign, value = text.partition('=')
    if not field or not sign:
        raise ValueError(f'{text}: not field=value; write the field, an equals sign and its value, '
                         f'as in {field or "field"}=3')
    return field, value_of(value)


def counter_path(key_path):
    """The file with the last counter that was taken for a key."""
    return f'{key_path}.counter'


def last_counter(path):
    """0 where none was taken yet."""
    try:
        with open(path, encoding='ascii') as file:
            return int(file.read())
    except FileNotFoundError:
        return 0


def raise_counter(path, counter):
    """Keeps that this counter and all below it were taken; one that is higher already stays."""
    if counter <= last_counter(path):
        return
    partial = f'{path}.new'
    with open(partial, 'w', encoding='ascii') as file:
        file.write(f'{counter}\n')
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def next_counter(path):
    """Takes the next counter of this key and keeps it before it is used."""
    counter = last_counter(path) + 1
    raise_counter(path, counter)
    return counter


def replace_key(endpoint, node, old, path, timeout):
    """
    The key of a file, made if there is none, takes the place of old. What was signed is kept beside it
    until the receipt is, so that a repeat after a crash sends the same bytes.
    """
    if not os.path.exists(path):
        Key.new().save(path)
    new, pending = Key.load(path), f'{path}.replacement'
    try:
        with open(pending, 'rb') as file:
            made = Signed(*_shape(decode(file.read()), 'replacement', bytes, bytes))
        keys = (new, old)
    except FileNotFoundError:
        made, keys = replacement(old, new, node), (old,)
        with open(f'{pending}.new', 'wb') as file:
            file.write(encode(list(made)))
            file.flush()
            os.fsync(file.fileno())
        os.replace(f'{pending}.new', pending)
    for key in keys:
        try:
            with Session(endpoint, node, key, timeout) as session:
                outcome = session.act_on_key(made)
            break
        except (Timeout, Refused):
            if key is keys[-1]:
                raise
    for problem in outcome.problems:
        print(f'problem {problem.code}: {problem.place}', file=sys.stderr)
    if outcome.receipt is None:
        return 1
    outcome.receipt.verify(node, made)
    with open(f'{path}.receipt', 'wb') as file:
        file.write(outcome.receipt.data)
        file.flush()
        os.fsync(file.fileno())
    os.unlink(pending)
    print(describe(outcome.receipt))
    print('verified')
    return 0


def command_enrol(arguments):
    """The token is read from a file or standard input: other users see arguments."""
    with (sys.stdin if arguments.token_file == '-' else
          open(arguments.token_file, encoding='ascii')) as file:
        token = Token.parse(file.read())
    print(f'endpoint {token.endpoint}\nnode {token.node.hex()}\nunit {token.unit}')
    return replace_key(token.endpoint, token.node, token.key, arguments.key, arguments.timeout)


def command_rotate(arguments):
    """
    The new key goes on with the counters of the old one: they are one party's. They are handed on
    first, since a repeat after a crash may find the old key replaced.
    """
    raise_counter(counter_path(arguments.new_key), last_counter(counter_path(arguments.key)))
    return replace_key(arguments.endpoint, bytes.fromhex(arguments.node_key),
                       Key.load(arguments.key), arguments.new_key, arguments.timeout)


def describe(receipt):
    instant = datetime.datetime.fromtimestamp(
        receipt.instant / 1000, datetime.timezone(datetime.timedelta(hours=7)))
    lines = [f'sequence {receipt.seq}', f'instant {instant.isoformat(timespec="milliseconds")}',
             f'judgement {" ".join(receipt.judgement_names)}',
             f'synthetic {"yes" if receipt.synthetic else "no"}',
             f'entries {receipt.checkpoint.size}', f'sender {receipt.sender.hex()}',
             f'digest {receipt.digest.hex()}']
    return '\n'.join(lines)


def command_submit(arguments):
    key = Key.load(arguments.key)
    node = bytes.fromhex(arguments.node_key)
    values = dict(pair_of(text) for text in arguments.values)
    path = counter_path(arguments.key)
    counter = arguments.counter or next_counter(path)
    made = submission(key, counter, [report(
        arguments.plan, arguments.form, arguments.period, arguments.unit, values,
        arguments.revision, arguments.nil, arguments.note)])
    with Session(arguments.endpoint, node, key, arguments.timeout) as session:
        outcome, = session.submit(made)
    for problem in outcome.problems:
        print(f'problem {problem.code}: {problem.place}', file=sys.stderr)
    if 'id-conflict' in outcome.codes and not arguments.counter:
        # Another key of the party, of which this place knows nothing, has used it.
        raise_counter(path, outcome.highest)
        print(f'{path}: counts on from {outcome.highest}; submit again', file=sys.stderr)
    if outcome.receipt is None:
        return 1
    outcome.receipt.verify(node, made)
    if arguments.receipt:
        with open(arguments.receipt, 'wb') as file:
            file.write(outcome.receipt.data)
    print(describe(outcome.receipt))
    print('verified')
    return 0


def command_verify(arguments):
    with open(arguments.file, 'rb') as file:
        receipt = Receipt(file.read())
    receipt.verify(bytes.fromhex(arguments.node_key))
    print(describe(receipt))
    print('verified')
    return 0


def main(argv=None):
    parser = argparse.ArgumentParser(description='A small independent client of the protocol.')
    commands = parser.add_subparsers(dest='command', required=True)
    submit = commands.add_parser('submit', help='sign one report, send it, verify the receipt')
    submit.add_argument('--endpoint', required=True)
    submit.add_argument('--node-key', required=True, help='64 hexadecimal digits')
    submit.add_argument('--key', required=True, help='secret key file')
    submit.add_argument('--plan', required=True)
    submit.add_argument('--form', required=True)
    submit.add_argument('--period', required=True)
    submit.add_argument('--unit', required=True, type=int)
    submit.add_argument('--revision', type=int, default=1)
    submit.add_argument('--note', default='')
    submit.add_argument('--nil', action='store_true', help='nothing to report')
    submit.add_argument('--counter', type=int, help='default: the next one of KEYFILE.counter')
    submit.add_argument('--receipt', help='also write the receipt to this file')
    submit.add_argument('--timeout', type=float, default=10.0)
    submit.add_argument('values', nargs='*', metavar='field=value')
    submit.set_defaults(run=command_submit)
    enrol = commands.add_parser('enrol', help='enrol a key with a one-time token')
    enrol.add_argument('--token-file', default='-', help='default: standard input')
    enrol.add_argument('--key', required=True, help='secret key file; made if there is none')
    enrol.add_argument('--timeout', type=float, default=10.0)
    enrol.set_defaults(run=command_enrol)
    rotate = commands.add_parser('rotate', help='replace a key by a new one')
    rotate.add_argument('--endpoint', required=True)
    rotate.add_argument('--node-key', required=True, help='64 hexadecimal digits')
    rotate.add_argument('--key', required=True, help='secret key file')
    rotate.add_argument('--new-key', required=True, help='its successor; made if there is none')
    rotate.add_argument('--timeout', type=float, default=10.0)
    rotate.set_defaults(run=command_rotate)
    check = commands.add_parser('verify', help='verify a receipt file')
    check.add_argument('--node-key', required=True, help='64 hexadecimal digits')
    check.add_argument('file')
    check.set_defaults(run=command_verify)
    arguments = parser.parse_args(argv)
    try:
        return arguments.run(arguments)
    except Timeout as error:
        print(f'{parser.prog}: {error}', file=sys.stderr)
        return 75
    except (ProtocolError, VerificationError, Refused, OSError, ValueError) as error:
        print(f'{parser.prog}: {error}', file=sys.stderr)
        return 1


if __name__ == '__main__':
    sys.exit(main())
