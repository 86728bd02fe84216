#!/usr/bin/python3
"""docs/protocol.md against itself and against the client that was written from it."""

import json
import os
import re
import unittest

import harness
from harness import client

DOCUMENT = os.path.join(harness.SOURCE, 'docs', 'protocol.md')
SEEDS = {'node': b'\x11', 'operator': b'\x22', 'ward': b'\x33', 'child': b'\x44'}


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


class ProtocolDocument(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
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
                              ('publication', 'operator'), ('commit', 'node')):
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


if __name__ == '__main__':
    harness.main()
