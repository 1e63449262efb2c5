#include "entry/stats_output.h"

#include "base/text.h"
#include "entry/heap.h"
#include "entry/stats_dump.h"
#include "pal/stderr.h"

namespace hakmem::heap {
namespace {

void print_class(std::size_t c, const StatsV3::PerClass& s, std::uint64_t page_of_fail) noexcept {
  Text t;
  t.put("[SMALL_HEAP_V3_STATS] cls=").number(c);
  t.put(" route_hits=").number(s.route_hits).put(" alloc_calls=").number(s.alloc_calls);
  t.put(" alloc_refill=").number(s.alloc_refill).put(" alloc_fb_v1=").number(s.alloc_fb_v1);
  t.put(" free_calls=").number(s.free_calls).put(" free_fb_v1=").number(s.free_fb_v1);
  t.put(" page_of_fail=").number(page_of_fail).put("\n");
  t.put("[ALLOC_DETAIL] cls=").number(c);
  t.put(" alloc_current_hit=").number(s.alloc_current_hit);
  t.put(" alloc_partial_hit=").number(s.alloc_partial_hit);
  t.put(" alloc_ultra_hit=").number(s.alloc_ultra_hit).put("\n");
  t.put("[FREE_DETAIL] cls=").number(c);
  t.put(" free_current=").number(s.free_current).put(" free_partial=").number(s.free_partial);
  t.put(" free_retire=").number(s.free_retire).put(" free_remote=").number(s.free_remote).put("\n");
  write_stderr(Line::kCalledFor, t.data(), t.size());
}

// At exit, after the program's own destructors.
[[gnu::destructor(101)]] void print_at_exit() noexcept {
  if (allocator().policy().count && stderr_takes(Line::kWanted)) print_stats_v3();
  dump_stats_at_exit();
}

}  // namespace

void print_stats_v3() noexcept {
  const StatsV3 stats = allocator().stats();
  for (std::size_t c = 0; c < ProductionConfig::Sizes::kClasses; ++c) {
    const StatsV3::PerClass& s = stats.by_class[c];
    if (s.alloc_calls != 0 || s.free_calls != 0) print_class(c, s, stats.page_of_fail);
  }
}

}  // namespace hakmem::heap
