// Fatal reports: a few lines on stderr in one write, then abort. Async-signal-safe, allocates
// nothing, takes no lock. The frames are named report_<fault>, one function per fault, so that
// crash de-duplication keeps different bugs apart. Format and codes: docs/REPORTS.md.
#pragma once

#include <cstdint>

#include "base/block_view.h"
#include "base/check.h"  // report_corruption

namespace hakmem {

// Who called: the entry point as the program wrote it, e.g. "free".
struct FaultContext {
  const char* operation = "free";
  std::uintptr_t pointer = 0;
  std::size_t size = 0;            // bytes that the caller stated, for size-mismatch
  std::uint32_t this_context = 0;  // context number + 1, 0 for none
};

const char* fault_code(Fault fault) noexcept;
const char* slot_state_name(SlotState state) noexcept;

[[noreturn]] void report_fault(const FaultContext& call, const BlockView& block) noexcept;

// One line `hakmem: warning: NAME="value" is not <expected>; using <used>`. Not fatal.
void report_bad_environment(const char* name, const char* value, const char* expected,
                            const char* used) noexcept;
// One line `hakmem: warning: NAME is not a variable that hakmem knows`. Not fatal.
void report_unknown_variable(const char* name) noexcept;
// One line `hakmem: warning: vm.max_map_count=<max> <what>`. Not fatal.
void report_few_mappings(std::size_t max, const char* what) noexcept;
// One line: which operator delete stated which size of which block, and what to set. Not fatal.
void report_sized_delete(const FaultContext& call, const BlockView& block) noexcept;
// From now on an unknown pointer may be one of libc's, by way of a library with RTLD_DEEPBIND.
void note_deep_bound() noexcept;
// One line `hakmem: warning: <text>`. Not fatal.
void report_warning(const char* text) noexcept;

}  // namespace hakmem
