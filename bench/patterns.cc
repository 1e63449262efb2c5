// Driver of the larger patterns: `patterns NAME [--threads N] [--reps N]`; see patterns.h.
#include "patterns.h"

#include <cstring>

#include "driver.h"
#include "timing.h"

namespace hakmem::bench {
namespace {

struct Pattern {
  const char* name;
  const char* op_meaning;
  uint64_t (*run)(const PatternSetup& setup);
};

constexpr Pattern kPatterns[] = {
    {"larson", "free+malloc", run_larson},
    {"handover", "malloc-here+free-there", run_handover},
    {"exchange", "malloc+free", run_exchange},
    {"mstress", "malloc+free", run_mstress},
    {"simple", "malloc+free", run_simple},
    {"sh6", "malloc+free", run_sh6},
    {"sh8", "malloc+free", run_sh8},
    {"page_churn", "malloc+free", run_page_churn},
    {"cache_scratch", "malloc+writes+free", run_cache_scratch},
    {"cache_thrash", "malloc+writes+free", run_cache_thrash},
    {"tree", "node-built-and-freed", run_tree},
    {"server", "malloc+free", run_server},
    {"strings", "insert-append-or-erase", run_strings},
    {"realloc_growth", "realloc", run_realloc_growth},
    {"calloc_small", "free+calloc", run_calloc_small},
    {"calloc_large", "free+calloc", run_calloc_large},
    {"aligned", "free+aligned_alloc", run_aligned},
    {"large_edge", "free+malloc", run_large_edge},
    {"large_touch", "free+malloc", run_large_touch},
};

const Pattern& find_pattern(const char* name) {
  for (const Pattern& pattern : kPatterns) {
    if (strcmp(pattern.name, name) == 0) return pattern;
  }
  fail("unknown pattern (see bench/patterns.h)", name);
}

int patterns_main(int argc, char** argv) {
  static Timings timings;
  const Options options = parse_options(argc, argv);
  const Pattern& pattern = find_pattern(options.name);
  const unsigned threads = static_cast<unsigned>(options.threads);
  uint64_t ops = 0;
  do {
    Stopwatch watch;
    watch.start();
    ops = pattern.run({threads, options.seed});
    watch.stop();
    timings.add(&watch, 1, ops, ops);
  } while (timings.wants_more(options));
  print_result({.options = options,
                .op_meaning = pattern.op_meaning,
                .ops_total = ops,
                .size_min = 0,
                .size_max = 0},
               timings);
  return 0;
}

}  // namespace
}  // namespace hakmem::bench

int main(int argc, char** argv) { return hakmem::bench::patterns_main(argc, argv); }
