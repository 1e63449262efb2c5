// A World of the hardware's atomics in which now and then an access comes late: what is a window of
// nanoseconds between two of them becomes one of microseconds, now and then of a millisecond.
#pragma once

#include <sched.h>
#include <time.h>

#include <cstdint>

#include "base/atomic.h"
#include "base/rng.h"

namespace hakmem::soak {

inline thread_local Rng t_delays{};  // seeded by each thread

inline void may_be_late() {
  const std::uint64_t roll = t_delays.next();
  if ((roll & 0xFFF) != 0) return;
  const auto kind = static_cast<unsigned>(roll >> 12 & 0x3F);
  if (kind == 0) {
    const timespec millisecond = {0, 1000000};
    nanosleep(&millisecond, nullptr);
  } else if (kind < 32) {
    sched_yield();
  } else {
    for (unsigned i = 0; i < kind * 32; ++i) in_program_order();
  }
}

template <class T>
class DelayedAtomic {
 public:
  constexpr DelayedAtomic() noexcept = default;
  constexpr explicit DelayedAtomic(T value) noexcept : word_(value) {}

  T load_relaxed() const noexcept { return may_be_late(), word_.load_relaxed(); }
  T load_acquire() const noexcept { return may_be_late(), word_.load_acquire(); }
  bool is_above_relaxed(T value) const noexcept { return load_relaxed() > value; }
  void store_relaxed(T value) noexcept { may_be_late(), word_.store_relaxed(value); }
  void store_release(T value) noexcept { may_be_late(), word_.store_release(value); }
  T exchange_relaxed(T value) noexcept { return may_be_late(), word_.exchange_relaxed(value); }
  T exchange_acquire(T value) noexcept { return may_be_late(), word_.exchange_acquire(value); }
  T exchange_release(T value) noexcept { return may_be_late(), word_.exchange_release(value); }
  T fetch_add_relaxed(T value) noexcept { return may_be_late(), word_.fetch_add_relaxed(value); }
  bool cas_weak_release_relaxed(T& expected, T desired) noexcept {
    return may_be_late(), word_.cas_weak_release_relaxed(expected, desired);
  }
  bool cas_acquire_relaxed(T& expected, T desired) noexcept {
    return may_be_late(), word_.cas_acquire_relaxed(expected, desired);
  }
  bool cas_relaxed(T& expected, T desired) noexcept {
    return may_be_late(), word_.cas_relaxed(expected, desired);
  }

 private:
  StdAtomic<T> word_;
};

struct DelayedWorld {
  template <class T>
  using atomic = DelayedAtomic<T>;
  static constexpr int kLockSpins = 20;
};

}  // namespace hakmem::soak
