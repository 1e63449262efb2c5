// The environment (SPEC S17), read once at start. A malformed value is reported in one line with
// the value used instead, and the program runs.
#pragma once

#include "policy/policy_snapshot.h"

namespace hakmem::heap {

// Where values come from, nullptr for a variable that is not set; and who is told of a bad one.
struct SettingsSource {
  const char* (*value_of)(const char* name) noexcept;
  void (*complain)(const char* name, const char* value, const char* expected,
                   const char* used) noexcept;
};

PolicySnapshot policy_from(const SettingsSource& source) noexcept;
PolicySnapshot policy_from_environment() noexcept;

}  // namespace hakmem::heap
