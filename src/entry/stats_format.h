// The statistics as text: for people, as JSON (one line), and in Prometheus' text format 0.0.4.
// docs/STATS.md describes all three. Writes into a buffer of its own size; allocates nothing.
#pragma once

#include <cstdint>

#include "base/text.h"
#include "entry/options.h"
#include "inspect/memory_statistics.h"
#include "stats/stats_v3.h"

namespace hakmem::heap {

// All that is put out.
struct StatsReport {
  MemoryStats memory{};
  StatsV3 counters{};
  bool counting = false;  // counters are on
  std::uint64_t process = 0;
};

// Room for every counter of every class at its largest (tests/unit/stats_format_test.cc).
using StatsText = TextOf<49152>;

// Requires: format is not kNone. Ensures: `text` holds the report and nothing else.
void format_stats(StatsFormat format, const StatsReport& report, StatsText& text) noexcept;

}  // namespace hakmem::heap
