"""Counts the instructions that the intake of one report takes, by stage, under callgrind.

    count.py PROGRAM [--write] [MIX...]

PROGRAM is count_intake. The same bytes are taken in every run, and what the kernel does is not
counted, so the figures do not depend on what else the machine does. A call belongs to the innermost
function of `stages` on its way. What the thread that writes does for a commit is counted too. A total
above the kept one (instructions.tsv) by more than a twentieth fails; --write keeps what was counted
now.
"""
import collections
import concurrent.futures
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

KEPT = pathlib.Path(__file__).parent / 'instructions.tsv'
ROOM = 1.05
SKIPPED = 77
MIXES = ('deadline', 'spread', 'bundles', 'signature')
DEPTH = 24  # callers that are told apart

stages = [  # a stage, and the functions that begin it; names need not be those of all versions
    ('turns', 'messages_group slots_fill'),
    ('read', 'pack_check submission_read submission_read_reports report_read value_read submit_read intake_weight'),
    ('find id', 'ids_find ids_put ids_flush fold_signer_find catalog_key_find intake_read'),
    ('SHA-256', 'hash_bytes hash_leaf hash_node'),
    ('judge', 'fold_submission fold_report'),
    ('figures', 'subject_apply cells_own cells_sum cells_flush cells_reset cell_get own_get fold_end'),
    ('ledger', 'batch_add batch_seal batch_append batch_reset'),
    ('LMDB', 'txn_put txn_append txn_get txn_delete cursor_open cursor_seek cursor_last cursor_next'
             ' cursor_seek_before cursor_first txn_begin txn_abort'),
    ('commit', 'txn_commit'),
    ('node signs', 'sign_bytes'),
    ('answers', 'intake_answer batch_receipt batch_receipt_short batch_proof receipt_write'),
    ('rest', 'counted_intake run_write'),
    ('check signature', 'counted_signature'),
]
stage_of = {function: stage for stage, functions in stages for function in functions.split()}


def parse(path):
    """Instructions by stage: self cost of each function, told apart by its callers."""
    costs = collections.Counter()
    names = {}
    stage = None
    called = False
    for line in path.read_text().splitlines():
        match = re.match(r'fn=\((\d+)\)(?: (.*))?$', line)
        if match:
            if match[2]:
                names[match[1]] = match[2]
            stage = next((stage_of[name] for name in re.split("'", names[match[1]])
                          for name in [name.split('.')[0]] if name in stage_of), None)
        elif line.startswith('cfn='):
            match = re.match(r'cfn=\((\d+)\)(?: (.*))?$', line)
            if match[2]:
                names[match[1]] = match[2]
        elif line.startswith('calls='):
            called = True  # the next line is the callee's, which has lines of its own
        elif re.match(r'[+\-*\d]', line):
            if not called:
                costs[stage] += int(line.split()[-1])
            called = False
    if None in costs:
        sys.exit(f'count.py: {costs[None]} instructions belong to no stage')
    return costs


def count(program, mix, folder):
    out = folder / f'{mix}.out'
    functions = ['counted_signature'] if mix == 'signature' else ['counted_intake', 'run_write']
    run = subprocess.run(
        ['valgrind', '-q', '--tool=callgrind', *(f'--toggle-collect={name}' for name in functions),
         f'--separate-callers={DEPTH}', f'--callgrind-out-file={out}', program, mix],
        stdout=subprocess.PIPE, text=True, check=True)
    reports = int(run.stdout)
    costs = parse(out)
    return {stage: round(costs[stage] / reports) for stage, _ in stages if costs[stage]}


def read_kept():
    kept = collections.defaultdict(dict)
    for line in KEPT.read_text().splitlines()[1:]:
        mix, stage, instructions = line.split('\t')
        kept[mix][stage] = int(instructions)
    return kept


def main():
    arguments = sys.argv[1:]
    write = '--write' in arguments
    program, *mixes = [argument for argument in arguments if argument != '--write']
    if not shutil.which('valgrind'):
        print('skipped: no valgrind; ./dev setup installs it')
        return SKIPPED
    kept = read_kept() if KEPT.exists() else collections.defaultdict(dict)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        mixes = mixes or MIXES
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            counted = pool.map(lambda mix: count(program, mix, pathlib.Path(folder)), mixes)
        for mix, found in zip(mixes, counted):
            total, before = sum(found.values()), sum(kept[mix].values())
            print(f'{mix}: instructions per report')
            for stage, instructions in found.items():
                print(f'  {stage:16} {instructions:9} {100 * instructions / total:5.1f} %'
                      f'   kept {kept[mix].get(stage, 0):9}')
            print(f'  {"all":16} {total:9}           kept {before:9}')
            missing = kept[mix].keys() - found.keys()
            if write:
                kept[mix] = found
            elif missing:
                print(f'{mix}: nothing was counted of {", ".join(sorted(missing))}: is a function named otherwise now?')
                failed = True
            elif total > before * ROOM:
                print(f'{mix}: {total} is more than {ROOM} of {before}: make it less, '
                      f'or say why it is worth it and keep it with count.py --write')
                failed = True
    if write:
        KEPT.write_text('mix\tstage\tinstructions\n' + ''.join(
            f'{mix}\t{stage}\t{instructions}\n'
            for mix in MIXES for stage, instructions in kept[mix].items()))
    return int(failed)


if __name__ == '__main__':
    sys.exit(main())
