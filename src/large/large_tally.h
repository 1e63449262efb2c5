// What memory statistics (inspect/memory_statistics.h) ask the large heap.
#pragma once

#include <cstddef>

namespace hakmem::large {

// How much of the large heap is in use; bytes but for the first.
struct LargeTally {
  std::size_t blocks = 0;        // live ones
  std::size_t live_bytes = 0;    // of theirs, all usable
  std::size_t mapped_bytes = 0;  // their mappings with the guards, cached and unmap pending
  std::size_t cached_bytes = 0;  // of these, cached; those of pending unmaps hold none
  std::size_t record_bytes = 0;  // the registry
};

}  // namespace hakmem::large
