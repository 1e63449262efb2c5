// The laws of the whole heap.
//
//   A1  over all lent pages: free-listed + live + cached + remote slots = carved slots, and, in
//       flavours with checks, as many slots are CACHED as there are places in use in magazines
//   A2  what the memory limit was charged by each heap is what that heap holds, and the total is
//       their sum
//   A3  whatever is sent to a context will be looked at: somebody has it in view, or the next free
//       that is sent to it calls for somebody
//   M1  allocated <= active <= resident <= mapped + metadata (docs/STATS.md)
#pragma once

#include <array>
#include <cstddef>
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

// By holder (limits/memory_limit.h).
struct ChargesView {
  std::array<std::size_t, 3> charged{};
  std::array<std::size_t, 3> held{};
  std::size_t total = 0;
};

constexpr Broken a2_what_is_held_is_charged(const ChargesView& v) noexcept {
  const std::size_t sum = v.held[0] + v.held[1] + v.held[2];
  return law("A2", v.charged == v.held && v.total == sum);
}

struct AttentionView {
  bool out_of_view = true;  // nothing was sent, and the next to send something calls
  bool called = false;
  bool watched = false;
};

constexpr Broken a3_nobody_is_forgotten(const AttentionView& v) noexcept {
  return law("A3", v.out_of_view || v.called || v.watched);
}

// Bytes.
struct MemoryView {
  std::size_t allocated = 0;
  std::size_t active = 0;
  std::size_t resident = 0;
  std::size_t mapped = 0;
  std::size_t metadata = 0;
};

constexpr Broken m1_memory_is_nested(const MemoryView& m) noexcept {
  return law("M1", m.allocated <= m.active && m.active <= m.resident &&
                       m.resident <= m.mapped + m.metadata);
}

}  // namespace hakmem::laws
