// Prints StatsV3 as SPEC S18 asks: per class one [SMALL_HEAP_V3_STATS] line, [ALLOC_DETAIL] and
// [FREE_DETAIL]. Allocates nothing.
#pragma once

namespace hakmem::heap {

void print_stats_v3() noexcept;

}  // namespace hakmem::heap
