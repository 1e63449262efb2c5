#!/usr/bin/python3
"""The size-class map, for every size (64-bit arithmetic as the code does it, tables as the compiler has them).

Code: config/geometry.h (bin_of, lut_index, kBinOfSize, kBinTable, class_of_size), heap/allocation.h (has_aligned_bin).
"""
from z3 import And, BitVec, BitVecVal, BoolVal, If, Implies, LShR, UGE, ULE, ULT

from certificate import Claim, run, step, table

BITS = 64


def lut_index(t, n):
    fine = LShR(n + 7, 3)
    coarse = t['fine_limit'] // 8 + LShR(n - t['fine_limit'] + 255, 8)
    return If(ULE(n, t['fine_limit']), fine, coarse)


def column(t, name, b):
    return table([bin_[name] for bin_ in t['bins']], b)


def claims(t):
    bins = t['bins']
    n, m = BitVec('n', BITS), BitVec('m', BITS)
    sized = ULE(n, t['block_max'])
    bin_n, bin_m = table(t['lut'], lut_index(t, n)), table(t['lut'], lut_index(t, m))
    # class_of_size by its definition: C0 holds n <= 8, Ck holds n <= 8 * 2^k.
    last_class = bins[-1]['size_class']
    class_n = step([[c, 8 << c] for c in range(last_class + 1)], n)

    yield Claim('the LUT index lies in the LUT', ULT(lut_index(t, n), len(t['lut'])), [sized])
    yield Claim('bin_of as run = the LUT by its closed-form index', step(t['bin_runs'], n) == bin_n, [sized])
    yield Claim('class_of_size as run = 8 * 2^k', step(t['class_runs'], n) == class_n, [sized])
    yield Claim('fit: the block holds n bytes', UGE(column(t, 'block_size', bin_n), n), [sized])
    yield Claim('the bin belongs to the class of n', column(t, 'size_class', bin_n) == class_n, [sized])
    yield Claim('tightness: no smaller block of the class holds n', And(*[
        Implies(And(UGE(b['block_size'], n), class_n == b['size_class']),
                ULE(column(t, 'block_size', bin_n), b['block_size'])) for b in map(symbolic, bins)]), [sized])
    yield Claim('monotone: a larger size never gets a smaller bin', ULE(bin_n, bin_m),
                [sized, ULE(m, t['block_max']), ULE(n, m)])
    for c in range(last_class + 1):
        top = 8 << c
        upper = table(t['lut'], lut_index(t, BitVecVal(top, BITS)))
        yield Claim(f'boundary of C{c}: {top} is the last size of it', column(t, 'size_class', upper) == c)
        if c < last_class:
            above = table(t['lut'], lut_index(t, BitVecVal(top + 1, BITS)))
            yield Claim(f'boundary of C{c}: {top + 1} is in C{c + 1}', column(t, 'size_class', above) == c + 1)
    yield Claim('block sizes grow with the bin', BoolVal(all(
        a['block_size'] < b['block_size'] for a, b in zip(bins[1:], bins[2:]))))
    yield from alignment_claims(t)


def symbolic(bin_):
    return {k: BitVecVal(v, BITS) if k == 'block_size' else v for k, v in bin_.items()}


def alignment_claims(t):
    """Slot k of a page lies at base + k * block_size, and base at a multiple of the page's size."""
    k, base = BitVec('k', BITS), BitVec('base', BITS)
    for b in t['bins']:
        size, page = b['block_size'], 1 << b['page_shift']
        within = [ULT(k, b['capacity']), (base & (page - 1)) == 0]
        yield Claim(f'blocks of {size} are aligned to {t["min_block"]}',
                    ((base + k * size) & (t['min_block'] - 1)) == 0, within)
        natural = size & -size  # every alignment that divides the block size, as aligned_bin asks
        natural = min(natural, 1 << t['unit_shift'])
        yield Claim(f'blocks of {size} are aligned to {natural}', ((base + k * size) & (natural - 1)) == 0, within)
    # aligned_bin never runs out while alignment and size fit a page's unit: the largest bin is a multiple of all.
    yield Claim('some bin of at least n bytes is a multiple of any alignment up to 64 KiB', BoolVal(
        t['bins'][-1]['block_size'] % (1 << t['unit_shift']) == 0))


if __name__ == '__main__':
    run(claims)
