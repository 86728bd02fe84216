#!/usr/bin/python3
"""Who may send what: every message of docs/protocol.md's table with a key of every role."""

import os

import harness
from harness import CITY, client, key_of

DOCUMENT = os.path.join(harness.SOURCE, 'docs', 'protocol.md')
ROLES = [role for role in client.ROLES if role != 'operator']


def senders():
    """{message: the roles that the document names}; none for what only a node sends."""
    with open(DOCUMENT, encoding='utf-8') as file:
        part = file.read().split('## Envelope', 1)[1].split('\n## ', 1)[0]
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in part.splitlines()
            if line.startswith('| ') and line[2].isdigit()]
    enrolled = set(client.ROLES) - {'invited'}
    found = {}
    for _, name, by, *_ in rows:
        words = {'node (child)': 'node', 'node (parent)': '', 'node': ''}.get(by, by).split(', ')
        found[name] = set().union(*(enrolled if word == 'any enrolled key' else {word} - {''}
                                    for word in words))
    return found


class Rights(harness.NodeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.city = cls.node('city', CITY)
        harness.furnish(cls.city)
        cls.keys = {role: key_of(f'rights of a {role}') for role in ROLES}
        cls.keys['operator'] = cls.operator
        harness.publish(cls.city, 'keys', 'rights', client.keys_text(
            [(cls.keys[role].hex, 10, role, '2010-01-01', '', role)
             for role in ROLES if role != 'invited']))
        with cls.city.session() as session:
            made = client.invitation(cls.operator, cls.city.key.public,
                                     cls.keys['invited'].public, 10, 'reader', 1)
            assert session.act_on_key(made).problems == []

    def answer(self, session, name):
        """'done' for any answer, else the code of the refusal."""
        message = session.answer_to(session.send(name, []))
        return message.body[0] if message.name == 'refused' else 'done'

    def test_each_role_may_send_exactly_what_the_document_says(self):
        table = senders()
        self.assertEqual(set(table), set(client.TYPES))
        walked = 0
        for role, key in self.keys.items():
            with self.city.session(key) as session:
                for name, roles in table.items():
                    with self.subTest(role=role, message=name):
                        code = self.answer(session, name)
                        if not roles:
                            self.assertEqual(code, 'unknown-type')
                        elif role in roles:
                            self.assertNotIn(code, ('not-permitted', 'unknown-type',
                                                    'unknown-key'))
                        else:
                            self.assertEqual(code, 'not-permitted')
                        walked += 1
        self.assertEqual(walked, len(client.ROLES) * len(client.TYPES))


if __name__ == '__main__':
    harness.main()
