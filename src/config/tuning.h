// Tuning: when the boxes beside the path act, and how far they go. No size of a block, page or
// class depends on it (config/geometry.h). Small geometries have a small one, so that tests reach
// every edge within a few operations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "config/geometry.h"

namespace hakmem {

struct ProductionTuning {
  // realloc gives a block that grows room to grow further, from this size on.
  static constexpr std::size_t kReallocRoomMin = 4096;

  // A context that has flushed so much, or has had so much freed for it by others, without needing
  // a page keeps nothing any more; after so many allocations it keeps again (heap/maintenance.h).
  static constexpr std::size_t kReleaseModeBytes = std::size_t{8} << 20;
  static constexpr std::uint16_t kReleaseModeAllocations = 16;

  // Free pages keep at least so much memory until they have aged, and a heap that grows by so much,
  // or by an eighth of what it has if that is more, ends a decay period (cold/idle_account.h).
  static constexpr std::size_t kIdleMin = std::size_t{16} << 20;
  static constexpr std::size_t kGrowthMin = std::size_t{16} << 20;
  // So many partial pages of a bin are looked at for rest in one period (hot/hot_box.h).
  static constexpr std::uint32_t kRestPages = 2048;

  // The learner raises the limits of a class of which so many pages went back and forth in a
  // period, and lowers them when it were fewer than kLearnCalmPages for so many periods
  // (learn/decision.h).
  static constexpr std::uint16_t kLearnChurnPages = 32;
  static constexpr std::uint16_t kLearnCalmPages = 8;
  static constexpr std::uint16_t kLearnCalmPeriods = 4;
  // It raises them to so much memory at most: what a context keeps of a bin, what is warm of a
  // class.
  static constexpr std::size_t kLearnHoldBytes = std::size_t{4} << 20;
  static constexpr std::size_t kLearnWarmBytes = std::size_t{8} << 20;
  // Policies are never unmapped: it makes so many in the life of a process (policy/policy_box.h).
  static constexpr std::uint32_t kLearnedPoliciesMax = 256;
};

struct SmallTuning {
  static constexpr std::size_t kReallocRoomMin = 512;
  static constexpr std::size_t kReleaseModeBytes = 16384;
  static constexpr std::uint16_t kReleaseModeAllocations = 3;
  static constexpr std::size_t kIdleMin = 32768;
  static constexpr std::size_t kGrowthMin = 32768;
  static constexpr std::uint32_t kRestPages = 2;
  static constexpr std::uint16_t kLearnChurnPages = 2;
  static constexpr std::uint16_t kLearnCalmPages = 1;
  static constexpr std::uint16_t kLearnCalmPeriods = 2;
  static constexpr std::size_t kLearnHoldBytes = 65536;
  static constexpr std::size_t kLearnWarmBytes = 131072;
  static constexpr std::uint32_t kLearnedPoliciesMax = 4;
};

// The tuning of a configuration that names none.
template <class Geometry>
using TuningFor =
    std::conditional_t<std::is_base_of_v<SmallGeometry, Geometry>, SmallTuning, ProductionTuning>;

}  // namespace hakmem
