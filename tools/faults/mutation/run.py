#!/usr/bin/env python3
"""Mutation testing of src/: puts small faults into the boxes, one at a time, and sees which the tests notice.

usage: ./hakmem mutate [--box BOX]... [--sample N] [--seed S] [--seconds T] [--only NUMBERS] [-j JOBS]
                       [--at-least PERCENT] [--judge PROGRAM]... [--quick] [--list] [--json FILE]

All mutants are in one build (schemata.py); MUTANT=N turns one on. The programs that reach it run until one fails. Mutants
that no test can kill, because they behave the same, are listed in equivalent.txt with the reason each.
"""
import argparse
import hashlib
import json
import math
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import equivalent
import programs
import tree
from jury import Jury
from whole import Whole

WORK = tree.ROOT / 'build/mutate'


def read_arguments():
    parser = argparse.ArgumentParser(prog='./hakmem mutate', description=__doc__.split('\n')[0])
    parser.add_argument('--box', action='append', choices=tree.BOXES, help='this box only; may be repeated')
    parser.add_argument('--sample', type=int, help='so many mutants, drawn at random')
    parser.add_argument('--seed', type=int, default=1, help='of the sample (default 1)')
    parser.add_argument('--seconds', type=float, help='start no further mutant after this time')
    parser.add_argument('--quick', action='store_true', help='without the programs that take longer than two seconds')
    parser.add_argument('--judge', action='append', help='this program only; may be repeated')
    parser.add_argument('--only', help='these mutants, by number: 17,33-40')
    parser.add_argument('-j', '--jobs', type=int, default=2)
    parser.add_argument('--at-least', type=float, default=0, help='fail below this score')
    parser.add_argument('--list', action='store_true', help='print the mutants, run nothing')
    parser.add_argument('--json', help='write every verdict to this file')
    return parser.parse_args()


def numbers(text):
    chosen = set()
    for part in text.split(','):
        first, _, last = part.partition('-')
        chosen |= set(range(int(first), int(last or first) + 1))
    return chosen


def choose(mutants, options):
    if options.box:
        mutants = [m for m in mutants if m.file.split('/')[1] in options.box]
    if options.only:
        mutants = [m for m in mutants if m.number in numbers(options.only)]
    return drawn(mutants, options.seed)[:options.sample]


def drawn(mutants, seed):
    """In random order, so that a run cut short is a sample; by their text, so that most of one stays when code changes."""
    return sorted(mutants, key=lambda m: hashlib.sha256(f'{seed} {m.key}'.encode()).digest())


def judge_all(mutants, jury, same, options):
    start, verdicts = time.monotonic(), {}

    def one(mutant):
        if options.seconds is None or time.monotonic() - start < options.seconds:
            listed = mutant.key in same
            verdicts[mutant.number] = killer, how = jury.verdict(mutant, 1 if listed else math.inf)
            if not killer and not listed:
                print(f'mutate: lives: {mutant.number} {mutant.file}:{mutant.line} {mutant.operator}: {mutant.after} {how}',
                      file=sys.stderr, flush=True)
            if len(verdicts) % 50 == 0:
                jury.remember()
                dead = sum(1 for killer, _ in verdicts.values() if killer)
                print(f'mutate: {len(verdicts)}/{len(mutants)}, {dead} killed, {time.monotonic() - start:.0f} s',
                      file=sys.stderr, flush=True)

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(one, mutants))
    jury.remember()
    return verdicts


def print_survivor(mutant):
    print(f'{mutant.file}:{mutant.line}: in {mutant.function}: {mutant.operator} (mutant {mutant.number})\n'
          f'  - {mutant.before}\n  + {mutant.after}')


def tally(mutants, verdicts, same):
    """Per group (box, or memory-order): Counter of generated, killed, survived, equivalent."""
    groups = defaultdict(Counter)
    for mutant in mutants:
        if mutant.number not in verdicts:
            continue
        group = mutant.operator if mutant.operator == 'memory-order' else mutant.file.split('/')[1]
        killed = bool(verdicts[mutant.number][0])
        state = 'killed' if killed else 'equivalent' if mutant.key in same else 'survived'
        groups[group].update(['generated', state])
    return groups


def score(counts):
    judged = counts['killed'] + counts['survived']
    return 100 * counts['killed'] / judged if judged else 100.0


def print_table(groups):
    """Returns the score over the boxes; memory orders are a line of their own: the models of concurrency alone can kill them."""
    total = Counter()
    print(f'\n{"box":13} {"generated":>9} {"killed":>7} {"survived":>9} {"equivalent":>11} {"score":>7}')
    for group in [*tree.BOXES, 'total', 'memory-order']:
        counts = total if group == 'total' else groups.get(group, Counter())
        if group in tree.BOXES:
            total.update(counts)
        if counts:
            print(f'{group:13} {counts["generated"]:9} {counts["killed"]:7} {counts["survived"]:9} {counts["equivalent"]:11} '
                  f'{score(counts):6.1f}%')
    return score(total)


def report(mutants, verdicts, same):
    for mutant in sorted(mutants, key=lambda m: m.number):
        if verdicts.get(mutant.number, ('?', ''))[0] == '' and mutant.key not in same:
            print_survivor(mutant)
    for mutant in mutants:
        if mutant.key in same and verdicts.get(mutant.number, ('', ''))[0]:
            print(f'mutate: listed as equivalent, but killed by {verdicts[mutant.number]}:')
            print_survivor(mutant)
    return print_table(tally(mutants, verdicts, same))


def inner_judges(found, options):
    """The tree of the inner boxes, and the programs that judge them."""
    judges = programs.programs(tree.ROOT)
    built = tree.Tree(WORK, judges, found, options.jobs)
    judges = [j for j in judges if options.judge is None or j.name in options.judge]
    built.build(*([f'bin/{j.name}' for j in judges] if options.judge else []))
    for program in judges:
        programs.measure(program, str(WORK / 'bin' / program.name))
    return built, judges


def whole_judges(found, options):
    built = Whole(WORK / 'whole', found, options.jobs)
    return built, built.judges(options.judge)


def main():
    options = read_arguments()
    found = tree.all_points(tree.ROOT, WORK / 'points.pickle')
    everything = [m for points in found.values() for m in tree.mutants_of(points)]
    same = equivalent.read(Path(__file__).with_name('equivalent.txt'), everything)
    if options.list:
        for mutant in choose(everything, options):
            print_survivor(mutant)
        return 0
    boxes = set(options.box or tree.BOXES)
    built, judges = [], []
    for make, of in ((inner_judges, set(tree.BOXES) - tree.WHOLE), (whole_judges, tree.WHOLE)):
        if boxes & of:
            tree_of, judges_of = make({name: points for name, points in found.items() if name.split('/')[1] in of}, options)
            built.append(tree_of)
            judges += judges_of
    judges = [p for p in judges if not options.quick or p.cpu < 2]
    print('mutate: ' + ', '.join(f'{p.name} {p.cpu:.2f} s, {len(p.reached)} reached' for p in judges), file=sys.stderr, flush=True)
    mutants = choose([m for points in found.values() for m in tree.mutants_of(points)], options)
    verdicts = judge_all(mutants, Jury(judges, WORK / 'bin', WORK / 'killers.json'), same, options)
    if options.json:
        Path(options.json).write_text(json.dumps([dict(vars(m), verdict=verdicts.get(m.number)) for m in mutants], indent=1))
    reached = report(mutants, verdicts, same)
    print(f'{sum(len(b.dropped) for b in built)} mutants that do not compile are not counted')
    return 0 if reached >= options.at_least else 1


if __name__ == '__main__':
    sys.exit(main())
