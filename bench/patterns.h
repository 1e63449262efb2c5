// The patterns of bench/patterns: what each does, and what one op of it is.
//
// Each is written by us in the spirit of a standard allocator benchmark or of a kind of program.
// A function runs one repetition on setup.threads threads and returns the ops it did in all of
// them; the whole call is timed, thread starts included, because they are part of the pattern.
#pragma once

#include <cstdint>

namespace hakmem::bench {

struct PatternSetup {
  unsigned threads;
  uint64_t seed;
};

// Between threads (patterns_handover.cc).
uint64_t run_larson(const PatternSetup& setup);
uint64_t run_handover(const PatternSetup& setup);
uint64_t run_exchange(const PatternSetup& setup);
uint64_t run_mstress(const PatternSetup& setup);

// In batches (patterns_batch.cc).
uint64_t run_simple(const PatternSetup& setup);
uint64_t run_sh6(const PatternSetup& setup);
uint64_t run_sh8(const PatternSetup& setup);
uint64_t run_page_churn(const PatternSetup& setup);
uint64_t run_cache_scratch(const PatternSetup& setup);
uint64_t run_cache_thrash(const PatternSetup& setup);

// As programs do (patterns_program.cc).
uint64_t run_tree(const PatternSetup& setup);
uint64_t run_server(const PatternSetup& setup);
uint64_t run_strings(const PatternSetup& setup);

// Other calls and large blocks (patterns_large.cc).
uint64_t run_realloc_growth(const PatternSetup& setup);
uint64_t run_calloc_small(const PatternSetup& setup);
uint64_t run_calloc_large(const PatternSetup& setup);
uint64_t run_aligned(const PatternSetup& setup);
uint64_t run_large_edge(const PatternSetup& setup);
uint64_t run_large_touch(const PatternSetup& setup);

}  // namespace hakmem::bench
