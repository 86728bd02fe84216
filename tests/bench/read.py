"""Reading: bench_read.c asks the questions, of stores of several sizes, in this process and served."""
import subprocess

from machine import Failed


def read(bench):
    size = ['--tiny'] if bench.tiny else ['--quick'] if bench.quick else []
    done = subprocess.run([bench.programs.path('bench_read'), '--tsv', *size,
                           '--folder', bench.programs.parent],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Failed(done.stderr.strip())
    bench.results.head('read')
    for line in done.stdout.splitlines():
        name, middle, least, most, unit, against, ratio = line.split('\t')
        for value in (middle, least, most):
            bench.results.add(f'read {name}', float(value), unit)
        if against == name:
            bench.results.show(f'read {name}')
        else:
            bench.results.show(f'read {name}', f'read {against}')
