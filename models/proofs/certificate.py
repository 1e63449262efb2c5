"""What the proofs share: the tables of a build, and claims that z3 certifies or refutes.

A claim is proved when its negation has no solution. `run(claims)` is a proof's whole main program:

    X_proof.py TABLES      TABLES: the program that prints the tables (models/proofs/tables.cc)

It prints one line per claim and exits 1 if any is refuted, with the counterexample, or left open.
"""
import json
import subprocess
import sys

import z3

FLAVOURS = ('hardened', 'perf')
RESOURCES_MAX = 200_000_000  # of z3's own count: unlike a time limit the same on every machine


class Claim:
    """`statement` holds for every value of its free variables that satisfies `given`."""

    def __init__(self, name, statement, given=()):
        self.name, self.statement, self.given = name, statement, list(given)

    def verdict(self):
        """'proved', or how it failed."""
        solver = z3.Solver()
        solver.set('rlimit', RESOURCES_MAX)
        solver.add(*self.given, z3.Not(self.statement))
        answer = solver.check()
        if answer == z3.unsat:
            return 'proved'
        return f'refuted: {solver.model()}' if answer == z3.sat else f'open: {solver.reason_unknown()}'


def read_tables(program):
    return json.loads(subprocess.run([program], check=True, capture_output=True, text=True).stdout)


def judge(claims, tables):
    """(flavour, claim name, verdict) of every claim."""
    for flavour in FLAVOURS:
        for claim in claims(tables[flavour]):
            yield flavour, claim.name, claim.verdict()


def run(claims):
    bad = total = 0
    for flavour, name, verdict in judge(claims, read_tables(sys.argv[1])):
        total += 1
        bad += verdict != 'proved'
        print(f'{flavour}: {name}: {verdict}')
    print(f'{total - bad} of {total} claims proved')
    sys.exit(1 if bad or not total else 0)


def step(runs, x):
    """The function given by [value, last x] runs, at the symbolic x."""
    value = z3.BitVecVal(runs[-1][0], x.size())
    for v, last in reversed(runs[:-1]):
        value = z3.If(z3.ULE(x, last), z3.BitVecVal(v, x.size()), value)
    return value


def table(values, i):
    """values[i] at the symbolic index i."""
    runs = []
    for n, v in enumerate(values):
        if runs and runs[-1][0] == v:
            runs[-1][1] = n
        else:
            runs.append([v, n])
    return step(runs, i)
