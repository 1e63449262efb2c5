// The environment (SPEC S17), read once at start. A malformed value is reported in one line with
// the value used instead, and the program runs.
#pragma once

#include "policy/policy_snapshot.h"

namespace hakmem::heap {

PolicySnapshot policy_from_environment() noexcept;

}  // namespace hakmem::heap
