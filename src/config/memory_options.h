// How the heap's memory is asked for: HAKMEM_THP and HAKMEM_PREFAULT (docs/HUGE_PAGES_NUMA.md). Set
// before the allocator starts, and constant from then on.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hakmem {

enum class HugePages : std::uint8_t {
  kSystem,   // as the system is set
  kNever,    // refused
  kMadvise,  // asked for where guards leave room
  kAlways,   // asked for, and no guards inside superslabs, which would keep them from forming
};

enum class Prefault : std::uint8_t { kNo, kYes };

struct MemoryOptions {
  HugePages huge = HugePages::kSystem;
  Prefault prefault = Prefault::kNo;

  constexpr bool asks_for_huge() const noexcept {
    return huge == HugePages::kMadvise || huge == HugePages::kAlways;
  }
};

// Smaller mappings cannot hold a huge page.
inline constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

// What is said to the system about one range.
enum class HugeAdvice : std::uint8_t { kUse, kAvoid };

// Requires: options.huge is not kSystem.
constexpr HugeAdvice advice_of(const MemoryOptions& options) noexcept {
  return options.asks_for_huge() ? HugeAdvice::kUse : HugeAdvice::kAvoid;
}

}  // namespace hakmem
