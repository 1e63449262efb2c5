// Forced in front of every file of a mutated build: which mutant is on. Each mutation point is a
// conditional on it, so that one build holds all mutants. What the compiler evaluates
// (static_assert, tables) is never mutated: the programs must compile. A point that is passed
// leaves a mark, by which run.py knows what programs can tell a mutant at all.
#pragma once

// Programs that use headers of src/ without the library have no flavour: nothing is mutated there.
#if defined(HAKMEM_FLAVOUR_HARDENED) || defined(HAKMEM_FLAVOUR_PERF)
#define HAKMEM_MUTANT_NOT_READ 0xFFFFFFFFu

extern "C" unsigned hakmem_mutant;  // 0: none
extern "C" unsigned char hakmem_reached[1 << 16];
extern "C" bool hakmem_read_mutant();

#define HAKMEM_MUTANT(n)                                                                      \
  (!__builtin_is_constant_evaluated() &&                                                      \
   ((hakmem_mutant != HAKMEM_MUTANT_NOT_READ || hakmem_read_mutant()), hakmem_reached[n] = 1, \
    hakmem_mutant == (n)))
#else
#define HAKMEM_MUTANT(n) false
#endif
