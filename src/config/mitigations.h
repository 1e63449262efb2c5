// Which defences a flavour has. A constexpr value used through `if constexpr`: what is off costs
// nothing and still compiles. Measured cost of each: docs/decisions/.
#pragma once

namespace hakmem {

struct Mitigations {
  bool check_frees;      // slot states on the hot path: double, interior, misaligned, invalid free
  bool randomize_slots;  // pages are carved, and magazines refilled, in random order
  bool guard_pages;      // an inaccessible system page behind every page and large block
};

inline constexpr Mitigations kHardenedMitigations{true, true, true};
inline constexpr Mitigations kPerfMitigations{false, false, false};

}  // namespace hakmem
