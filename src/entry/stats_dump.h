// HAKMEM_STATS: puts the statistics out at exit, on a signal, and for hak_stats_print.
//
// The signal's handler looks and writes itself, so that an idle program answers, too: it waits for
// no lock and only a moment for a reader. Where the heap is in use at that moment, or another is
// putting statistics out, it leaves a note instead, and the next call that leaves the fast path
// does it. Nothing here allocates or changes errno. Tests: tests/process/stats.cc,
// tests/unit/stats_format_test.cc.
#pragma once

#include "base/atomic.h"
#include "base/attributes.h"
#include "entry/options.h"

namespace hakmem::heap {

extern constinit StdWorld::atomic<bool> g_stats_wanted;

// Once, when the allocator has started.
void start_stats_dump(const StatsOutput& output) noexcept;
// 0, or the error number of the failed write. Waits for whoever is at it.
int print_stats(int fd, StatsFormat format) noexcept;
void dump_stats_at_exit() noexcept;

// In the child of a fork: whoever was at it is gone.
void stats_dump_fork_child() noexcept;

HAKMEM_NOINLINE void serve_stats_slow() noexcept;
// On slow paths, with no lock held. relaxed: whoever sees it late serves it late.
inline void serve_stats() noexcept {
  if (HAKMEM_UNLIKELY(g_stats_wanted.load_relaxed())) serve_stats_slow();
}

}  // namespace hakmem::heap
