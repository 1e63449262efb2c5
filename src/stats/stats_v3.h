// StatsV3: the counters of SmallObject v3, per context and summed on request. Off by default at no
// cost: while they are on the hot path sees no magazine, and the slow path counts. What each
// counter counts: docs/STATS.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "config/geometry.h"

namespace hakmem {

// Plain numbers: what a reader gets, what the model predicts, what the C API copies out.
template <class Counter>
struct StatsV3Of {
  // Per class. route_hits: the class was routed to v3; alloc_calls = total over all routes.
  struct PerClass {
    Counter route_hits{};
    Counter alloc_calls{};
    Counter free_calls{};
    Counter alloc_refill{};       // a page was borrowed from the cold box
    Counter alloc_current_hit{};  // served without changing page: magazine or current page
    Counter alloc_partial_hit{};  // a partial page became current
    Counter alloc_ultra_hit{};    // the part of alloc_current_hit that the magazine served
    Counter alloc_fb_v1{};        // routed to v3, served by v1
    Counter free_fb_v1{};         // block of v1 freed
    Counter free_current{};       // kept at hand: magazine or current page
    Counter free_partial{};       // to a page on or joining the partial list
    Counter free_retire{};        // pages given back to the cold box
    Counter free_remote{};        // posted to another context
  };
  std::array<PerClass, kClassesMax> by_class{};
  Counter page_of_fail{};  // so_page_of misses
  Counter large_alloc{};
  Counter large_free{};
};

using StatsV3 = StatsV3Of<std::uint64_t>;

// A counter that one thread writes and any thread reads. Counter only: orders nothing.
template <class C>
class StatCounter {
 public:
  void add(std::uint64_t n = 1) noexcept { word_.store_relaxed(word_.load_relaxed() + n); }
  std::uint64_t get() const noexcept { return word_.load_relaxed(); }

 private:
  typename C::World::template atomic<std::uint64_t> word_{0};
};

template <class C>
using ContextStats = StatsV3Of<StatCounter<C>>;
template <class C>
using ClassStats = typename ContextStats<C>::PerClass;

// Applies f(sum_counter, context_counter) to every counter pair.
template <class Sum, class Part, class F>
void for_each_counter(Sum& sum, Part& part, F&& f) noexcept {
  for (std::size_t c = 0; c < kClassesMax; ++c) {
    auto& s = sum.by_class[c];
    auto& p = part.by_class[c];
    f(s.route_hits, p.route_hits);
    f(s.alloc_calls, p.alloc_calls);
    f(s.free_calls, p.free_calls);
    f(s.alloc_refill, p.alloc_refill);
    f(s.alloc_current_hit, p.alloc_current_hit);
    f(s.alloc_partial_hit, p.alloc_partial_hit);
    f(s.alloc_ultra_hit, p.alloc_ultra_hit);
    f(s.alloc_fb_v1, p.alloc_fb_v1);
    f(s.free_fb_v1, p.free_fb_v1);
    f(s.free_current, p.free_current);
    f(s.free_partial, p.free_partial);
    f(s.free_retire, p.free_retire);
    f(s.free_remote, p.free_remote);
  }
  f(sum.page_of_fail, part.page_of_fail);
  f(sum.large_alloc, part.large_alloc);
  f(sum.large_free, part.large_free);
}

}  // namespace hakmem
