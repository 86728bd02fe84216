"""Real data through the same path: one node per inner unit of a file, checked against awk.

The file has the columns unit_id, unit_name, parent_path, period (YYYY-MM), indicator and value.
"""

import csv
import hashlib
import os
import re
import subprocess
import unicodedata
from typing import NamedTuple

from tree import Demo, DemoError, Tree

COLUMNS = ['unit_id', 'unit_name', 'parent_path', 'period', 'indicator', 'value']
PLAN = 'data'
FORM = 'month'
ROOT = ''  # the path of the root
CODE_BYTES_MAX = 63


def slug(name):
    """Lower-case letters and digits, everything else a dash; marks are dropped."""
    plain = unicodedata.normalize('NFD', name.lower().replace('đ', 'd'))
    plain = ''.join(letter for letter in plain if not unicodedata.combining(letter))
    return re.sub(r'[^a-z0-9]+', '-', plain).strip('-') or 'x'


def slug_of(path):
    return '/'.join(slug(part) for part in path.split('/')) if path else ROOT


def code_of(text):
    """A unit's code: the text itself, or its beginning and a hash where it is too long."""
    code = text.replace(' ', '-')
    if len(code.encode()) <= CODE_BYTES_MAX:
        return code
    head = code.encode()[:CODE_BYTES_MAX - 13].decode(errors='ignore')
    return f'{head}-{hashlib.sha256(code.encode()).hexdigest()[:12]}'


class Unit(NamedTuple):
    number: int
    code: str
    name: str
    parent: int
    reports: bool  # has rows of its own
    path: str      # slugs of its node; empty for the root and for what has no node
    shown: str     # the path as the file writes it


class DataFile:
    """The file, and the tree that its paths make."""

    def __init__(self, path):
        self.path = os.path.abspath(path)
        with open(path, encoding='utf-8', newline='') as file:
            text = file.read()
        self.quoted = '"' in text
        reader = csv.DictReader(text.splitlines())
        if reader.fieldnames != COLUMNS:
            raise DemoError(f'{path}: the columns must be {",".join(COLUMNS)}')
        self.rows = list(reader)
        if not self.rows:
            raise DemoError(f'{path}: no rows')
        self.indicators = sorted({row['indicator'] for row in self.rows})
        self.periods = sorted({row['period'] for row in self.rows})
        self.inner = {}  # path of slugs -> path as written, parents first
        for path in sorted({row['parent_path'] for row in self.rows if row['parent_path']}):
            parts = path.split('/')
            for length in range(1, len(parts) + 1):
                shown = '/'.join(parts[:length])
                self.inner.setdefault(slug_of(shown), shown)
        self.inner = dict(sorted(self.inner.items()))
        self.units = []
        self.codes = {}  # unit_id -> code
        self._make_units()

    def _make_units(self):
        leaves, own = {}, {}
        for row in self.rows:
            whole = '/'.join(filter(None, (row['parent_path'], row['unit_name'])))
            if slug_of(whole) in self.inner:
                own[slug_of(whole)] = row['unit_id']
            else:
                leaves[row['unit_id']] = (row['unit_name'], slug_of(row['parent_path']))
        numbers = {ROOT: 1}
        self.units.append(Unit(1, 'root', 'root', 0, False, ROOT, ''))
        for path, shown in self.inner.items():
            numbers[path] = len(self.units) + 1
            parent = path.rpartition('/')[0]
            code = code_of(own.get(path, path))
            if path in own:
                self.codes[own[path]] = code
            self.units.append(Unit(numbers[path], code, shown.rpartition('/')[2],
                                   numbers[parent], path in own, path, shown))
        for unit_id, (name, parent) in sorted(leaves.items()):
            self.codes[unit_id] = code_of(unit_id)
            self.units.append(Unit(len(self.units) + 1, self.codes[unit_id], name,
                                   numbers[parent], True, '', ''))
        if len({unit.code for unit in self.units}) != len(self.units):
            raise DemoError(f'{self.path}: two units would have one code')

    def nodes(self):
        """The units that have a node: the root, then each inner unit, parents first."""
        return self.units[:1 + len(self.inner)]

    def write_units(self, path):
        with open(path, 'w', encoding='utf-8', newline='') as file:
            file.write('# unit\n')
            writer = csv.writer(file, lineterminator='\n')
            writer.writerow(['unit', 'code', 'name', 'group', 'parent', 'from', 'to'])
            for unit in self.units:
                writer.writerow([unit.number, unit.code,
                                 unicodedata.normalize('NFC', unit.name),
                                 'reporting' if unit.reports else 'area',
                                 unit.parent or '', f'{self.periods[0][:4]}-01-01', ''])

    def write_plan(self, path):
        last_year, last_month = map(int, self.periods[-1].split('-'))
        end = f'{last_year + last_month // 12}-{last_month % 12 + 1:02}-01'
        lines = ['## Made from a file of figures; no document asks for them.',
                 '# plan', 'code,title,from,to',
                 f'{PLAN},Figures of a file,{self.periods[0]}-01,{end}',
                 '# form', 'code,title,cadence,source', f'{FORM},Monthly figures,month,proposed',
                 '# duty', 'form,reporter,source', f'{FORM},group reporting,proposed',
                 '# field', 'form,code,label,type,nature,over_time,over_units,min,source']
        lines += [f'{FORM},{slug_field(name)},{name},integer,flow,sum,sum,0,proposed'
                  for name in self.indicators]
        with open(path, 'w', encoding='utf-8') as file:
            file.write('\n'.join(lines) + '\n')

    def write_import(self, path):
        """The file with the codes of the units table where an identity was too long for one."""
        with open(path, 'w', encoding='utf-8', newline='') as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator='\n')
            writer.writeheader()
            for row in self.rows:
                writer.writerow({**row, 'unit_id': self.codes[row['unit_id']],
                                 'indicator': slug_field(row['indicator'])})

    def awk_sums(self, folder):
        """{(path as written, indicator): sum} of each prefix and of the root, by awk alone."""
        path, separator = self.path, ','
        if self.quoted:
            # awk does not know quotes: the same cells, separated by tabs.
            path, separator = os.path.join(folder, 'plain.tsv'), '\t'
            with open(path, 'w', encoding='utf-8') as file:
                file.write('\t'.join(COLUMNS) + '\n')
                for row in self.rows:
                    file.write('\t'.join(row[name] for name in COLUMNS) + '\n')
        done = subprocess.run(['awk', '-F', separator, AWK, path], check=True, text=True,
                              capture_output=True, env={**os.environ, 'LC_ALL': 'C.UTF-8'})
        sums = {}
        for line in done.stdout.splitlines():
            name, indicator, value = line.split('\t')
            sums[name, indicator] = int(value)
        return sums


# Every row counts for the root, for each prefix of its path, and for the unit itself by its whole
# path (which is a node's only where that node has rows of its own). Sums stay below 2^53.
AWK = r'''
NR > 1 {
	count = split($3, part, "/"); prefix = ""
	sum["" "\t" $5] += $6
	for (i = 1; i <= count; i++) {
		prefix = prefix (i > 1 ? "/" : "") part[i]
		sum[prefix "\t" $5] += $6
	}
	sum[$3 (count > 0 ? "/" : "") $2 "\t" $5] += $6
}
END { for (key in sum) { printf "%s\t%.0f\n", key, sum[key] } }
'''


def slug_field(name):
    """A field's code."""
    return re.sub(r'[^a-z0-9_.-]+', '-', name.lower()).strip('-')


class FileDemo(Demo):
    top = 'node-1'

    def __init__(self, path, folder):
        self.data = DataFile(path)
        super().__init__(folder, 2 * len(self.data.nodes()) + 1)
        self.names = {}  # path of slugs -> name of the node

    def file(self, name):
        return os.path.join(self.folder, name)

    def set_up(self):
        self.progress.say('nodes')
        self.data.write_units(self.file('data.units'))
        self.data.write_plan(self.file('data.plan'))
        self.data.write_import(self.file('data.csv'))
        self.tree = Tree(self.folder)
        run = self.tree.commands.run
        collector = self.tree.commands.new_key('collector')
        for unit in self.data.nodes():
            # Names of contexts and folders are short and have no slash.
            self.names[unit.path] = name = f'node-{unit.number}'
            parent = self.names[unit.path.rpartition('/')[0]] if unit.path else None
            self.tree.add(name, unit.number, parent)
        for unit in self.data.nodes():
            name = self.names[unit.path]
            self.tree.nodes[name].supervise()
            run('--context', name, 'unit', 'publish', self.file('data.units'))
            run('--context', name, 'plan', 'publish', self.file('data.plan'))
            self.enrol(unit, collector)
            self.progress.add()

    def children(self, unit):
        return [child for child in self.data.nodes() if child.parent == unit.number]

    def enrol(self, unit, collector):
        name = self.names[unit.path]
        with open(self.file(f'{name}.keys'), 'w', encoding='utf-8') as file:
            file.write('# key\nkey,unit,role,from,to,name\n')
            file.write(f'{collector},{unit.number},collector,1970-01-01,,collector\n')
            if unit.path == ROOT:
                file.write(','.join(map(str, (*self.page_key()[:3], '1970-01-01', '', 'page'))))
                file.write('\n')
            for child in self.children(unit):
                node = self.tree.nodes[self.names[child.path]]
                file.write(f'{node.public},{child.number},node,1970-01-01,,{node.name}\n')
        run = self.tree.commands.run
        run('--context', name, 'key', 'enrol', '--file', self.file(f'{name}.keys'))
        node = self.tree.nodes[name]
        run('context', 'add', f'to-{name}', '--endpoint', node.endpoint, '--node-key', node.public,
            '--key', 'collector', '--node-unit', unit.number)

    def send_all(self):
        self.progress.say('reports')
        self.tree.commands.run('--context', f'to-{self.names[""]}', 'report', 'import',
                               self.file('data.csv'), '--plan', PLAN, timeout=300)
        self.progress.add()

    def settle(self):
        """Children before parents, so that what a parent passes on is there."""
        self.progress.say('waiting until every rollup is acknowledged')
        for unit in sorted(self.data.nodes()[1:], key=lambda unit: -unit.path.count('/')):
            self.tree.settle([self.names[unit.path]])
            self.progress.add()
        self.progress.add()

    def check(self, out):
        """Prints each level's node totals beside awk's; the number of differences."""
        wanted = self.data.awk_sums(self.folder)
        differences = 0
        out.write('level\tnode\tfield\ttotal\tawk\n')
        for unit in sorted(self.data.nodes(), key=lambda unit: (unit.path.count('/') +
                                                                bool(unit.path), unit.path)):
            level = unit.path.count('/') + bool(unit.path)
            totals = self.tree.totals(self.names[unit.path], PLAN, unit.number)
            for indicator in self.data.indicators:
                total = totals.get(slug_field(indicator), 0)
                by_awk = wanted.get((unit.shown, indicator), 0)
                differences += total != by_awk
                out.write(f'{level}\t{unit.shown or "(root)"}\t{indicator}\t{total}\t{by_awk}\n')
        return differences
