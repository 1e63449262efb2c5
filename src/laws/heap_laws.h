// The law of the whole v3 heap.
//
//   A1  over all lent pages: free-listed + live + cached + remote slots = carved slots, and, in
//       flavours with checks, as many slots are CACHED as there are places in use in magazines
#pragma once

#include <cstdint>

#include "laws/page_laws.h"

namespace hakmem::laws {

struct HeapView {
  std::uint64_t carved = 0;
  std::uint64_t free_listed = 0;
  std::uint64_t live = 0;
  std::uint64_t cached = 0;
  std::uint64_t remote = 0;
  std::uint64_t in_magazines = 0;  // places that hold blocks of v3
  bool states_tell_cached = true;  // false in flavours without checks

  constexpr void add(const PageView& page, const PageCounts& counts) noexcept {
    carved += page.carved;
    free_listed += counts.free_listed;
    live += counts.live;
    cached += counts.cached;
    remote += counts.remote;
  }
};

constexpr Broken a1_no_slot_is_lost(const HeapView& heap) noexcept {
  const bool all = heap.free_listed + heap.live + heap.cached + heap.remote == heap.carved;
  const bool in_magazines =
      heap.states_tell_cached ? heap.cached == heap.in_magazines : heap.in_magazines <= heap.live;
  return law("A1", all && in_magazines);
}

}  // namespace hakmem::laws
