// MappingBudget: of the mappings that a process may have (vm.max_map_count), how many go into guard
// pages. Where the system has guards that cost none it is never asked. Shared by the boxes that
// make mappings; counters only, no lock, no mapping of its own.
//
//   a guard by protection cuts a mapping in three: two more. A quarter of all may be guards, and no
//   guard is made while more than half of all are known to be in use.
//
// When it runs short there are no more guards, and one line on stderr says so, once per process.
#pragma once

#include <cstddef>
#include <cstdint>

#include "report/report.h"

namespace hakmem {

template <class C>
class MappingBudget {
 public:
  using P = typename C::Platform;
  static constexpr std::size_t kPerGuard = 2;

  void init(P& platform) noexcept { platform_ = &platform; }

  // False: the caller goes without a guard.
  bool take_guard() noexcept {
    // Relaxed, here and below: counters only.
    const std::size_t guards = guards_.fetch_add_relaxed(kPerGuard) + kPerGuard;
    const bool granted = closed_.load_relaxed() == 0 && guards <= max() / 4 &&
                         guards + others_.load_relaxed() <= max() / 2;
    if (granted) return true;
    give_guards(1);
    say("runs short: no guard pages behind new pages and large blocks");
    return false;
  }
  void give_guards(std::size_t n) noexcept {
    guards_.fetch_add_relaxed(std::size_t{0} - n * kPerGuard);
  }

  // Mappings that are no guards.
  void add(std::size_t n) noexcept { others_.fetch_add_relaxed(n); }
  void remove(std::size_t n) noexcept { others_.fetch_add_relaxed(std::size_t{0} - n); }

  // The system refused memory. If that is for want of mappings, the program's own included, nothing
  // is spent on guards any more. Counting takes a while, so it is done once a second at most.
  void refused() noexcept {
    const auto now = static_cast<std::uint32_t>(platform_->clock_ms() / 1000);
    if (closed_.load_relaxed() != 0 || counted_.exchange_relaxed(now) == now) return;
    if (platform_->mappings() + kNearlyNone < max()) return;
    closed_.store_relaxed(1);
    say("is reached: cached blocks are given back, new ones get no guard pages, malloc may fail");
  }

  std::size_t guard_mappings() const noexcept { return guards_.load_relaxed(); }

 private:
  static constexpr std::size_t kNearlyNone = 8;

  void say(const char* what) noexcept {
    if (said_.load_relaxed() != 0 || said_.exchange_relaxed(1) != 0) return;
    report_few_mappings(max(), what);
  }
  // Read when it is first asked for, which most processes never do. Whoever is late reads the same.
  std::size_t max() noexcept {
    if (max_.load_relaxed() == 0) max_.store_relaxed(platform_->mappings_max());
    return max_.load_relaxed();
  }

  template <class T>
  using Atomic = typename C::World::template atomic<T>;

  P* platform_ = nullptr;
  Atomic<std::size_t> max_{0};  // 0: not read yet
  Atomic<std::size_t> guards_{0};
  Atomic<std::size_t> others_{0};
  Atomic<std::uint32_t> counted_{0};  // the second of the last count
  Atomic<std::uint32_t> closed_{0};
  Atomic<std::uint32_t> said_{0};
};

}  // namespace hakmem
