// The environment variables that begin with HAKMEM_ and mean something: to the allocator
// (variables.def), or to the tools beside it, whose programs run on it. tests/link/variables.sh
// compares with what is read.
#pragma once

#include <cstddef>
#include <string_view>

namespace hakmem {

inline constexpr std::string_view kVariablePrefix = "HAKMEM_";

inline constexpr std::string_view kVariables[] = {
#define HAKMEM_VARIABLE(name, values, meaning) "HAKMEM_" #name,
#include "config/variables.def"
#undef HAKMEM_VARIABLE
    // ./hakmem, benchmarks, fuzzing, seeded bugs, tests
    "HAKMEM_BENCH_EXTRA", "HAKMEM_BENCH_MAX_SIZE", "HAKMEM_BENCH_MIN_SIZE", "HAKMEM_BENCH_PHASES",
    "HAKMEM_BUILD", "HAKMEM_FUZZ_BUILD", "HAKMEM_HUNT_CONFIG", "HAKMEM_JOBS", "HAKMEM_OTHER",
    "HAKMEM_SEEDED_BUG", "HAKMEM_SO", "HAKMEM_SPIN_FREERS", "HAKMEM_STATIC"};

// Of "NAME=value", the length of a NAME that begins like ours and is none of them; 0: all is well.
constexpr std::size_t unknown_name(std::string_view variable) noexcept {
  const std::string_view name = variable.substr(0, variable.find('='));
  if (!name.starts_with(kVariablePrefix)) return 0;
  for (const std::string_view known : kVariables) {
    if (name == known) return 0;
  }
  return name.size();
}

static_assert(unknown_name("PATH=/bin") == 0 && unknown_name("HAKMEM_STATS=text") == 0);
static_assert(unknown_name("HAKMEM_STAT=text") == 11 && unknown_name("HAKMEM_") == 7);

}  // namespace hakmem
