#!/usr/bin/python3
"""Puts the figures of a run into docs/performance.md, between its marks.

    ./dev bench --peers --tsv > bench.tsv
    tests/bench/page.py bench.tsv 'where and when, in a sentence'
"""
import pathlib
import re
import sys

PAGE = pathlib.Path(__file__).resolve().parents[2] / 'docs' / 'performance.md'
BEGIN, END = '<!-- begin of what page.py writes -->\n', '<!-- end of it -->\n'


def figure(text):
    value = float(text)
    return f'{value:,.0f}' if abs(value) >= 100 else f'{value:.3g}'


def tables(lines):
    """A table for each first word of the rows, in their order; a row that repeats only adds a ratio."""
    groups = {}
    for line in lines:
        cells = line.split('\t')
        if len(cells) == 7 and cells[0] != 'row':
            groups.setdefault(cells[0].split()[0], []).append(cells)
    for title, rows in groups.items():
        yield f'### {title}\n'
        yield '| row | median | least | most | unit | ratio | to |'
        yield '|---|---|---|---|---|---|---|'
        last = None
        for name, middle, least, most, unit, against, ratio in rows:
            cells = [name, figure(middle), figure(least), figure(most), unit]
            cells = [''] * 5 if name == last else cells
            last = name
            yield '| ' + ' | '.join([*cells, '' if ratio == '-' else ratio,
                                     '' if against == '-' else against]) + ' |'
        yield ''


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    lines = pathlib.Path(sys.argv[1]).read_text(encoding='utf-8').splitlines()
    text = '\n'.join([sys.argv[2], '', *tables(lines)])
    page = PAGE.read_text(encoding='utf-8')
    pattern = re.escape(BEGIN) + '.*?' + re.escape(END)
    PAGE.write_text(re.sub(pattern, lambda _: f'{BEGIN}{text}\n{END}', page, flags=re.S),
                    encoding='utf-8')


if __name__ == '__main__':
    main()
