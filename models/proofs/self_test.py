#!/usr/bin/python3
"""That the proofs can fail: each table, tampered with in one place, is refuted by the claim that is about it.

usage: self_test.py TABLES
"""
import copy
import sys

import addresses_proof
import overflow_proof
import reciprocals_proof
import sizes_proof
from certificate import read_tables


def bin_of(t, size):
    return next(b for b in t['bins'] if b['block_size'] == size)


def set_in_bin(size, field, change):
    def tamper(t):
        b = bin_of(t, size)
        b[field] = change(b[field])
    return tamper


def set_at(field, change):
    def tamper(t):
        t[field] = change(t[field])
    return tamper


def set_lut(index, change):
    def tamper(t):
        t['lut'][index] += change
    return tamper


def move_run(field, index, change):
    def tamper(t):
        t[field][index][1] += change
    return tamper


# (what is done, the proof, how the claim's name begins, tamper)
TAMPERS = [
    ('a LUT entry one bin too small', sizes_proof, 'fit', set_lut(80, -1)),
    ('a LUT entry one bin too large', sizes_proof, 'tightness', set_lut(65, 1)),
    ('a LUT entry in the next class', sizes_proof, 'the bin belongs', set_lut(128, 1)),
    ('a LUT that falls', sizes_proof, 'monotone', set_lut(100, 5)),
    ('a LUT that is too short', sizes_proof, 'the LUT index', lambda t: t['lut'].pop()),
    ('bin_of off by one size', sizes_proof, 'bin_of as run', move_run('bin_runs', 7, 1)),
    ('class_of_size off by one size', sizes_proof, 'class_of_size', move_run('class_runs', 3, -1)),
    ('a bin in the wrong class', sizes_proof, 'boundary of C7: 1024', set_in_bin(1024, 'size_class', lambda c: 8)),
    ('a block size that is no multiple of 16', sizes_proof, 'blocks of 328 are aligned to 16',
     set_in_bin(320, 'block_size', lambda n: n + 8)),
    ('a reciprocal one too small', reciprocals_proof, '48: exact quotient', set_in_bin(48, 'reciprocal', lambda r: r - 1)),
    ('a reciprocal one too large', reciprocals_proof, '48: the reciprocal',
     set_in_bin(48, 'reciprocal', lambda r: r + 1)),
    ('a reciprocal of 32 bits', reciprocals_proof, '229376: fraction',
     set_in_bin(229376, 'reciprocal', lambda r: (r >> 32) + 1 << 32)),
    ('a slot entry too few', reciprocals_proof, '640: the quotient', set_in_bin(640, 'entry_stride', lambda n: 65536 // 640)),
    ('a slot too many', reciprocals_proof, '1024: slots end', set_in_bin(1024, 'capacity', lambda n: n + 1)),
    ('a page too many in a superslab', addresses_proof, '16: a page lies',
     set_in_bin(16, 'pages_per_superslab', lambda n: n + 1)),
    ('entries of a superslab that overlap the next one\'s', addresses_proof, '16: slot entries',
     set_at('entries_per_superslab', lambda n: n - 1)),
    ('units too small for 32-bit numbers', addresses_proof, 'unit numbers', set_at('unit_shift', lambda n: n - 9)),
    ('an arena of half a superslab', addresses_proof, 'every arena size', set_at('arena_bytes_max', lambda n: 3 << 20)),
]


def refuted(proof, prefix, tables):
    """Whether the claims whose names begin with `prefix` are refuted; an error is as good as none found."""
    verdicts = [c.verdict() for c in proof.claims(tables) if c.name.startswith(prefix)]
    return any(v.startswith('refuted') for v in verdicts)


def claims_can_fail():
    """Of the claims about no table: with what they assume left out they do not hold."""
    claim = next(c for c in overflow_proof.claims({'guard_bytes': 4096, 'block_max': 262144}) if 'page_length' in c.name)
    claim.given = []
    return claim.verdict().startswith('refuted')


def main():
    tables = read_tables(sys.argv[1])['hardened']
    bad = 0
    for what, proof, prefix, tamper in TAMPERS:
        tampered = copy.deepcopy(tables)
        tamper(tampered)
        good = refuted(proof, prefix, tampered)
        bad += not good
        print(f'{"ok" if good else "FAILED"}: {what}: {prefix}...: {"refuted" if good else "not noticed"}')
    good = claims_can_fail()
    print(f'{"ok" if good else "FAILED"}: sizes above PTRDIFF_MAX let in: page_length: {"refuted" if good else "not noticed"}')
    sys.exit(1 if bad or not good else 0)


if __name__ == '__main__':
    main()
