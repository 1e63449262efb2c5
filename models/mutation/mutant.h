// Forced in front of every file of a mutated build: which mutant is on. Each mutation point is a conditional on it, so that one
// build holds all mutants. What the compiler evaluates (static_assert, tables) is never mutated: the programs must compile.
#pragma once

extern "C" unsigned hakmem_mutant;  // 0: none

#define HAKMEM_MUTANT(n) (!__builtin_is_constant_evaluated() && hakmem_mutant == (n))
