// Which system calls may be made. A filter (seccomp) may end the process for one that it does not
// know, so none is tried on the off chance: docs/SYSTEM_CALLS.md lists what is called when.
//
//   kOpen      no filter is known of
//   kAtStart   the process was started under one: what any program needs to start is let through
//   kLater     it has announced one since (entry/override_prctl.cc): only mappings are made, given
//              back and protected
#pragma once

#include <cstdint>

namespace hakmem {

enum class Sandbox : std::uint8_t { kOpen, kAtStart, kLater };

Sandbox sandbox() noexcept;

// At the start of the allocator: asks /proc/self/status.
void look_for_sandbox() noexcept;
// The program is about to get a filter.
void expect_sandbox() noexcept;

}  // namespace hakmem
