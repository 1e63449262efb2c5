// Forced in front of every file of a mutated build: which mutant is on. Each mutation point is a conditional on it, so that one
// build holds all mutants. What the compiler evaluates (static_assert, tables) is never mutated: the programs must compile.
// A point that is passed leaves a mark, by which run.py knows what programs can tell a mutant at all.
#pragma once

extern "C" unsigned hakmem_mutant;  // 0: none
extern "C" unsigned char hakmem_reached[1 << 16];

#define HAKMEM_MUTANT(n) (!__builtin_is_constant_evaluated() && (hakmem_reached[n] = 1, hakmem_mutant == (n)))
