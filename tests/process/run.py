#!/usr/bin/env python3
"""Situations that programs bring an allocator into, and which library gets through them.

    run.py --build BUILD_DIR [--lib NAME=PATH]... [--only LIBRARY]... [--list] [SITUATION...]

Each program of this folder with a `main` is a situation, but for those that ask only hakmem and include hakmem_process.h. Its source
says how it is run:

    // RUN: [before=MODULE] [after=MODULE] ARGUMENTS    one line per run; none: once, without arguments. MODULE is preloaded too, before
                                                        or after the library; @MODULE@ in the arguments is its path
    // MEASURE: NAME <= FACTOR * glibc + CONSTANT       what the program prints as `measure NAME VALUE`, against the same run under glibc
    // MEASURE: NAME <= CONSTANT                        the same, for every library
    // PROMISED: LIBRARY                                of ours, only this one promises it (SECURITY.md); without the line, both do

A cell of the table: `right`, how many of the runs went wrong, or `-` where none of them can be made here. Every wrong run is explained below
it. Exit status 1 when a library of ours (hardened, perf) had one that it promises; 77 when no run could be made.
"""
import argparse
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / 'bench'))
from harness import allocators  # noqa: E402

SECONDS = int(os.environ.get("SITUATION_SECONDS", "60"))  # a hang, on any machine
PEER_SECONDS = min(SECONDS, 15)  # of a library that only the table compares
TRIES = 3       # of a measured run: CPU time is disturbed now and then, a growth never is
PEER_TRIES = 2
NOT_HERE = 77


@dataclass
class Run:
    arguments: list
    before: list = field(default_factory=list)
    after: list = field(default_factory=list)


@dataclass
class Situation:
    name: str
    runs: list
    bounds: list    # (name, factor or None, constant)
    promised: list  # which of ours; empty: both


def notes(source, key):
    return [line[len(key) + 5:].strip() for line in source.read_text().splitlines() if line.startswith(f'// {key}:')]


def parse_run(text):
    run = Run([])
    for word in text.split():
        where, equals, module = word.partition('=')
        getattr(run, where if equals and where in ('before', 'after') else 'arguments').append(
            module if equals and where in ('before', 'after') else word)
    return run


def parse_bound(text):
    fit = re.fullmatch(r'(\w+) <= (?:([\d.]+) \* glibc \+ )?([\d.]+)', text)
    if not fit:
        raise SystemExit(f'MEASURE: "{text}" is not NAME <= [FACTOR * glibc +] CONSTANT')
    return fit[1], fit[2] and float(fit[2]), float(fit[3])


def situations():
    found = []
    for source in sorted([*HERE.glob('*.c'), *HERE.glob('*.cc')]):
        text = source.read_text()
        if not re.search(r'^int main\(', text, re.M) or '#include "hakmem_process.h"' in text:
            continue  # a module, or a program that asks only hakmem
        runs = [parse_run(text) for text in notes(source, 'RUN')] or [Run([])]
        found.append(Situation(source.stem, runs, [parse_bound(text) for text in notes(source, 'MEASURE')],
                               notes(source, 'PROMISED')))
    return found


def of_ours(library):
    return library.name in allocators.OURS


def start(folder, situation, run, library):
    """(status, lines of output) of one run; status 'hangs' when it had to be ended."""
    seconds = SECONDS if of_ours(library) or library.library is None else PEER_SECONDS
    module = lambda name: str(folder / f'process_{name}.so')
    words = [re.sub('@(.*?)@', lambda fit: module(fit[1]), word) for word in run.arguments]
    preload = [*map(module, run.before), *([library.library] if library.library else []), *map(module, run.after)]
    environment = library.environment()
    environment.pop('LD_PRELOAD', None)
    if preload:
        environment['LD_PRELOAD'] = ':'.join(preload)
    process = subprocess.Popen([folder / f'process_{situation.name}', *words], env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors='replace',
                               start_new_session=True)
    try:
        out, err = process.communicate(timeout=seconds)
        status = process.returncode
    except subprocess.TimeoutExpired:
        out, err, status = '', f'no end after {seconds} s', 'hangs'
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        pass
    process.wait()
    return status, out.splitlines() + err.splitlines()


def measures(lines):
    return {words[1]: float(words[2]) for words in map(str.split, lines) if len(words) == 3 and words[0] == 'measure'}


class Judge:
    """Runs situations; what glibc had is measured once for each run."""

    def __init__(self, folder, glibc):
        self.folder, self.glibc, self.standards, self.measuring = folder, glibc, {}, threading.Lock()

    def standard(self, situation, index):
        key = situation.name, index
        with self.measuring:
            if key not in self.standards:
                status, lines = start(self.folder, situation, situation.runs[index], self.glibc)
                if status != 0:
                    raise SystemExit(f'{situation.name} {situation.runs[index].arguments}: glibc: {status} {lines[-1:]}')
                self.standards[key] = measures(lines)
            return self.standards[key]

    def one(self, situation, index, library):
        """'' when right, None when it cannot be made here, else why not."""
        status, lines = start(self.folder, situation, situation.runs[index], library)
        if status == NOT_HERE:
            return None
        said = next((line for line in lines if 'wrong:' in line), ' | '.join(lines[:2]))
        if status != 0:
            return f'status {status}: {said[:240]}'
        had, wrong = measures(lines), []
        for name, factor, constant in situation.bounds:
            if factor is not None and library.library is None:
                continue
            at_most = constant if factor is None else factor * self.standard(situation, index)[name] + constant
            if had[name] > at_most:
                wrong.append(f'{name} {had[name]:.1f}, at most {at_most:.1f}')
        return ', '.join(wrong)

    def judge(self, situation, library):
        """(the wrong runs as lines, how many could not be made)."""
        wrong, left_out = [], 0
        for index, run in enumerate(situation.runs):
            for _ in range((TRIES if of_ours(library) else PEER_TRIES) if situation.bounds else 1):
                why = self.one(situation, index, library)
                if not why:
                    break
                with self.measuring:
                    self.standards.pop((situation.name, index), None)
            if why is None:
                left_out += 1
            elif why:
                how = [*run.arguments, *(f'after {m}' for m in run.before), *(f'before {m}' for m in run.after)]
                wrong.append(f'{situation.name} {" ".join(how)}: {library.name}: {why}'.replace('  ', ' '))
        return wrong, left_out


def libraries(build, given, only):
    """glibc, ours, the installed peers, and what the command line and HAKMEM_BENCH_EXTRA name."""
    extra = ','.join(filter(None, [os.environ.get('HAKMEM_BENCH_EXTRA', ''), *given]))
    os.environ['HAKMEM_BENCH_EXTRA'] = extra
    found = allocators.select(str(build), only or None, with_loop=False)
    return [library for library in found if library.name != 'v1' or only]


def table(chosen, columns, judge):
    width = max(len(s.name) for s in chosen)
    print(' ' * width, *(f'{column.name:>10}' for column in columns), flush=True)
    wrong, broken, made = [], False, 0
    # A few libraries side by side: a hang of one keeps the others waiting for little.
    with ThreadPoolExecutor(min(len(columns), 2 * (os.cpu_count() or 1))) as pool:
        for situation in chosen:
            print(f'{situation.name:<{width}}', end='', flush=True)
            judged = pool.map(lambda column, situation=situation: judge.judge(situation, column), columns)
            for column, (lines, left_out) in zip(columns, judged):
                wrong += lines
                here = len(situation.runs) - left_out
                made += here
                broken |= bool(lines) and column.name in (situation.promised or allocators.OURS)
                cell = f'{len(lines)} of {here}' if lines else 'right' if here else '-'
                print(f' {cell:>10}', end='', flush=True)
            print()
    print(*wrong, sep='\n', end='\n' if wrong else '')
    return 1 if broken else 0 if made else NOT_HERE


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', type=Path, required=True)
    parser.add_argument('--lib', action='append', default=[], metavar='NAME=PATH')
    parser.add_argument('--only', action='append', default=[], metavar='LIBRARY')
    parser.add_argument('--list', action='store_true')
    parser.add_argument('situation', nargs='*')
    options = parser.parse_args()
    known = situations()
    if options.list:
        print('\n'.join(s.name for s in known))
        return 0
    unknown = set(options.situation) - {s.name for s in known}
    if unknown:
        parser.error(f'no such situation: {" ".join(sorted(unknown))}')
    chosen = [s for s in known if not options.situation or s.name in options.situation]
    try:
        columns = libraries(options.build, options.lib, options.only)
    except allocators.BenchError as error:
        parser.error(str(error))
    judge = Judge(options.build / 'tests' / 'process', allocators.Allocator('glibc', None))
    return table(chosen, columns, judge)


if __name__ == '__main__':
    sys.exit(main())
