"""What was measured, run by run, and what is compared with what; printed as a table or as lines."""
import statistics
import sys

SHARE_MAX = 0.25   # of the machine that other work may take
FLUSH_MAX_MS = 0.2  # F, above which nothing is compared


class Results:
    def __init__(self, tsv=False, anyway=False):
        self.tsv = tsv
        self.anyway = anyway
        self.rows = {}      # name -> (unit, values)
        self.shares = {}    # name -> greatest share of other work in its runs
        self.flushes = {}   # name -> greatest F in ms of its runs
        self.failed = []
        self.printed = []   # (name, against or None), in the order of the table
        if tsv:
            print('row\tmedian\tmin\tmax\tunit\tagainst\tratio')

    def add(self, name, value, unit, share=0.0, flush_ms=0.0):
        self.rows.setdefault(name, (unit, []))[1].append(value)
        self.shares[name] = max(self.shares.get(name, 0.0), share)
        self.flushes[name] = max(self.flushes.get(name, 0.0), flush_ms)

    def fail(self, name, why):
        self.failed.append((name, why))
        print(f'# {name}: {why}', file=sys.stderr)

    def why_not(self, name, against):
        """Why these two must not be compared, or nothing."""
        if self.anyway:
            return ''
        share = max(self.shares[name], self.shares[against])
        if share > SHARE_MAX:
            return f'other work {share:.0%}'
        flush = max(self.flushes[name], self.flushes[against])
        return f'flush {flush:.1f} ms' if flush >= FLUSH_MAX_MS else ''

    def ratio(self, name, against):
        """The median of the ratios, run by run where both have as many runs."""
        ours, theirs = self.rows[name][1], self.rows[against][1]
        if len(ours) == len(theirs):
            ratios = [a / b for a, b in zip(ours, theirs) if b]
        else:
            ratios = [statistics.median(ours) / (statistics.median(theirs) or float('inf'))]
        return statistics.median(ratios) if ratios else float('nan')

    def show(self, name, *against):
        """Prints a row, once for each thing it is compared with."""
        if name not in self.rows:
            return
        unit, values = self.rows[name]
        middle = statistics.median(values)
        for other in [one for one in against if one in self.rows] or [None]:
            why = self.why_not(name, other) if other else ''
            ratio = '-' if why or not other else f'{self.ratio(name, other):.3f}'
            if self.tsv:
                print(f'{name}\t{middle:.6g}\t{min(values):.6g}\t{max(values):.6g}\t{unit}\t'
                      f'{other or "-"}\t{ratio}', flush=True)
                continue
            share = f'{self.shares[name]:4.0%}' if self.shares[name] else '    '
            text = f'{name:46} {middle:12,.6g} {min(values):12,.6g} {max(values):12,.6g} {unit:8} {share}'
            if other:
                text += f'  {ratio if not why else "not compared (" + why + ")"} × {other}'
            print(text.rstrip(), flush=True)

    def head(self, title):
        if not self.tsv:
            print(f'\n{title:46} {"median":>12} {"min":>12} {"max":>12} {"unit":8} other',
                  flush=True)
