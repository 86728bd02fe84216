"""What was measured, run by run, and what is compared with what; printed as a table or as lines."""
import collections
import statistics
import sys

SHARE_MAX = 0.25   # of the machine that other work may take
FLUSH_MAX_MS = 0.2  # F, from which on nothing is compared
SLOWED_MAX = 0.01   # of the time, where what the slowest of a hundred takes is compared
RUNS_MIN = 0.6     # of the runs that must have been undisturbed

Run = collections.namedtuple('Run', 'value share flush_ms slowed')


class Results:
    def __init__(self, tsv=False, anyway=False):
        self.tsv = tsv
        self.anyway = anyway
        self.rows = {}      # name -> (unit, runs)
        self.failed = []
        if tsv:
            print('row\tmedian\tmin\tmax\tunit\tagainst\tratio')

    def add(self, name, value, unit, share=0.0, flush_ms=0.0, slowed=0.0):
        """slowed: only of what that makes worthless."""
        self.rows.setdefault(name, (unit, []))[1].append(Run(value, share, flush_ms, slowed))

    def fail(self, name, why):
        self.failed.append((name, why))
        print(f'# {name}: {why}', file=sys.stderr)

    def disturbed(self, run):
        return not self.anyway and (run.share > SHARE_MAX or run.flush_ms >= FLUSH_MAX_MS or
                                    run.slowed > SLOWED_MAX)

    def ratio(self, name, against):
        """The median of the ratios, run by run where both have as many, without runs in which either was
        disturbed; or None, and why."""
        ours, theirs = self.rows[name][1], self.rows[against][1]
        if len(ours) == len(theirs):
            pairs = [(a.value, b.value) for a, b in zip(ours, theirs)
                     if not self.disturbed(a) and not self.disturbed(b)]
            left = len(pairs) / len(ours)
        else:
            good = [[run.value for run in runs if not self.disturbed(run)] for runs in (ours, theirs)]
            left = min(len(good[0]) / len(ours), len(good[1]) / len(theirs))
            pairs = [tuple(map(statistics.median, good))] if left else []
        ratios = [a / b for a, b in pairs if b]
        if ratios and left >= RUNS_MIN:
            return statistics.median(ratios), ''
        runs = ours + theirs
        return None, (f'other work {max(run.share for run in runs):.0%}, '
                      f'flush {max(run.flush_ms for run in runs):.2f} ms, '
                      f'slowed {max(run.slowed for run in runs):.0%}')

    def show(self, name, *against):
        """Prints a row, once for each thing it is compared with."""
        if name not in self.rows:
            return
        unit, runs = self.rows[name]
        calm = [run for run in runs if run.slowed <= SLOWED_MAX]
        values = [run.value for run in (calm if len(calm) >= RUNS_MIN * len(runs) else runs)]
        middle = statistics.median(values)
        for other in [one for one in against if one in self.rows] or [None]:
            ratio, why = self.ratio(name, other) if other else (None, '')
            ratio = '-' if ratio is None else f'{ratio:.3f}'
            if self.tsv:
                print(f'{name}\t{middle:.6g}\t{min(values):.6g}\t{max(values):.6g}\t{unit}\t'
                      f'{other or "-"}\t{ratio}', flush=True)
                continue
            share = f'{statistics.median(run.share for run in runs):4.0%}'
            text = f'{name:46} {middle:12,.6g} {min(values):12,.6g} {max(values):12,.6g} {unit:8} {share}'
            if other:
                text += f'  {"not compared (" + why + ")" if why else ratio} × {other}'
            print(text.rstrip(), flush=True)

    def head(self, title):
        if not self.tsv:
            print(f'\n{title:46} {"median":>12} {"min":>12} {"max":>12} {"unit":8} other',
                  flush=True)
