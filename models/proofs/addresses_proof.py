#!/usr/bin/python3
"""The page map for every 64-bit value: subtract, compare, shift (page/arena.h), and what lies in the arena.

An arena is any address range that the system can give: it does not wrap round the end of the address space, and begins at
a multiple of the superslab size.
"""
from z3 import And, BitVec, BoolVal, LShR, Not, UGE, ULE, ULT

from certificate import Claim, run

BITS = 64
TOP = (1 << BITS) - 1


def claims(t):
    p, base, length = BitVec('p', BITS), BitVec('base', BITS), BitVec('bytes', BITS)
    unit, slab = t['unit_shift'], t['superslab_shift']
    contains = ULT(p - base, length)
    index = LShR(p - base, unit)
    sizes = []  # Arena::init
    size = t['arena_bytes_max']
    while size >= t['arena_bytes_min']:
        sizes.append(size)
        size //= 4
    arena = [ULE(length, t['arena_bytes_max']), ULE(base, TOP - length), (base & ((1 << slab) - 1)) == 0,
             (length & ((1 << slab) - 1)) == 0]

    yield Claim('contains(p) is base <= p < base + bytes', contains == And(ULE(base, p), ULT(p, base + length)), arena)
    yield Claim('no arena, no page', Not(contains), arena + [length == 0])
    yield Claim('the page record lies in the page table', ULT(index, LShR(length, unit)), arena + [contains])
    yield Claim('p lies in the unit of its record',
                And(ULE(base + (index << unit), p), ULT(p, base + (index << unit) + (1 << unit))), arena + [contains])
    yield Claim('the offset into a unit is below its size', ULT(p - (base + (index << unit)), 1 << unit), arena + [contains])
    yield Claim('unit numbers fit 32 bits', ULT(index, (1 << 32) - 1), arena + [contains])
    yield Claim('every arena size is whole superslabs', BoolVal(bool(sizes) and all(s % (1 << slab) == 0 for s in sizes)))
    yield from page_claims(t, base)


def page_claims(t, base):
    """Page k of superslab s, cut as the cold box cuts it."""
    s, k, off, q = (BitVec(n, BITS) for n in ('s', 'k', 'off', 'q'))
    unit, slab = t['unit_shift'], t['superslab_shift']
    slabs = t['arena_bytes_max'] >> slab
    for b in t['bins']:
        page = 1 << b['page_shift']
        head = (s << (slab - unit)) + k * (page >> unit)
        lent = [ULT(s, slabs), ULT(k, b['pages_per_superslab'])]
        yield Claim(f'{b["block_size"]}: a page lies in its superslab and at a multiple of its size',
                    And(ULT((head << unit) + off, (s + 1) << slab), UGE((head << unit) + off, s << slab),
                        ((head << unit) & (page - 1)) == 0), lent + [ULT(off, page)])
        entry = s * t['entries_per_superslab'] + k * b['entry_stride'] + q
        yield Claim(f'{b["block_size"]}: slot entries lie in their superslab\'s part of the table',
                    And(UGE(entry, s * t['entries_per_superslab']), ULT(entry, (s + 1) * t['entries_per_superslab'])),
                    lent + [ULT(q, b['entry_stride'])])


if __name__ == '__main__':
    run(claims)
