// MemoryLimit: how much the allocator may hold, and how much it does. Whoever gets memory from the
// system charges it first, on a slow path; whoever gives it back refunds it.
//
//   soft  above it nothing free is kept: pages are purged when they come back, no mapping is cached
//   hard  above it a charge is refused: the program gets no block
//
// One count for all heaps, so that what is refused to one cannot be had through another. Per holder
// it is kept too: law A2 compares each with its heap. Charges: a page of v3 from when it is lent
// until it is purged, a chunk of v1 and a large mapping (without its guards) while they exist. Not
// charged: the allocator's records. Tests: tests/unit/memory_limit_test.cc,
// allocator_limit_test.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/check.h"

namespace hakmem {

enum class Holder : std::uint8_t { kPages, kChunks, kMappings };

struct LimitBytes {
  static constexpr std::size_t kNone = ~std::size_t{0};
  std::size_t soft = kNone;
  std::size_t hard = kNone;
  bool operator==(const LimitBytes&) const = default;
};

template <class World>
class MemoryLimit {
 public:
  constexpr MemoryLimit() noexcept = default;

  // A soft limit above the hard one has no meaning of its own: it is the hard one then. What is
  // held already stays.
  void set(LimitBytes limit) noexcept {
    hard_.store_relaxed(limit.hard);  // relaxed, here and below: nothing is published by it
    soft_.store_relaxed(limit.soft < limit.hard ? limit.soft : limit.hard);
  }
  LimitBytes get() const noexcept { return {soft_.load_relaxed(), hard_.load_relaxed()}; }

  // False, and nothing charged, when it would be more than the hard limit.
  bool charge(Holder holder, std::size_t bytes) noexcept {
    std::size_t held = held_.load_relaxed();
    do {
      const std::size_t hard = hard_.load_relaxed();
      if (held > hard || bytes > hard - held) {
        at(refusals_, holder).fetch_add_relaxed(1);
        return false;
      }
    } while (!held_.cas_relaxed(held, held + bytes));
    at(held_by_, holder).fetch_add_relaxed(bytes);
    return true;
  }
  void refund(Holder holder, std::size_t bytes) noexcept {
    HAKMEM_DCHECK(at(held_by_, holder).load_relaxed() >= bytes, "charge", bytes);
    held_.fetch_add_relaxed(std::size_t{0} - bytes);
    at(held_by_, holder).fetch_add_relaxed(std::size_t{0} - bytes);
  }

  // In the child of a fork: what lost threads had charged for and not got yet, or given back and
  // not refunded, counts no more.
  void set_held_in_child(Holder holder, std::size_t bytes) noexcept {
    at(held_by_, holder).store_relaxed(bytes);
    std::size_t sum = 0;
    for (const Counter& held_by : held_by_) sum += held_by.load_relaxed();
    held_.store_relaxed(sum);
  }

  // Whether the soft limit is exceeded, or would be with `more` bytes. `holder` asks.
  bool over_soft(Holder, std::size_t more = 0) const noexcept {
    const std::size_t soft = soft_.load_relaxed();
    const std::size_t held = held_.load_relaxed();
    return held > soft || more > soft - held;
  }

  std::size_t held() const noexcept { return held_.load_relaxed(); }
  std::size_t held_by(Holder holder) const noexcept { return at(held_by_, holder).load_relaxed(); }
  // Charges refused so far.
  std::size_t refusals(Holder holder) const noexcept {
    return at(refusals_, holder).load_relaxed();
  }

 private:
  using Counter = typename World::template atomic<std::size_t>;
  using PerHolder = std::array<Counter, 3>;
  static constexpr auto& at(auto& counters, Holder holder) noexcept {
    return counters[static_cast<std::size_t>(holder)];
  }

  Counter soft_{LimitBytes::kNone};
  Counter hard_{LimitBytes::kNone};
  Counter held_{0};
  PerHolder held_by_{};
  PerHolder refusals_{};
};

// The limit of a configuration: its own `Limit`, if it names one (tests that watch it do).
template <class C>
struct LimitOfConfig {
  using Type = MemoryLimit<typename C::World>;
};
template <class C>
  requires requires { typename C::Limit; }
struct LimitOfConfig<C> {
  using Type = typename C::Limit;
};
template <class C>
using LimitOf = typename LimitOfConfig<C>::Type;

}  // namespace hakmem
