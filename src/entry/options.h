// What the environment says besides the policy: how statistics are put out, how memory is asked
// for. Read once at start; a malformed value is reported in one line with the value used instead
// (settings.h).
#pragma once

#include <cstdint>

#include "config/memory_options.h"
#include "entry/settings.h"

namespace hakmem::heap {

enum class StatsFormat : std::uint8_t { kNone, kText, kJson, kProm };

// HAKMEM_STATS, HAKMEM_STATS_FILE, HAKMEM_STATS_SIGNAL.
struct StatsOutput {
  static constexpr int kStderr = 2;

  StatsFormat format = StatsFormat::kNone;  // none: nothing is put out
  const char* file = nullptr;               // a name, perhaps with %p; nullptr: `fd`
  int fd = kStderr;
  int signal = 0;  // puts out at once; 0: none does
};

struct Options {
  StatsOutput stats{};
  MemoryOptions memory{};   // HAKMEM_THP, HAKMEM_PREFAULT
  bool background = false;  // HAKMEM_BACKGROUND
};

Options options_from(const SettingsSource& source) noexcept;
Options options_from_environment() noexcept;

}  // namespace hakmem::heap
