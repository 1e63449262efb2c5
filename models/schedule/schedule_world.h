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
#include "models/schedule/clocks.h"
#include "models/schedule/scheduler.h"

namespace hakmem::schedule {

#define HAKMEM_SCHEDULE_SITE Site site = {__builtin_FILE(), __builtin_LINE()}

// With HAKMEM_WATCH_RACES every run also knows what its memory orders order (clocks.h). The sources
// are then instrumented; the words of the World are not.
#ifdef HAKMEM_WATCH_RACES
#define HAKMEM_UNWATCHED [[gnu::noinline, gnu::no_sanitize("thread")]]
inline constexpr bool kWatched = true;
#else
#define HAKMEM_UNWATCHED
inline constexpr bool kWatched = false;
#endif

inline void acquired(const void* word) {
  if constexpr (kWatched) Clocks::instance().acquire(word);
}
inline void released(const void* word, bool continues) {
  if constexpr (kWatched) Clocks::instance().release(word, continues);
}
inline void stored(const void* word) {
  if constexpr (kWatched) Clocks::instance().relaxed_store(word);
}

// How it comes to its word: at a point, or, for counters, on which nothing but sums and limits
// depends, without one.
enum class Comes : unsigned char { kByAPoint, kAtOnce };

template <class T, Comes kComes = Comes::kByAPoint>
class ScheduledAtomic {
 public:
  constexpr ScheduledAtomic() noexcept = default;
  constexpr explicit ScheduledAtomic(T value) noexcept : word_(value) {}

  HAKMEM_UNWATCHED T load_relaxed(HAKMEM_SCHEDULE_SITE) const noexcept {
    point(false, site);
    return word_;
  }
  HAKMEM_UNWATCHED T load_acquire(HAKMEM_SCHEDULE_SITE) const noexcept {
    point(false, site);
    acquired(this);
    return word_;
  }
  HAKMEM_UNWATCHED bool is_above_relaxed(T value, HAKMEM_SCHEDULE_SITE) const noexcept {
    return load_relaxed(site) > value;
  }
  HAKMEM_UNWATCHED void store_relaxed(T value, HAKMEM_SCHEDULE_SITE) noexcept {
    point(true, site);
    stored(this);
    word_ = value;
  }
  HAKMEM_UNWATCHED void store_release(T value, HAKMEM_SCHEDULE_SITE) noexcept {
    point(true, site);
    released(this, false);
    word_ = value;
  }
  HAKMEM_UNWATCHED T exchange_relaxed(T value, HAKMEM_SCHEDULE_SITE) noexcept {
    point(true, site);
    return swap(value);
  }
  HAKMEM_UNWATCHED T exchange_acquire(T value, HAKMEM_SCHEDULE_SITE) noexcept {
    point(true, site);
    acquired(this);
    return swap(value);
  }
  HAKMEM_UNWATCHED T exchange_release(T value, HAKMEM_SCHEDULE_SITE) noexcept {
    point(true, site);
    released(this, true);
    return swap(value);
  }
  HAKMEM_UNWATCHED T fetch_add_relaxed(T value, HAKMEM_SCHEDULE_SITE) noexcept {
    point(true, site);
    return swap(static_cast<T>(word_ + value));
  }
  HAKMEM_UNWATCHED bool cas_weak_release_relaxed(T& expected, T desired,
                                                 HAKMEM_SCHEDULE_SITE) noexcept {
    point(true, site);
    if (word_ == expected) released(this, true);
    return cas(expected, desired);
  }
  HAKMEM_UNWATCHED bool cas_acquire_relaxed(T& expected, T desired, HAKMEM_SCHEDULE_SITE) noexcept {
    point(true, site);
    if (word_ == expected) acquired(this);
    return cas(expected, desired);
  }
  HAKMEM_UNWATCHED bool cas_relaxed(T& expected, T desired, HAKMEM_SCHEDULE_SITE) noexcept {
    point(true, site);
    return cas(expected, desired);
  }

 private:
  HAKMEM_UNWATCHED void point(bool writes, const Site& site) const {
    if constexpr (kComes == Comes::kByAPoint) Scheduler::instance().point({this, writes, site});
  }
  HAKMEM_UNWATCHED T swap(T value) noexcept {
    const T before = word_;
    word_ = value;
    return before;
  }
  HAKMEM_UNWATCHED bool cas(T& expected, T desired) noexcept {
    const bool same = word_ == expected;
    (same ? word_ : expected) = same ? desired : word_;
    return same;
  }

  T word_{};
};

struct ScheduledWorld {
  template <class T>
  using atomic =
      ScheduledAtomic<T, std::is_same_v<T, std::uint64_t> ? Comes::kAtOnce : Comes::kByAPoint>;
  static constexpr int kLockSpins = 1;
};

// A system call takes as long as others need for anything.
class ScheduledPlatform : public model::RecyclingPlatform {
  using Base = model::RecyclingPlatform;

 public:
  void* reserve(std::size_t bytes, std::size_t alignment) noexcept {
    return watched(Base::reserve(bytes, alignment), bytes);
  }
  void* sparse(std::size_t bytes, HAKMEM_SCHEDULE_SITE) noexcept {
    grows(site);
    return watched(Base::sparse(bytes), bytes);
  }
  void* table(std::size_t bytes) noexcept { return watched(Base::table(bytes), bytes); }
  bool unsparse(void* at, std::size_t bytes, HAKMEM_SCHEDULE_SITE) noexcept {
    grows(site);
    renewed(at, bytes);
    return Base::unsparse(at, bytes);
  }
  bool commit(void* at, std::size_t bytes, HAKMEM_SCHEDULE_SITE) noexcept {
    call(at, site);
    return Base::commit(at, bytes);
  }
  bool open(void* at, std::size_t bytes, HAKMEM_SCHEDULE_SITE) noexcept {
    grows(site);
    return Base::open(at, bytes);
  }
  bool purge(void* at, std::size_t bytes, HAKMEM_SCHEDULE_SITE) noexcept {
    call(at, site);
    renewed(at, bytes);
    return Base::purge(at, bytes);
  }
  bool guard(void* at, std::size_t bytes, HAKMEM_SCHEDULE_SITE) noexcept {
    call(at, site);
    return Base::guard(at, bytes);
  }
  bool unguard(void* at, std::size_t bytes, HAKMEM_SCHEDULE_SITE) noexcept {
    call(at, site);
    return Base::unguard(at, bytes);
  }
  void* map(std::size_t bytes, std::size_t alignment, HAKMEM_SCHEDULE_SITE) noexcept {
    if (bytes == kPolicyBlock && alignment == kPolicyBlock)
      grows(site);
    else
      call(this, site);
    return watched(Base::map(bytes, alignment), bytes);
  }
  void* remap(void* at, std::size_t bytes, std::size_t to, HAKMEM_SCHEDULE_SITE) noexcept {
    call(at, site);
    renewed(at, bytes);
    return watched(Base::remap(at, bytes, to), to);
  }
  bool protect(void* at, std::size_t bytes, HAKMEM_SCHEDULE_SITE) noexcept {
    call(at, site);
    return Base::protect(at, bytes);
  }
  bool unmap(void* at, std::size_t bytes, HAKMEM_SCHEDULE_SITE) noexcept {
    call(at, site);
    renewed(at, bytes);
    return Base::unmap(at, bytes);
  }
  std::uint64_t clock_ms(HAKMEM_SCHEDULE_SITE) noexcept {
    Scheduler::instance().point({&clock_, false, site});
    return Base::clock_ms();
  }
  void advance_clock_ms(std::uint64_t ms, HAKMEM_SCHEDULE_SITE) {
    Scheduler::instance().point({&clock_, true, site});
    Base::advance_clock_ms(ms);
  }
  static void futex_wait(std::uint32_t* word, std::uint32_t value, HAKMEM_SCHEDULE_SITE) noexcept {
    Scheduler::instance().wait(word, value, site);
  }
  static void futex_wake(std::uint32_t* word) noexcept { Scheduler::instance().wake(word); }

 private:
  // Two calls about one unit of memory are on one object.
  static const void* unit_of(const void* at) {
    constexpr std::uintptr_t kUnit = std::uintptr_t{1} << SmallGeometry::kUnitShift;
    return reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(at) / kUnit * kUnit);
  }
  static void call(const void* at, const Site& site) {
    Scheduler::instance().system_call({unit_of(at), true, site});
  }
  // A table grows under its lock: rarely, by memory that nobody has, for which the system has
  // nothing to wait for. So these are not among the calls that may take for ever.
  void grows(const Site& site) { Scheduler::instance().point({this, true, site}); }
  static void* watched(void* at, std::size_t bytes) {
    if constexpr (kWatched) {
      if (at == nullptr) return at;
      Clocks::instance().watch(at, bytes);
      Clocks::instance().made(at, bytes);
    }
    return at;
  }
  static void renewed(void* at, std::size_t bytes) {
    if constexpr (kWatched) Clocks::instance().renewed(at, bytes);
  }

  char clock_ = 0;  // stands for it
};

struct Hardened : Config<SmallGeometry, ScheduledPlatform, ScheduledWorld, kHardenedMitigations> {};
struct Perf : Config<SmallGeometry, ScheduledPlatform, ScheduledWorld, kPerfMitigations> {};

}  // namespace hakmem::schedule
