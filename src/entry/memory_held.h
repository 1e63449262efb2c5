// How much memory the allocator holds and how much of it the program does: the one source of
// hak_get_stats, HAKMEM_STATS, mallinfo and their like. docs/STATS.md defines the terms.
#pragma once

#include "inspect/survey.h"

namespace hakmem::heap {

Survey memory_held() noexcept;
// Never waits, and may be called from a signal handler: false when a lock is held by another.
bool try_memory_held(Survey& found) noexcept;

}  // namespace hakmem::heap
