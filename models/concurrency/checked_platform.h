// The platform under the model checker: memory that is zeroed anew for every schedule, and a futex
// that is what the kernel's is: compare and sleep in one step, wake one of those who sleep. It
// gives no happens-before edge of its own, so that the lock must bring its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "config/config.h"
#include "config/geometry.h"
#include "config/memory_options.h"
#include "models/concurrency/checked_world.h"

namespace hakmem::checked {

class CheckedPlatform {
 public:
  CheckedPlatform() noexcept { used_ = 0; }

  // Address space that is only counted in, never touched.
  void* reserve(std::size_t, std::size_t) noexcept { return reinterpret_cast<void*>(kArena); }
  bool commit(void*, std::size_t) noexcept { return true; }
  void reveal(void*, std::size_t) noexcept {}
  bool purge(void*, std::size_t) noexcept { return true; }
  bool guard(void*, std::size_t) noexcept { return true; }
  bool unguard(void*, std::size_t) noexcept { return true; }
  void* map(std::size_t bytes, std::size_t alignment) noexcept {
    used_ = (used_ + alignment - 1) / alignment * alignment;
    if (used_ + bytes > sizeof memory_) return nullptr;
    char* const at = memory_ + used_;
    used_ += bytes;
    std::memset(at, 0, bytes);
    return at;
  }
  void* sparse(std::size_t bytes) noexcept { return map(bytes, 64); }
  void* table(std::size_t bytes) noexcept { return map(bytes, 64); }
  bool open(void*, std::size_t) noexcept { return true; }
  bool unsparse(void*, std::size_t) noexcept { return true; }
  void* remap(void*, std::size_t, std::size_t) noexcept { return nullptr; }
  bool protect(void*, std::size_t) noexcept { return true; }
  void advise_huge(void*, std::size_t, HugeAdvice) noexcept {}
  bool prefault(void*, std::size_t) noexcept { return true; }
  bool unmap(void*, std::size_t) noexcept { return true; }
  std::size_t mappings_max() const noexcept { return 65530; }
  std::size_t mappings() const noexcept { return 0; }
  std::size_t page_bytes() const noexcept { return 4096; }
  std::uint64_t random() noexcept { return 7; }
  std::uint64_t clock_ms() noexcept { return 0; }

  static void futex_wait(std::uint32_t* word, std::uint32_t value) noexcept {
    auto& atomic = *reinterpret_cast<CheckedAtomic<std::uint32_t>*>(word);
    rl::context& c = rl::ctx();
    c.sched();
    if (atomic.latest() != value) return;
    atomic.sleepers().park_current(c, false, false, false, rl::debug_info("futex_wait", "", 0));
  }
  static void futex_wake(std::uint32_t* word) noexcept {
    auto& atomic = *reinterpret_cast<CheckedAtomic<std::uint32_t>*>(word);
    rl::context& c = rl::ctx();
    c.sched();
    atomic.sleepers().unpark_one(c, rl::debug_info("futex_wake", "", 0));
  }
  static void write_error(const char*, std::size_t) noexcept {}

 private:
  static constexpr std::uintptr_t kArena = std::uintptr_t{1} << 40;
  alignas(65536) static inline char memory_[std::size_t{2} << 20];
  static inline std::size_t used_ = 0;
};

// The smallest geometry: pages of 64 B with 4 slots of 16 B, superslabs of two such pages. The rest
// is as in the small one.
struct TinyGeometry : SmallGeometry {
  static constexpr unsigned kUnitShift = 6;
  static constexpr unsigned kSuperslabShift = 11;
  static constexpr unsigned kSlotsPerPageLog2 = 1;
  static constexpr unsigned kPageShiftMax = 11;
  static constexpr std::size_t kBlockMax = 1024;
  static constexpr std::size_t kCarveBytes = 64;
  static constexpr std::size_t kMagazineBytes = 64;
  static constexpr std::size_t kMagazineMax = 2;
  static constexpr std::size_t kMagazineFirst = 2;
  static constexpr std::size_t kContextsMax = 8;
  static constexpr std::size_t kArenaBytesMax = std::size_t{1} << 12;
  static constexpr std::size_t kArenaBytesMin = std::size_t{1} << 12;
};

struct TinyTuning : SmallTuning {
  static constexpr std::size_t kReleaseModeBytes = 4096;
};

struct Tiny : Config<TinyGeometry, CheckedPlatform, CheckedWorld, Mitigations{true, false, false},
                     TinyTuning> {};
struct TinyPerf
    : Config<TinyGeometry, CheckedPlatform, CheckedWorld, kPerfMitigations, TinyTuning> {};

}  // namespace hakmem::checked
