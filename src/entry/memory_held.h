// How much memory the allocator holds and how much of it the program does: the one source of
// hak_stats_get, HAKMEM_STATS, mallinfo and their like. docs/STATS.md defines the terms.
#pragma once

#include "inspect/memory_statistics.h"

namespace hakmem::heap {

MemoryStats memory_held() noexcept;
// Never waits, and may be called from a signal handler: false when a lock is held by another.
bool try_memory_held(MemoryStats& found) noexcept;

}  // namespace hakmem::heap
