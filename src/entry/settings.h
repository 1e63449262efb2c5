// The environment (SPEC S17), read once at start. A malformed value is reported in one line with
// the value used instead, and the program runs.
#pragma once

#include <cstddef>

#include "limits/memory_limit.h"
#include "policy/policy_snapshot.h"

namespace hakmem::heap {

// Where values come from, nullptr for a variable that is not set; who is told of a bad one; and the
// bytes that the control group's file says, LimitBytes::kNone for none.
struct SettingsSource {
  const char* (*value_of)(const char* name) noexcept;
  void (*complain)(const char* name, const char* value, const char* expected,
                   const char* used) noexcept;
  std::size_t (*cgroup)(const char* file) noexcept;
};

PolicySnapshot policy_from(const SettingsSource& source) noexcept;
PolicySnapshot policy_from_environment() noexcept;

LimitBytes limits_from(const SettingsSource& source) noexcept;
LimitBytes limits_from_environment() noexcept;

}  // namespace hakmem::heap
