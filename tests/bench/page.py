#!/usr/bin/python3
"""Puts the figures of a run into docs/performance.md, and three lines of them into README.md, between their marks.

    ./dev bench --peers --tsv > bench.tsv
    tests/bench/page.py bench.tsv                                   prints them
    tests/bench/page.py bench.tsv 'where and when, in a sentence'   writes them
"""
import pathlib
import re
import sys

import bars

ROOT = pathlib.Path(__file__).resolve().parents[2]
BEGIN, END = '<!-- begin of what page.py writes -->\n', '<!-- end of it -->\n'


def figure(text):
    number = float(text)
    return f'{number:,.0f}' if abs(number) >= 100 else f'{number:.3g}'


def verdicts(run):
    """What is wanted against what was measured."""
    yield '### What is wanted\n'
    yield ('`bar`: the least that is accepted is reached; `aim`: more than that, what this is for. `ceiling`: the same figure of '
           'something that does less, in the same run (R, an echo), of the same work if no processor ever waited, or computed from those.\n')
    yield '| what | bar | aim | figure | ceiling | unit | reached |'
    yield '|---|---|---|---|---|---|---|'
    for title, group in bars.GROUPS.items():
        for bar in group():
            limits = ['' if limit is None else f'{bar.sign} {figure(limit)}' for limit in (bar.bar, bar.aim)]
            figures = ['' if found is None else figure(found) for found in (run.figure(bar), run.ceiling(bar))]
            yield '| ' + ' | '.join([f'{title}: {bar.what}', *limits, *figures, bar.unit, run.verdict(bar)]) + ' |'
    yield ''


def tables(lines):
    """A table for each first word of the rows, in their order; a row that repeats only adds a ratio."""
    groups = {}
    for line in lines:
        cells = line.split('\t')
        if len(cells) == 7 and cells[0] != 'row':
            groups.setdefault(cells[0].split()[0].rstrip(','), []).append(cells)
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


def three_lines(run):
    """For the README."""
    found = {bar.what: run.figure(bar) for group in bars.GROUPS.values() for bar in group()}

    def of(what):
        return '?' if found[what] is None else figure(found[what])

    rate = run.medians.get('intake deadline plain 64x16')
    yield (f'- {"?" if rate is None else figure(rate)} reports a second, on disk, judged and summed before the receipt: '
           f'{of("deadline, Redis Streams")} × Redis Streams, which only keeps them, '
           f'{of("deadline, PostgreSQL copy and trigger")} × PostgreSQL with a trigger, '
           f'{of("deadline, RabbitMQ quorum queue")} × RabbitMQ, {of("deadline, R")} × a bare log; '
           f'encrypted {of("deadline, CURVE: echo")} × an encrypted echo')
    yield (f'- a receipt within {of("p99 at 5,000/s: F + E")} × a flush and a round trip at 5,000/s (p99), '
           f'{of("p99 at 5,000/s: Redis Streams")} × Redis; a figure over the wire in '
           f'{of("a cell over the wire, 10^7: E")} × a round trip; {of("10,000 clients, each")} kB for a connected client')
    yield (f'- with 10,000,000 reports stored, intake keeps {of("intake with 10^7 stored: with 10^5")} of its speed, the '
           f'first receipt after kill -9 comes in {of("start after kill -9 with 10^7")} ms, all sums are made anew '
           f'{of("rebuild: PostgreSQL")} × as fast as by PostgreSQL')


def write(page, text):
    pattern = re.escape(BEGIN) + '.*?' + re.escape(END)
    new, count = re.subn(pattern, lambda _: f'{BEGIN}{text}\n{END}', page.read_text(encoding='utf-8'), flags=re.S)
    if count != 1:
        sys.exit(f'{page} has no marks')
    page.write_text(new, encoding='utf-8')


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    lines = pathlib.Path(sys.argv[1]).read_text(encoding='utf-8').splitlines()
    run = bars.Run(lines)
    text = '\n'.join([*verdicts(run), *tables(lines)])
    readme = '\n'.join(three_lines(run))
    if len(sys.argv) == 2:
        print(readme, text, sep='\n\n')
        return
    write(ROOT / 'docs' / 'performance.md', f'{sys.argv[2]}\n\n{text}')
    write(ROOT / 'README.md', readme)


if __name__ == '__main__':
    main()
