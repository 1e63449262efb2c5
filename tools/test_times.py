#!/usr/bin/env python3
"""Where the time of the test run goes: CPU seconds of each compiler and linker call and of each group of tests.

usage: tools/test_times.py [--presets P,...] [--out FILE] [--work DIR] [-j N] [--keep] [--no-tests]
       tools/test_times.py --call LOG COMMAND...        runs COMMAND and notes its CPU time

Clones HEAD into DIR (default: build/times), builds the presets of `./hakmem test` there from nothing, without ccache, and
runs the tests label by label. The table goes to FILE (default: docs/measured/test_run.md). --keep: what DIR has noted
already is not measured again. The wall time of a label by itself is no part of a sum: `./hakmem test` runs all at once.
"""
import argparse
import os
import platform
import resource
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PRESETS = ['debug', 'asan', 'tsan', 'perf', 'hardened']
LABELS = ['unit', 'misuse', 'programs', 'process', 'property', 'replay', 'proofs', 'concurrency']
KINDS = [('cmake_pch', 'precompiled headers'), ('_models.dir/', 'allocators of the tests'),
         ('test_heap.dir/', 'allocators of the tests'), ('fuzz_replay', 'replay'), ('/misuse_', 'misuse'), ('_prop.dir', 'property'),
         ('_model.dir', 'concurrency'), ('_objects.dir', 'libraries'), ('/unit/', 'unit'), ('/entry/', 'entry'),
         ('process', 'process'), ('recorded', 'replay'), ('hakmem-replay', 'tools'), ('bench', 'bench')]


def call(log, command):
    """Runs a compiler or linker and notes what it took: user, system, output."""
    status = subprocess.call(command)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = command[command.index('-o') + 1] if '-o' in command[:-1] else '-'
    with open(log, 'a', encoding='utf-8') as file:
        file.write(f'{used.ru_utime:.2f} {used.ru_stime:.2f} {output}\n')
    return status if status >= 0 else 1


def kind_of(output):
    if not output.endswith(('.o', '.pch', '.gch')):
        return 'links'
    return next((kind for part, kind in KINDS if part in output), 'other')


def children_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def build(tree, preset, jobs, log):
    """Wall seconds of configuring and building."""
    begun = time.monotonic()
    launcher = ';'.join([sys.executable, str(ROOT / 'tools/test_times.py'), '--call', str(log)])
    subprocess.run(['cmake', '--preset', preset, '-DHAKMEM_TESTS=ON', '-DHAKMEM_PRECOMPILE=ON', '--log-level=WARNING',
                    *(f'-DCMAKE_{each}_LAUNCHER={launcher}' for each in ('C_COMPILER', 'CXX_COMPILER', 'CXX_LINKER'))],
                   cwd=tree, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(['ninja', '-C', f'build/{preset}', f'-j{jobs}'], cwd=tree, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def test(tree, preset, label, jobs):
    """(CPU seconds, wall seconds, whether all passed), or None when the preset has no such tests."""
    command = ['ctest', '--test-dir', f'build/{preset}', '-L', f'^{label}$']
    shown = subprocess.run([*command, '-N'], cwd=tree, check=True, capture_output=True, text=True).stdout
    if 'Total Tests: 0' in shown:
        return None
    cpu, begun = children_cpu(), time.monotonic()
    status = subprocess.run([*command, f'-j{2 * jobs}'], cwd=tree, stdout=subprocess.DEVNULL, check=False).returncode
    return children_cpu() - cpu, time.monotonic() - begun, status == 0


def compiled(log):
    """{kind: (calls, CPU seconds)}"""
    found = defaultdict(lambda: (0, 0.0))
    for line in log.read_text(encoding='utf-8').splitlines():
        user, system, output = line.split(' ', 2)
        calls, seconds = found[kind_of(output)]
        found[kind_of(output)] = calls + 1, seconds + float(user) + float(system)
    return found


def table(rows, columns, sums=True):
    """Rows of {column: number}; an absent one is a dash."""
    lines = ['| | ' + ' | '.join(columns) + ' |', '|---' * (len(columns) + 1) + '|']
    if sums:
        rows = {**rows, 'all': {c: sum(row.get(c, 0) for row in rows.values()) for c in columns}}
    for name, row in rows.items():
        lines.append(f'| {name} | ' + ' | '.join(f'{row[c]:.0f}' if row.get(c) else '-' for c in columns) + ' |')
    return lines


def report(presets, logs, walls, tests):
    commit = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], cwd=ROOT, check=True, capture_output=True, text=True)
    rows = defaultdict(dict)
    for preset in presets:
        for kind, (_, seconds) in compiled(logs[preset]).items():
            rows[kind][preset] = seconds
    order = dict(sorted(rows.items(), key=lambda row: -sum(row[1].values())))
    out = ['# The test run: where its time goes', '', '| | |', '|---|---|', '| command | `tools/test_times.py` |',
           f'| commit | {commit.stdout.strip()} |', f'| date | {time.strftime("%Y-%m-%d")} |',
           f'| machine | {os.cpu_count()} cores, {platform.system()} {platform.release()}, no ccache |', '',
           '## CPU seconds of compilers and linkers, from nothing', '', *table(order, presets), '',
           'Wall seconds: ' + ', '.join(f'{preset} {walls[preset]:.0f}' for preset in presets if preset in walls) + '.']
    if tests:
        ran = {label: {p: tests[p, label][0] for p in presets if tests.get((p, label))} for label in LABELS}
        out += ['', '## CPU seconds of the tests', '', *table({k: row for k, row in ran.items() if row}, presets)]
        failed = [f'{p}:{label}' for (p, label), result in tests.items() if result and not result[2]]
        if failed:
            out += ['', f'Failed: {", ".join(failed)}.']
    return '\n'.join(out) + '\n'


def main():
    if sys.argv[1:2] == ['--call']:
        return call(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--presets', default=','.join(PRESETS))
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/measured/test_run.md')
    parser.add_argument('--work', type=Path, default=ROOT / 'build/times')
    parser.add_argument('-j', type=int, default=os.cpu_count())
    parser.add_argument('--keep', action='store_true')
    parser.add_argument('--no-tests', action='store_true')
    arguments = parser.parse_args()
    work, tree, presets = arguments.work.resolve(), arguments.work.resolve() / 'tree', arguments.presets.split(',')
    if not arguments.keep:
        subprocess.run(['rm', '-rf', work], check=True)
    if not tree.exists():
        subprocess.run(['git', 'clone', '-q', '--shared', ROOT, tree], check=True)
    logs, walls, tests = {preset: work / f'{preset}.calls' for preset in presets}, {}, {}
    for preset in presets:
        if not logs[preset].exists():
            walls[preset] = build(tree, preset, arguments.j, logs[preset])
        for label in [] if arguments.no_tests else LABELS:
            tests[preset, label] = test(tree, preset, label, arguments.j)
    arguments.out.write_text(report(presets, logs, walls, {key: each for key, each in tests.items() if each}), encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
