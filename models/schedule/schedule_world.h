// The World and the platform of the scheduled allocator: every access to a shared word, every lock
// and every system call is a point where another thread may go on. Sequentially consistent: weak
// memory is the business of models/concurrency/checked_world.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "config/config.h"
#include "limits/memory_limit.h"
#include "models/lockstep/model_platform.h"
#include "models/schedule/scheduler.h"

namespace hakmem::schedule {

#define HAKMEM_SCHEDULE_SITE Site site = {__builtin_FILE(), __builtin_LINE()}

inline void point(const Site& site) { Scheduler::instance().point(site); }

template <class T>
class ScheduledAtomic {
 public:
  constexpr ScheduledAtomic() noexcept = default;
  constexpr explicit ScheduledAtomic(T value) noexcept : word_(value) {}

  T load_relaxed(HAKMEM_SCHEDULE_SITE) const noexcept { return at(site); }
  T load_acquire(HAKMEM_SCHEDULE_SITE) const noexcept { return at(site); }
  void store_relaxed(T value, HAKMEM_SCHEDULE_SITE) noexcept { at(site) = value; }
  void store_release(T value, HAKMEM_SCHEDULE_SITE) noexcept { at(site) = value; }
  T exchange_relaxed(T value, HAKMEM_SCHEDULE_SITE) noexcept { return exchange(value, site); }
  T exchange_acquire(T value, HAKMEM_SCHEDULE_SITE) noexcept { return exchange(value, site); }
  T exchange_release(T value, HAKMEM_SCHEDULE_SITE) noexcept { return exchange(value, site); }
  T fetch_add_relaxed(T value, HAKMEM_SCHEDULE_SITE) noexcept {
    T& word = at(site);
    const T before = word;
    word = static_cast<T>(before + value);
    return before;
  }
  bool cas_weak_release_relaxed(T& expected, T desired, HAKMEM_SCHEDULE_SITE) noexcept {
    return cas(expected, desired, site);
  }
  bool cas_acquire_relaxed(T& expected, T desired, HAKMEM_SCHEDULE_SITE) noexcept {
    return cas(expected, desired, site);
  }
  bool cas_relaxed(T& expected, T desired, HAKMEM_SCHEDULE_SITE) noexcept {
    return cas(expected, desired, site);
  }

 private:
  const T& at(const Site& site) const noexcept {
    point(site);
    return word_;
  }
  T& at(const Site& site) noexcept {
    point(site);
    return word_;
  }
  T exchange(T value, const Site& site) noexcept {
    T& word = at(site);
    const T before = word;
    word = value;
    return before;
  }
  bool cas(T& expected, T desired, const Site& site) noexcept {
    T& word = at(site);
    const bool same = word == expected;
    (same ? word : expected) = same ? desired : word;
    return same;
  }

  T word_{};
};

// Counters: nothing but sums and limits depends on them.
class ScheduledCounter {
 public:
  constexpr ScheduledCounter() noexcept = default;
  constexpr explicit ScheduledCounter(std::uint64_t value) noexcept : word_(value) {}
  std::uint64_t load_relaxed() const noexcept { return word_; }
  std::uint64_t load_acquire() const noexcept { return word_; }
  bool is_above_relaxed(std::uint64_t value) const noexcept { return word_ > value; }
  void store_relaxed(std::uint64_t value) noexcept { word_ = value; }
  void store_release(std::uint64_t value) noexcept { word_ = value; }
  std::uint64_t exchange_relaxed(std::uint64_t value) noexcept {
    const std::uint64_t before = word_;
    word_ = value;
    return before;
  }
  std::uint64_t fetch_add_relaxed(std::uint64_t n) noexcept { return (word_ += n) - n; }
  bool cas_relaxed(std::uint64_t& expected, std::uint64_t desired) noexcept {
    const bool same = word_ == expected;
    (same ? word_ : expected) = same ? desired : word_;
    return same;
  }

 private:
  std::uint64_t word_ = 0;
};

struct ScheduledWorld {
  template <class T>
  using atomic =
      std::conditional_t<std::is_same_v<T, std::uint64_t>, ScheduledCounter, ScheduledAtomic<T>>;
  static constexpr int kLockSpins = 1;
};

// A system call takes as long as others need for anything.
class ScheduledPlatform : public model::RecyclingPlatform {
  using Base = model::RecyclingPlatform;

 public:
  bool commit(void* at, std::size_t bytes, HAKMEM_SCHEDULE_SITE) noexcept {
    point(site);
    return Base::commit(at, bytes);
  }
  bool purge(void* at, std::size_t bytes, HAKMEM_SCHEDULE_SITE) noexcept {
    point(site);
    return Base::purge(at, bytes);
  }
  bool guard(void* at, std::size_t bytes, HAKMEM_SCHEDULE_SITE) noexcept {
    point(site);
    return Base::guard(at, bytes);
  }
  bool unguard(void* at, std::size_t bytes, HAKMEM_SCHEDULE_SITE) noexcept {
    point(site);
    return Base::unguard(at, bytes);
  }
  void* map(std::size_t bytes, std::size_t alignment, HAKMEM_SCHEDULE_SITE) noexcept {
    point(site);
    return Base::map(bytes, alignment);
  }
  void* remap(void* at, std::size_t bytes, std::size_t to, HAKMEM_SCHEDULE_SITE) noexcept {
    point(site);
    return Base::remap(at, bytes, to);
  }
  bool protect(void* at, std::size_t bytes, HAKMEM_SCHEDULE_SITE) noexcept {
    point(site);
    return Base::protect(at, bytes);
  }
  bool unmap(void* at, std::size_t bytes, HAKMEM_SCHEDULE_SITE) noexcept {
    point(site);
    return Base::unmap(at, bytes);
  }
  static void futex_wait(std::uint32_t* word, std::uint32_t value, HAKMEM_SCHEDULE_SITE) noexcept {
    Scheduler::instance().wait(word, value, site);
  }
  static void futex_wake(std::uint32_t* word) noexcept { Scheduler::instance().wake(word); }
};

struct Hardened : Config<SmallGeometry, ScheduledPlatform, ScheduledWorld, kHardenedMitigations> {};
struct Perf : Config<SmallGeometry, ScheduledPlatform, ScheduledWorld, kPerfMitigations> {};

}  // namespace hakmem::schedule
