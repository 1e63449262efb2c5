#!/usr/bin/python3
"""Division by reciprocal: for every bin and every byte offset in a page, the quotient and the test for an exact multiple.

Code: base/bits.h (reciprocal_of, divide), page/locate.h and ultra/fast_path.h (the fraction below the reciprocal: a slot
boundary; the quotient indexes the page's slot entries). The product has 128 bits; it is taken apart here as integers.
"""
from z3 import And, Ints

from certificate import Claim, run

WORD = 1 << 64


def claims(t):
    # Every offset is q * d + rest in exactly one way, so that no division is needed to speak about it.
    q, rest, slot = Ints('q rest slot')
    for b in t['bins']:
        d, r, page = b['block_size'], b['reciprocal'], 1 << b['page_shift']
        in_page = [q >= 0, rest >= 0, rest < d, q * d + rest < page]
        fraction = q * (d * r) + rest * r - q * WORD  # of the 128-bit product, once q is its upper half
        yield Claim(f'{d}: the reciprocal is ceil(2^64 / {d})', And(slot * r * d >= WORD, slot * r * d < WORD + d),
                    [slot == 1])
        yield Claim(f'{d}: exact quotient below {page}', And(fraction >= 0, fraction < WORD), in_page)
        yield Claim(f'{d}: fraction < reciprocal exactly at multiples', (fraction < r) == (rest == 0), in_page)
        yield Claim(f'{d}: the quotient has a slot entry', q < b['entry_stride'], in_page)
        yield Claim(f'{d}: slots end before the guard', (slot + 1) * d + t['guard_bytes'] <= page,
                    [slot >= 0, slot < b['capacity']])


if __name__ == '__main__':
    run(claims)
