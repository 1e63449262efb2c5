#!/usr/bin/python3
"""Sizes near the end of 64 bits: rounding, large mappings, calloc's product, realloc's headroom.

Code: entry/heap.cc (too_large), entry/override_malloc.cc (calloc), base/bits.h (round_up), large/mapper.h (page_length,
make), heap/reallocation.h. System pages of 4 KiB to 64 KiB; the system gives whole pages,
so that without a larger alignment the start needs no rounding.
"""
from z3 import And, BitVec, BoolVal, Extract, If, Implies, Ints, LShR, Not, UGE, UGT, ULE, ULT, ZeroExt

from certificate import Claim, run

BITS = 64
PTRDIFF_MAX = (1 << 63) - 1


def round_up(n, alignment):
    return (n + alignment - 1) & ~(alignment - 1)


def power(a):
    return And(a != 0, (a & (a - 1)) == 0)


def claims(t):
    n, a = BitVec('n', BITS), BitVec('alignment', BITS)
    allowed = ULE(n, PTRDIFF_MAX)
    for page in (4096, 16384, 65536):
        length = If(n == 0, page, round_up(n, page))
        yield Claim(f'pages of {page}: page_length holds n, in whole pages, without wrapping',
                    And(UGE(length, n), UGE(length, page), (length & (page - 1)) == 0,
                        ULE(length - n, page)), [allowed])
        yield from mapping_claims(t, page, length, n, allowed)
    yield Claim('round_up to a power of two: next multiple, or 0 when it wraps',
                If(ULE(n, -a), And(UGE(round_up(n, a), n), ULT(round_up(n, a) - n, a), (round_up(n, a) & (a - 1)) == 0),
                   round_up(n, a) == 0), [power(a), n != 0])
    yield Claim('realloc\'s headroom n + n / 8 does not wrap', UGE(n + LShR(n, 3), n), [allowed])
    yield from calloc_claims()
    yield Claim('every small size is allowed', BoolVal(t['block_max'] <= PTRDIFF_MAX))


def mapping_claims(t, page, length, n, allowed):
    """Mapper::make: the checks keep the sum from wrapping; the block with its guards lies in what was mapped."""
    a, begin = BitVec('alignment', BITS), BitVec('begin', BITS)
    guard = page if t['guard_bytes'] else 0
    extra = 2 * guard
    slack = If(UGT(a, page), a, 0)
    passed = And(ULE(slack, PTRDIFF_MAX - extra), ULE(length, PTRDIFF_MAX - extra - slack))
    total = length + extra + slack
    yield Claim(f'pages of {page}: what is asked of the system is no less than the parts, and allowed',
                And(UGE(total, length), UGE(total, slack), ULE(total, PTRDIFF_MAX)), [allowed, power(a), passed])
    yield Claim(f'pages of {page}: rounding the start does not wrap', ULE(begin + guard, -a),
                [allowed, power(a), UGT(a, page), passed, ULE(begin, -1 - total)])
    # So these are the numbers themselves, and round_up's result is what the claim about it says.
    start, key, bytes_, more = Ints('begin key length slack')
    mapped = start + bytes_ + extra + more
    yield Claim(f'pages of {page}: the block lies with its guards in the mapping',
                And(key - guard >= start, key + bytes_ + guard <= mapped, key + bytes_ < 1 << BITS),
                [start >= 0, bytes_ >= page, more >= 0, mapped < 1 << BITS, key >= start + guard,
                 If(more == 0, key == start + guard, key - (start + guard) < more)])


def calloc_claims():
    """__builtin_mul_overflow says whether the product has more than 64 bits."""
    count, size = BitVec('count', BITS), BitVec('size', BITS)
    product = ZeroExt(BITS, count) * ZeroExt(BITS, size)
    overflows = Extract(2 * BITS - 1, BITS, product) != 0
    n = count * size
    yield Claim('calloc: what passes both checks is the product itself',
                Implies(And(Not(overflows), ULE(n, PTRDIFF_MAX)), ZeroExt(BITS, n) == product))
    yield Claim('calloc: nothing above PTRDIFF_MAX passes',
                Implies(UGT(product, PTRDIFF_MAX), Not(And(Not(overflows), ULE(n, PTRDIFF_MAX)))))


if __name__ == '__main__':
    run(claims)
