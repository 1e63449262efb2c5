// How much memory the allocator holds and how much of it the program does: what mallinfo and
// hak_memory report. Walks every page that is out; not for hot paths.
#pragma once

#include <cstddef>

namespace hakmem::heap {

// Bytes unless stated otherwise.
struct Totals {
  std::size_t small_held = 0;    // superslabs and v1's chunks
  std::size_t small_live = 0;    // of these, in blocks that the program holds (see below)
  std::size_t small_idle = 0;    // of these, in free pages that trim() gives back
  std::size_t large_held = 0;    // mappings of large blocks, with guards, and cached ones
  std::size_t large_idle = 0;    // of these, cached
  std::size_t large_blocks = 0;  // number of large blocks that the program holds

  std::size_t held() const noexcept { return small_held + large_held; }
  std::size_t live() const noexcept { return small_live + large_held - large_idle; }
};

// Live blocks count with their full block size. Blocks in a thread's magazines count as live in the
// perf flavour, which keeps no record of them.
Totals totals() noexcept;

}  // namespace hakmem::heap
