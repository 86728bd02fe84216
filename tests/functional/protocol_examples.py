#!/usr/bin/python3
"""Makes the section "Examples in bytes" of docs/protocol.md from fixed seeds.

Run by itself it prints the section; with --write it puts it into the document. The test
test_protocol_doc.py reads the document and not this file.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', '..', 'clients', 'python'))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'oracle'))
import baocao_client as client  # noqa: E402
import merkle  # noqa: E402

NODE = client.Key(b'\x11' * 32)
OPERATOR = client.Key(b'\x22' * 32)
WARD = client.Key(b'\x33' * 32)
CHILD = client.Key(b'\x44' * 32)
REVIEWER = client.Key(b'\x55' * 32)
PARENT = client.Key(b'\x77' * 32)
TOKEN = client.Key(b'\x66' * 32)
OWNER = client.Key(b'\x77' * 32)
NO_PERIOD = "form 'half-year' of plan 'example-2022' has no period '2022-H1'"
HEADING = '## Examples in bytes'
INTRODUCTION = f'''{HEADING}

Made from fixed seeds: the node's key from 32 bytes of 11, the operator's from 22, the ward's from
33, the child node's from 44, the reviewer's from 55, a token's from 66 and the one that takes its place from 77 (hexadecimal). First the bytes in hexadecimal, then what they say.
There, `<name>` stands for the bytes of an example or a row of this table, `<name signature>` for
the signature of these bytes, `<name digest>` for their SHA-256. The 40 entries before the statements of
the receipts are taken as empty. `tests/functional/test_protocol_doc.py`
holds each of them against this page and against a running node.
'''


def text_of(value, names):
    """A value as the document writes it."""
    if value is None:
        return 'nil'
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return f'<{names[value]}>' if value in names else f"h'{value.hex()}'"
    if isinstance(value, str):
        return '"' + value.replace('\\', '\\\\').replace('"', '\\"').replace('\n', '\\n') + '"'
    if isinstance(value, dict):
        return '{' + ', '.join(f'{text_of(key, names)}: {text_of(item, names)}'
                               for key, item in value.items()) + '}'
    return '[' + ', '.join(text_of(item, names) for item in value) + ']'


def receipts_of(node, statements, first_seq):
    """The checkpoint of a tree that ends with these statements, and the receipt of each."""
    entries = [b''] * (first_seq - 1) + statements
    note = merkle.checkpoint(node.sign, node.public, len(entries), merkle.root(entries), True)
    return note, [client.encode(['baocao-receipt', 2, note, statement,
                                 merkle.inclusion(first_seq - 1 + index, entries)])
                  for index, statement in enumerate(statements)]


def make():
    """(names of bytes, [(title, bytes)])."""
    names = {}
    examples = []

    def add(title, data):
        examples.append((title, data))
        return data

    def add_signed(title, made):
        names[made.data] = title
        names[made.signature] = f'{title} signature'
        names[made.digest] = f'{title} digest'
        add(title, made.data)
        return made

    for key, name in ((NODE, 'node'), (OPERATOR, 'operator'), (WARD, 'ward'), (CHILD, 'child'),
                      (REVIEWER, 'reviewer'), (TOKEN, 'token'), (OWNER, 'owner')):
        names[key.public] = f'{name} key'

    submission = add_signed('submission', client.submission(WARD, 7, [
        client.report('example-2022', 'month', '2022-05', 26890,
                      {'classes': 3, 'pupils': [120], 'budget': [], 'remark': 'Đủ số liệu'}),
        client.report('example-2022', 'month', '2022-04', 26890, {'classes': 0, 'pupils': 0},
                      revision=2, note='Sửa số lớp'),
        client.report('example-2022', 'half-year', '2022-H1', 26890, nil=True),
    ], created=1654336800000))
    origin = [WARD.public, submission.digest, 1654336800500, 764, 57]
    rollup = add_signed('rollup', client.rollup(CHILD, 1640995200000, 58, [
        ['example-2022', 'month', '2022-04', [
            [26890, 58, 2, 2, 4, 2, 0, origin, 2, [0, 0, None, None]],
        ]],
        ['example-2022', 'month', '2022-05', [
            [26890, 57, 1, 1, 0, 1, 0, origin, 1, [3, [120], [], None]],
        ]],
    ]))
    review = add_signed('review', client.review(REVIEWER, 3, [
        client.act('return', 'example-2022', 'month', '2022-05', 26890, revision=1,
                   reason='Số lớp không khớp'),
        client.act('extend', 'example-2022', 'month', '2022-06', 26890, until=1657299600000,
                   reason='Lũ lụt'),
    ], created=1654336800000))
    publication = add_signed('publication', client.publication(
        OPERATOR, 'keys', 'wards', client.keys_text([
            (WARD.hex, 26890, 'reporter', '2022-01-01', '', 'Phường 1'),
            (CHILD.hex, 764, 'node', '2022-01-01', '2025-07-01', 'Quận Gò Vấp')]),
        issued=1640995200000))

    add_signed('invitation', client.invitation(
        OPERATOR, NODE.public, TOKEN.public, 26890, 'reporter', 72, '2022-01-01', '',
        'Phường 1', created=1654336800000))
    replacement = add_signed('replacement', client.replacement(
        TOKEN, OWNER, NODE.public, created=1654336800000))
    add_signed('revocation', client.revocation(
        OPERATOR, NODE.public, WARD.public, 'Mất máy', created=1654336800000))

    instant = 1654336800500
    statements = [
        client.encode([41, instant, 2, OPERATOR.public, publication.digest, publication.signature,
                       [0]]),
        client.encode([42, instant, 3, WARD.public, submission.digest, submission.signature,
                       [1, 2, 18]]),
        client.encode([43, instant, 4, CHILD.public, rollup.digest, rollup.signature, [0]]),
    ]
    names[add('statement', statements[1])] = 'statement'
    note, (publication_receipt, receipt, rollup_receipt) = receipts_of(NODE, statements, 41)
    add('checkpoint', client.encode(note))
    names[add('receipt', receipt)] = 'receipt'
    names[add('publication statement', statements[0])] = 'publication statement'
    names[publication_receipt] = 'publication receipt'
    add('publication receipt', publication_receipt)
    names[add('rollup statement', statements[2])] = 'rollup statement'
    names[rollup_receipt] = 'rollup receipt'
    add('rollup receipt', rollup_receipt)

    entries = [b''] * 40 + statements
    consistency = merkle.consistency(41, entries)
    cosignature = merkle.cosignature(PARENT.sign, PARENT.public, note, 1654336801)
    request = 7
    bodies = {
        'submit': [[submission.data, submission.signature, 0]],
        'receipts': [
            [[request, [[7, [42, [1, 2, 18]], [[2, 'unknown-period', NO_PERIOD]], 0]]]],
            [note, instant, merkle.range_proof(41, 42, entries)]],
        'rollup': list(rollup),
        'rollup-ack': [1640995200000, 58, rollup_receipt, []],
        'hello': [764, 1640995200000],
        'welcome': [58, True],
        'publish': [publication.data, publication.signature, False],
        'published': [publication_receipt, []],
        'status': [],
        'answer': [43, [2, [
            ['month', '2022-05', 764, 1, 0, 1, 0, 16, 0, True, None,
             [[3, 1, 0, 0], [120, 1, 0, 1], [0, 0, 1, 0], None], 0, 0, 0],
            ['month', '2022-05', 26890, 1, 0, 1, 0, 1, 42, True, [3, [120], [], None],
             [[3, 1, 0, 0], [120, 1, 0, 1], [0, 0, 1, 0], None], 0, 0, 0],
        ]]],
        'list': [],
        'get': ['keys', 'wards'],
        'figures': ['example-2022', 'month', '', 764, 0],
        'report': ['example-2022', 'month', '2022-05', 26890],
        'receipt': [7],
        'watch': [],
        'event': [44],
        'verify': [],
        'keys': [],
        'clock': [1654362000000],
        'review': [[review.data, review.signature, 0]],
        'obligations': ['example-2022', 'month', '2022', 764, 0],
        'explain': ['example-2022', 'month', '2022-05', 764, 'classes', 0],
        'targets': ['example-2022', 0, 0],
        'scores': ['example-2022', 0],
        'nested': ['example-2022', 'half-year', '2022-H1', 26890],
        'as-of': [1654362000000, 13, ['example-2022', 'month', '', 764, 0]],
        'key-act': [replacement.data, replacement.signature],
        'checkpoint': [],
        'prove': [42, 43],
        'consistency': [41, 43],
        'witness': [41, consistency, note],
        'cosigned': [43, cosignature],
        'refused': ['not-found', 'nothing of that name is held'],
    }
    for name, number in client.TYPES.items():
        add(f'{number} {name}', client.envelope(name, 0 if name == 'event' else request,
                                                bodies[name]))
    return names, examples


def section():
    names, examples = make()
    lines = [INTRODUCTION, '| name | bytes |', '|---|---|']
    told = {title for title, _ in examples}
    for data, name in names.items():
        if name not in told:
            lines.append(f'| {name} | `{data.hex()}` |')
    for title, data in examples:
        hexadecimal = data.hex()
        lines += ['', f'### {title}', '', '```hex']
        lines += [hexadecimal[i:i + 96] for i in range(0, len(hexadecimal), 96)]
        lines += ['```', '', '```text']
        lines += [text_of(client.decode(data), {k: n for k, n in names.items() if k != data})]
        lines += ['```']
    return '\n'.join(lines) + '\n'


def main():
    if '--write' not in sys.argv:
        print(section(), end='')
        return 0
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                        '..', '..', 'docs', 'protocol.md')
    with open(path, encoding='utf-8') as file:
        document = file.read().split(HEADING)[0].rstrip('\n')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(f'{document}\n\n{section()}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
