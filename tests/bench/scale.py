#!/usr/bin/python3
"""Takes the figures of one machine to the city and the country: the tables of docs/scale.md.

    ./dev bench --tsv > bench.tsv
    tests/bench/scale.py bench.tsv            prints the tables
    tests/bench/scale.py bench.tsv --write    puts them into docs/scale.md, between its marks

Every measured figure is the median of a row of the benchmark; one that is not in the file is shown
as `?`, and so is what follows from it. What is assumed and not measured stands in `ASSUMED`.
"""
import math
import pathlib
import re
import sys

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / 'docs' / 'scale.md'
BEGIN, END = '<!-- begin of what scale.py writes -->\n', '<!-- end of it -->\n'
MISSING = float('nan')

MEASURED = {  # name here: (row of the benchmark, unit, what it is)
    'signed': ('intake deadline signed 64x16', 'a second', 'reports taken, each under its own signature'),
    'bundles': ('intake deadline bundles 64x16', 'a second', 'reports taken, 100 under a signature'),
    'stored': ('intake deadline signed 64x16 stored', 'bytes', 'disk of a report at the node that takes it'),
    'stored_bundle': ('intake deadline bundles 64x16 stored', 'bytes', 'the same, 100 under a signature'),
    'old': ('compress stored @10^6', 'bytes', 'the same of a report under its own signature, once its record is old and compressed'),
    'catch_up': ('catch-up @10^6', 'a second', 'cells that a parent takes from a child'),
    'cell': ('catch-up stored @10^6', 'bytes', 'disk of a cell at a node above'),
    'memory': ('intake deadline curve 64x16 memory', 'MB', 'memory of a node with 64 clients'),
    'connection': ('connections 10000 memory each', 'kB', 'memory of a connection more'),
    'recount': ('recount @10^6', 'a second', 'reports of a ledger recounted, signatures apart'),
    'checked': ('signatures checked', 'a second', 'signatures checked by one core'),
    'start': ('start @10^7', 'ms', 'from the start of a killed node to its first receipt'),
    'plan_period': ('read plan-period @10^6', 'us', 'a form and month at the 347 units of the tree'),
}
ASSUMED = {
    'peak_share': (1 / 4, 'of a day\'s reports come in its busiest half hour'),
    'peak_seconds': (1800, 'seconds of that half hour'),
    'headroom': (1 / 2, 'of what a node can take is what it is given'),
    'cores': (2, 'cores of the machine that was measured, load included'),
    'wire': (1200, 'bytes of network of a report with its receipt, at most'),
    'wire_cell': (150, 'bytes of network of a cell'),
    'map': (2 ** 40, 'bytes of the largest store (`map_size`)'),
    'outage_days': (30, 'days for which a node has no parent'),
}
MODELS = (
    # title, leaves, nodes between leaves and root, reports of a leaf a day, in bundles?
    ('City: 168 communes, 8 plans, monthly', 168, 1, 8 / 30, False),
    ('City: 168 communes, 8 plans, daily', 168, 1, 8, False),
    ('Country: 3,300 communes, 34 provinces, 200 plans, daily', 3300, 34, 200, False),
    ('Country, 10^9 reports a day, one by one', 3300, 34, 1e9 / 3300, False),
    ('Country, 10^9 reports a day, in bundles of 100', 3300, 34, 1e9 / 3300, True),
)


def read(path):
    figures = {}
    for line in pathlib.Path(path).read_text(encoding='utf-8').splitlines():
        cells = line.split('\t')
        if len(cells) >= 2 and cells[0] != 'row' and not line.startswith('#'):
            figures[cells[0]] = float(cells[1])
    return figures


def short(value, unit=''):
    if math.isnan(value):
        return '?'
    for size, letter in ((1e12, 'T'), (1e9, 'G'), (1e6, 'M'), (1e4, 'k')):
        if abs(value) >= size:
            space = '' if unit in ('B', 'bit/s') else ' '
            return f'{value / (1e3 if letter == "k" else size):,.3g} {letter}{space}{unit}'.strip()
    return f'{value:,.3g} {unit}'.strip()


def duration(seconds):
    for size, name in ((365 * 86400, 'years'), (86400, 'days'), (3600, 'h'), (60, 'min')):
        if seconds >= 2 * size:
            return f'{seconds / size:,.3g} {name}' if seconds < 1e13 else 'for ever'
    return '?' if math.isnan(seconds) else f'{seconds:,.2g} s'


def table(head, rows):
    yield '| ' + ' | '.join(head) + ' |'
    yield '|' + '---|' * len(head)
    for row in rows:
        yield '| ' + ' | '.join(row) + ' |'
    yield ''


def up(value):
    return '?' if math.isnan(value) else f'{max(1, math.ceil(value)):,}'


class Model:
    """One tree under one load: a row of nodes that take reports, and a root above them."""

    def __init__(self, measured, assumed, title, leaves, nodes, each, bundled):
        self.title = title
        day = leaves * each
        self.day = day
        self.peak = day * assumed['peak_share'] / assumed['peak_seconds']
        self.node_day, self.node_peak = day / nodes, self.peak / nodes
        self.rate = measured['bundles' if bundled else 'signed']
        self.stored = measured['stored_bundle' if bundled else 'stored']
        self.single = nodes == 1
        self.headroom = assumed['headroom']
        self.node_load = self.node_peak / (self.rate * self.headroom)
        self.root_load = self.peak / (measured['catch_up'] * self.headroom)
        self.node_year = 365 * self.node_day * self.stored
        self.old_year = MISSING if bundled else 365 * self.node_day * measured['old']
        self.root_year = 365 * day * measured['cell']
        self.node_net = self.node_peak * assumed['wire'] * 8
        self.root_net = self.peak * assumed['wire_cell'] * 8
        self.node_full = assumed['map'] / (self.node_year / 365)
        self.root_full = assumed['map'] / (self.root_year / 365)
        cells = self.node_day * assumed['outage_days']
        self.outage_cells = cells
        self.outage = cells / measured['catch_up']
        self.all_outage = day * assumed['outage_days'] / measured['catch_up']
        self.recount = 365 * self.node_day / measured['recount']
        self.recount_signed = self.recount + 365 * self.node_day / (
            measured['checked'] * (100 if bundled else 1))

    def first(self):
        """What is full first: a speed, or a store within a year."""
        limits = {'speed of the nodes that take reports': self.node_load,
                  'store of those nodes': 365 / self.node_full}
        if not self.single:
            limits |= {'speed of the root': self.root_load, 'store of the root': 365 / self.root_full}
        if any(math.isnan(value) for value in limits.values()):
            return '?'
        name, value = max(limits.items(), key=lambda item: item[1])
        return f'{name}: {value:,.3g} × one' if value >= 1 else f'nothing; {name} is nearest: {value:.2%}'


def tables(figures):
    measured = {name: figures.get(row, MISSING) for name, (row, _, _) in MEASURED.items()}
    assumed = {name: value for name, (value, _) in ASSUMED.items()}
    yield '## What was measured\n'
    yield from table(('what', 'median', 'row of `./dev bench --tsv`'), (
        (what, short(measured[name], unit), f'`{row}`')
        for name, (row, unit, what) in MEASURED.items()))
    yield '## What is assumed\n'
    yield from table(('assumed', 'what'), (
        (f'{value:,g}', what) for value, what in ASSUMED.values()))
    models = [Model(measured, assumed, *model) for model in MODELS]
    yield '## What it takes\n'
    yield ('Shares are of what a node is given, half of what it can do. Above 1 there must be more nodes on that level, each for a part of '
           'the tree.\n')
    yield from table(
        ('load', 'reports a day', 'busiest, a second', 'nodes that take reports: each', 'root',
         'what is full first within a year'),
        ((model.title, short(model.day), short(model.peak), f'{model.node_load:.2%}'.replace('nan%', '?'),
          '-' if model.single else f'{model.root_load:.2%}'.replace('nan%', '?'), model.first())
         for model in models))
    yield from table(
        ('load', 'disk a year: each node, root', 'each node, once old', 'a store of 1 TiB lasts', 'busiest network: each node, root',
         'machines of that size: nodes, root'),
        ((model.title,
          f'{short(model.node_year, "B")}, {"-" if model.single else short(model.root_year, "B")}',
          short(model.old_year, 'B'),
          f'{duration(model.node_full * 86400)}, '
          f'{"-" if model.single else duration(model.root_full * 86400)}',
          f'{short(model.node_net, "bit/s")}, {"-" if model.single else short(model.root_net, "bit/s")}',
          f'{up(model.node_load)} each, {"-" if model.single else up(model.root_load)}')
         for model in models))
    yield 'What bundles take once they are old is not measured.\n'
    yield '## What a month without a parent costs, and a recount\n'
    yield ('At most each report of the month is another cell; revisions of one obligation are one cell. '
           'Nothing else waits meanwhile: wards have receipts from their own node.\n')
    yield from table(
        ('load', 'cells of one node', 'they are up in', 'of all nodes at once',
         'recount of a year at a node', 'with every signature, on one core'),
        ((model.title, short(model.outage_cells), duration(model.outage), duration(model.all_outage),
          duration(model.recount), duration(model.recount_signed)) for model in models if not model.single))


def main():
    paths = [argument for argument in sys.argv[1:] if argument != '--write']
    if len(paths) != 1:
        sys.exit(__doc__)
    text = '\n'.join(tables(read(paths[0]))) + '\n'
    if '--write' not in sys.argv:
        print(text, end='')
        return
    document = DOCUMENT.read_text(encoding='utf-8')
    pattern = re.escape(BEGIN) + '.*?' + re.escape(END)
    DOCUMENT.write_text(re.sub(pattern, lambda _: f'{BEGIN}\n{text}\n{END}', document, flags=re.S),
                        encoding='utf-8')


if __name__ == '__main__':
    main()
