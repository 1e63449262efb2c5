// PolicySnapshot: everything the allocation paths need to know about configuration, immutable once
// published. Contexts read it on slow paths and set their magazines up from it; the hot path itself
// reads none of it. Written only by publishing a new one (policy_box.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/types.h"
#include "config/geometry.h"

namespace hakmem {

enum class Route : std::uint8_t { kSmallHeapV3, kTinyV1, kPoolV1 };

inline constexpr std::uint32_t kMaskAll = (1u << kClassesMax) - 1;  // profile FULL: phase D
inline constexpr std::uint32_t kMaskC7 = 0x80;                      // profile C7_SAFE: phase A
inline constexpr std::uint8_t kPoolFirstClass = 9;                  // C9.. are pool v1's
inline constexpr std::uint8_t kBigFirstClass = 12;                  // C12.. have pages of 512 KiB up

struct ClassPolicy {
  bool v3 = true;                   // heap version: v3, else v1
  std::uint16_t max_partial = 0;    // partial and empty pages a context may hold per bin
  std::uint16_t warm_cap = 0;       // empty pages the cold box keeps mapped
  bool pinned = false;              // the program has set them: the learner leaves them alone
  bool operator==(const ClassPolicy&) const = default;
};

struct PolicySnapshot {
  std::array<ClassPolicy, kClassesMax> classes{};
  bool c6_hot = false;  // C6 goes through the front cache even when its pages come from v1
  bool count = false;   // statistics on: every call takes the counting slow path
  bool every_call_slow = false;  // calls are being recorded (HAKMEM_TRACE)
  bool learn = false;  // page events are noted for the learner, which may change the limits
  bool operator==(const PolicySnapshot&) const = default;

  // Equal snapshots have equal ones; the highest bits depend on every member.
  constexpr std::uint64_t hash() const noexcept {
    constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15u;  // 2^64 by the golden ratio
    std::uint64_t h = std::uint64_t{c6_hot} << 3 | std::uint64_t{count} << 2 |
                      std::uint64_t{every_call_slow} << 1 | std::uint64_t{learn};
    for (const ClassPolicy& c : classes) {
      h = (h * kOdd) ^ (std::uint64_t{c.v3} << 33 | std::uint64_t{c.pinned} << 32 |
                        std::uint64_t{c.max_partial} << 16 | std::uint64_t{c.warm_cap});
    }
    return h * kOdd;
  }

  constexpr Route route_of(SizeClass c) const noexcept {
    if (classes[c.value()].v3) return Route::kSmallHeapV3;
    return c.value() < kPoolFirstClass ? Route::kTinyV1 : Route::kPoolV1;
  }
  constexpr bool front_cached(SizeClass c) const noexcept {
    return classes[c.value()].v3 || (c6_hot && c.value() == 6);
  }
  constexpr std::uint32_t v3_mask() const noexcept {
    std::uint32_t mask = 0;
    for (std::size_t c = 0; c < kClassesMax; ++c) mask |= std::uint32_t{classes[c].v3} << c;
    return mask;
  }
  constexpr void set_v3_mask(std::uint32_t mask) noexcept {
    for (std::size_t c = 0; c < kClassesMax; ++c) classes[c].v3 = ((mask >> c) & 1) != 0;
  }
};

// The defaults: everything on v3; tiny classes hold more (small) pages than mid ones.
constexpr PolicySnapshot default_policy() noexcept {
  PolicySnapshot p;
  for (std::size_t c = 0; c < kClassesMax; ++c) {
    p.classes[c].max_partial = c < kPoolFirstClass ? 4 : (c < kBigFirstClass ? 2 : 1);
    p.classes[c].warm_cap = c < kPoolFirstClass ? 16 : (c < kBigFirstClass ? 8 : 2);
  }
  p.set_v3_mask(kMaskAll);
  return p;
}

}  // namespace hakmem
