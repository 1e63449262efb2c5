// The reports of the allocator in a scheduled run: with one it is over, and the oracle (run.h) says
// whether it was the right one. A program is one translation unit: these are the definitions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "config/geometry.h"
#include "models/schedule/scheduler.h"
#include "report/report.h"

namespace hakmem::schedule {

// What report.h is told in a scheduled run.
struct Reported {
  static inline std::uintptr_t doubled = 0;  // the block that the program frees twice; 0: none
  static inline bool right = false;          // it was about that
  static inline std::string said;
};

// How a run may end before its threads do.
inline constexpr const char* kReported = "reported";
inline constexpr const char* kExcused = "excused";
inline constexpr const char* kBroken = "broken";

}  // namespace hakmem::schedule

namespace hakmem {

// Right: about the block that is freed twice, whatever is said of it but that the allocator itself
// is broken; where its page serves another layout by then, nothing tells that a block ever began
// there. Or a double free in its page: what is found out later, when a page's slots no longer add
// up, names the first that it meets, and so does a free that went on while the page was lent to
// another bin.
void report_fault(const FaultContext& call, const BlockView& block) noexcept {
  using schedule::Reported;
  Reported::said = std::string(call.operation) + ", fault " + fault_code(block.fault);
  const bool its_page = (call.pointer ^ Reported::doubled) >> SmallGeometry::kPageShiftMax == 0;
  Reported::right = call.pointer == Reported::doubled
                        ? block.fault != Fault::kCorruption
                        : its_page && block.fault == Fault::kDoubleFree;
  schedule::Scheduler::instance().end(schedule::kReported);
}
void report_corruption(const char* law, std::uintptr_t) noexcept {
  schedule::Reported::said = law;
  schedule::Reported::right = false;
  schedule::Scheduler::instance().end(schedule::kReported);
}
void report_few_mappings(std::size_t, const char*) noexcept {}
void report_warning(const char*) noexcept {}
const char* fault_code(Fault fault) noexcept {
  constexpr const char* kCodes[] = {"none",          "not-mine",        "double-free",
                                    "interior-free", "misaligned-free", "invalid-free",
                                    "size-mismatch", "freed-realloc",   "metadata-corruption"};
  return kCodes[static_cast<std::size_t>(fault)];
}

}  // namespace hakmem
