#!/usr/bin/python3
"""docs/protocol.md against itself and against the client that was written from it."""

import json
import os
import re
import unittest

import harness
from harness import client

DOCUMENT = os.path.join(harness.SOURCE, 'docs', 'protocol.md')
SEEDS = {'node': b'\x11', 'operator': b'\x22', 'ward': b'\x33', 'child': b'\x44',
         'token': b'\x66', 'owner': b'\x77'}


def parse(text, names):
    """The value of a decoded form: the notation of "Examples in bytes", read back."""
    position = 0

    def take(pattern):
        nonlocal position
        match = re.compile(pattern).match(text, position)
        if not match:
            raise ValueError(f'at {position}: {text[position:position + 40]!r}')
        position = match.end()
        return match.group(0)

    def items(end, item):
        found = []
        while not text.startswith(end, position):
            if found:
                take(', ')
            found.append(item())
        take(re.escape(end))
        return found

    def pair():
        key = value()
        take(': ')
        return key, value()

    def value():
        start = text[position]
        if start == '[':
            take(r'\[')
            return items(']', value)
        if start == '{':
            take(r'\{')
            return dict(items('}', pair))
        if start == '"':
            return json.loads(take(r'"(?:[^"\\]|\\.)*"'))
        if start == '<':
            return names[take('<[^>]+>')[1:-1]]
        if start == 'h':
            return bytes.fromhex(take("h'[0-9a-f]*'")[2:-1])
        word = take('nil|true|false|-?[0-9]+')
        return {'nil': None, 'true': True, 'false': False}.get(word, None) \
            if word.isalpha() else int(word)

    result = value()
    if position != len(text):
        raise ValueError(f'left over: {text[position:]!r}')
    return result


def read_examples(cls):
    """Puts text, names, examples, headings and keys of the document into a class."""
    with open(DOCUMENT, encoding='utf-8') as file:
        cls.text = file.read()
    examples = cls.text.split('## Examples in bytes', 1)[1]
    cls.names = {name: bytes.fromhex(digits) for name, digits in
                 re.findall(r'^\| ([a-z ]+) \| `([0-9a-f]+)` \|$', examples, re.M)}
    found = re.findall(r'^### (.+)\n\n```hex\n([0-9a-f\n]+)\n```\n\n```text\n(.+)\n```$',
                       examples, re.M)
    cls.examples = {title: (bytes.fromhex(digits.replace('\n', '')), said)
                    for title, digits, said in found}
    cls.headings = re.findall(r'^### (.+)$', examples, re.M)
    for title, (data, _) in cls.examples.items():
        cls.names.setdefault(title, data)
    cls.keys = {name: client.Key(seed * 32) for name, seed in SEEDS.items()}


class ProtocolDocument(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        read_examples(cls)

    def table_after(self, heading, columns):
        part = self.text.split(heading, 1)[1].split('\n## ', 1)[0]
        rows = [[cell.strip() for cell in line.strip('|').split('|')]
                for line in part.splitlines() if line.startswith('|')]
        return [row for row in rows if len(row) == columns and row[0].isdigit()]

    def message(self, name):
        title = f'{client.TYPES[name]} {name}'
        return client.open_envelope(self.examples[title][0])

    def test_every_example_has_bytes_and_a_decoded_form(self):
        self.assertEqual(self.headings, list(self.examples))

    def test_every_message_of_the_table_is_known_to_the_client(self):
        rows = self.table_after('## Envelope', 4)
        self.assertEqual({row[1]: int(row[0]) for row in rows}, client.TYPES)

    def test_every_message_of_the_table_has_an_example(self):
        rows = self.table_after('## Envelope', 4)
        wanted = [f'{number} {name}' for number, name, _, _ in rows]
        self.assertEqual([title for title in self.examples if title[0].isdigit()], wanted)

    def test_every_code_of_the_table_is_known_to_the_client(self):
        rows = self.table_after('## Judgements and refusals', 3)
        self.assertEqual({row[1]: int(row[0]) for row in rows}, client.CODES)

    def test_every_role_of_the_table_is_known_to_the_client(self):
        rows = self.table_after('## Roles', 3)
        self.assertEqual({row[1]: int(row[0]) for row in rows}, client.ROLES)

    def test_every_example_says_what_its_bytes_say(self):
        for title, (data, said) in self.examples.items():
            with self.subTest(title):
                self.assertEqual(parse(said, self.names), client.decode(data))

    def test_every_decoded_form_encodes_to_its_bytes(self):
        for title, (data, said) in self.examples.items():
            with self.subTest(title):
                self.assertEqual(client.encode(parse(said, self.names)).hex(), data.hex())

    def test_every_message_example_has_the_number_of_its_heading(self):
        for name, number in client.TYPES.items():
            with self.subTest(name):
                self.assertEqual(self.message(name).type, number)

    def test_the_keys_follow_from_the_seeds(self):
        for name, key in self.keys.items():
            with self.subTest(name):
                self.assertEqual(self.names[f'{name} key'], key.public)

    def test_the_signatures_fit_their_bytes(self):
        for title, signer in (('submission', 'ward'), ('rollup', 'child'),
                              ('publication', 'operator'), ('invitation', 'operator'), ('replacement', 'token'),
                              ('revocation', 'operator')):
            with self.subTest(title):
                data = self.examples[title][0]
                self.assertEqual(self.keys[signer].sign(data), self.names[f'{title} signature'])
                client.verify(self.keys[signer].public, data, self.names[f'{title} signature'])

    def test_the_receipts_verify_with_the_public_key_of_the_node_alone(self):
        node = self.names['node key']
        for prefix, signed in (('', 'submission'), ('publication ', 'publication'),
                               ('rollup ', 'rollup')):
            with self.subTest(signed):
                receipt = client.Receipt(self.names[f'{prefix}receipt'])
                receipt.verify(node, client.Signed(self.names[signed],
                                                   self.names[f'{signed} signature']))

    def test_the_receipt_in_short_is_the_receipt(self):
        body = client.open_envelope(self.examples['2 receipts'][0]).body
        (request, (item,)), = client.receipts_of(body, sent_of(self))
        self.assertEqual(request, 7)
        self.assertEqual(item[:2], [7, self.examples['receipt'][0]])
        for hashes in body[1][2][:-1], [*body[1][2], bytes(32)]:
            with self.assertRaises(client.ProtocolError):
                client.receipts_of([self.short_answers(), [*body[1][:2], hashes]], sent_of(self))
        for answers, proof, why in (
                (self.short_answers(), None, 'not 3 elements'), ([], body[1], 'of nothing'),
                (self.short_answers(counter=8), body[1], 'was not sent'),
                (self.short_answers() + self.short_answers(), body[1], 'do not follow'),
                (self.short_answers(seq=44), body[1], 'not in the tree')):
            with self.subTest(why), self.assertRaisesRegex(client.ProtocolError, why):
                client.receipts_of([answers, proof], sent_of(self))

    @staticmethod
    def short_answers(counter=7, seq=42):
        return [[7, [[counter, [seq, [1, 2, 18]], [], 0]]]]

    def test_the_checkpoint_is_that_of_the_receipts_and_signed_by_the_node(self):
        note = client.decode(self.examples['checkpoint'][0])
        checkpoint = client.Checkpoint(note).verify(self.names['node key'])
        self.assertEqual((checkpoint.size, checkpoint.synthetic), (43, True))
        self.assertEqual(client.Receipt(self.names['receipt']).checkpoint.note, note)

    def test_a_receipt_with_any_changed_byte_does_not_verify(self):
        good = self.examples['receipt'][0]
        node = self.names['node key']
        for position in range(len(good)):
            bad = bytearray(good)
            bad[position] ^= 1
            with self.subTest(position):
                with self.assertRaises((client.ProtocolError, client.VerificationError)):
                    client.Receipt(bytes(bad)).verify(node)

    def test_a_receipt_of_another_node_does_not_verify(self):
        with self.assertRaises(client.VerificationError):
            client.Receipt(self.examples['receipt'][0]).verify(self.names['child key'])


def sent_of(case):
    """What the example of a submit sent, for its receipts in short."""
    return {7: (3, [client.Signed(case.names['submission'], case.names['submission signature'])])}


PLAN_TEXT = '''# plan
code,title,from,to,document
example-2022,Kế hoạch mẫu,2022-01-01,2023-01-01,M
# form
code,title,cadence,positions,source
month,Báo cáo tháng,month,,proposed
half-year,Báo cáo 6 tháng,half-year,H2,proposed
# due
form,rule,source
month,on +5,proposed
# duty
form,reporter,source
month half-year,group ward,M:L1
# field
form,code,label,type,nature,over_time,over_units,source
month half-year,classes,Số lớp,integer,flow,sum,sum,proposed
month half-year,pupils,Số học viên,integer,flow,sum,sum,proposed
month half-year,budget,Kinh phí,money,flow,sum,sum,proposed
month half-year,remark,Ghi chú,text,flow,none,none,proposed
'''
UNITS_TEXT = '''# unit
unit,code,name,group,parent,from,to
79,79,Thành phố Hồ Chí Minh,city,,2010-01-01,
764,764,Quận Gò Vấp,district,79,2010-01-01,
26890,26890,Phường 1,ward,764,2010-01-01,
''' + ''.join(f'{number},{number},Phường {number},ward,764,2010-01-01,\n'
               for number in range(1001, 1016))


class NodeAndDocument(harness.NodeCase):
    """The examples are sent to a node as they stand, and what it answers is held against them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        read_examples(cls)
        cls.operator = cls.keys['operator']

    def example(self, title):
        return self.examples[title][0]

    def furnished(self, name):
        """A node with the key of the document, and its tree, plan and keys."""
        node = self.node(name, 79, key=self.keys['node'], clock='2022-06-04T17:00:00+07:00')
        harness.publish(node, 'units', 'units', UNITS_TEXT)
        harness.publish(node, 'plan', 'example-2022', PLAN_TEXT)
        return node

    def ask(self, node, signer, title):
        """The frame that answers an example."""
        with node.session(self.keys[signer]) as session:
            session.send_frame(self.example(title))
            self.assertTrue(session.socket.poll(harness.ANSWER_SECONDS * 1000))
            return session.socket.recv()

    def body(self, frame):
        return client.open_envelope(frame).body

    def item(self, frame):
        """The only item of a `receipts` that answers the example of a submit, with its receipt whole."""
        (request, (item,)), = client.receipts_of(self.body(frame), sent_of(self))
        self.assertEqual(request, 7)
        return item

    def test_the_node_answers_the_examples_as_the_document_says(self):
        node = self.furnished('one')
        with self.subTest('publish'):
            receipt, problems = self.body(self.ask(node, 'operator', '7 publish'))
            client.Receipt(receipt).verify(self.names['node key'], client.Signed(
                self.names['publication'], self.names['publication signature']))
            self.assertEqual(problems, [])
        with self.subTest('submit'):
            entry = self.item(self.ask(node, 'ward', '1 submit'))
            wanted = self.item(self.example('2 receipts'))
            self.assertEqual((entry[0], entry[2], entry[3]), (wanted[0], wanted[2], wanted[3]))
            statement = client.decode(client.Receipt(entry[1]).statement_data)
            self.assertEqual(statement[2:], client.decode(self.example('statement'))[2:])
        with self.subTest('receipt'):
            again = self.item(self.ask(node, 'ward', '15 receipt'))
            self.assertEqual(again[1], entry[1])
        with self.subTest('report'):
            self.assertEqual(self.body(self.ask(node, 'ward', '14 report'))[1]['values'],
                             client.decode(self.names['submission'])[5][0][6])
        with self.subTest('get'):
            self.assertEqual(self.body(self.ask(node, 'ward', '12 get'))[1][0],
                             client.decode(self.names['publication'])[6])
        with self.subTest('refused'):
            with node.session(self.keys['ward']) as session:
                session.send_frame(client.envelope('get', 7, ['keys', 'khong-co']))
                session.socket.poll(harness.ANSWER_SECONDS * 1000)
                self.assertEqual(session.socket.recv(), self.example('99 refused'))

    def test_the_parent_answers_the_examples_as_the_document_says(self):
        node = self.furnished('two')
        self.ask(node, 'operator', '7 publish')
        with self.subTest('rollup'):
            epoch, up_to, receipt, problems = self.body(self.ask(node, 'child', '3 rollup'))
            wanted = self.body(self.example('4 rollup-ack'))
            self.assertEqual((epoch, up_to, problems), (wanted[0], wanted[1], wanted[3]))
            client.Receipt(receipt).verify(self.names['node key'], client.Signed(
                self.names['rollup'], self.names['rollup signature']))
        with self.subTest('welcome'):
            self.assertEqual(self.ask(node, 'child', '5 hello'), self.example('6 welcome'))
        with self.subTest('figures'):
            rows = self.body(self.ask(node, 'child', '13 figures'))[1][1]
            rows = [row for row in rows if row[1] == '2022-05']
            wanted, _ = self.body(self.example('10 answer'))[1][1]
            # The version of a cell is the node's own sequence.
            self.assertEqual([row[:8] + row[9:] for row in rows], [wanted[:8] + wanted[9:]])


if __name__ == '__main__':
    harness.main()
