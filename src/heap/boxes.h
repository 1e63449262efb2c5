// Boxes: what one heap is made of. The units of heap/ work on it and keep nothing of their own:
//
//   faults.h         what a pointer is, and the report when it is wrong
//   page_returns.h   blocks that go back to their pages: out of magazines, out of pending frees
//   fork_control.h   locks over a fork; contexts of lost threads
//   maintenance.h    policy, decay periods, release mode, trim and purge
//   allocation.h     malloc past the hot path
//   freeing.h        free past the hot path
//   reallocation.h   realloc, and which stated sizes fit
//
// Each includes only those above it.
#pragma once

#include <type_traits>

#include "cold/cold_box.h"
#include "heap/context_registry.h"
#include "hot/hot_box.h"
#include "large/large_heap.h"
#include "learn/learn_box.h"
#include "limits/mapping_budget.h"
#include "limits/memory_limit.h"
#include "page/arena.h"
#include "policy/policy_box.h"
#include "ultra/context.h"
#include "v1/v1_heap.h"

namespace hakmem {

template <class C>
struct Boxes {
  using Platform = typename C::Platform;
  template <class T>
  using Atomic = typename C::World::template atomic<T>;

  constexpr Boxes() noexcept = default;
  constexpr explicit Boxes(const Platform& p) noexcept
    requires std::is_copy_constructible_v<Platform>
      : platform(p) {}

  HotBox<C, ColdBox<C>> hot(Context<C>& ctx) noexcept { return {arena, cold, ctx.so}; }

  void set_warm_caps(const PolicySnapshot& now) noexcept {
    for (std::size_t c = 0; c < kClassesMax; ++c) {
      cold.set_warm_cap(static_cast<std::uint8_t>(c), now.classes[c].warm_cap);
    }
  }

  [[no_unique_address]] Platform platform{};
  MappingBudget<C> mappings;
  Arena<C> arena;
  PolicyBox<C> policy;
  LearnBox<C> learner;
  ColdBox<C> cold;
  ContextRegistry<C> contexts;
  Lock<C> posting;  // held by a thread without a context while it posts
  v1::V1Heap<C> v1;
  large::LargeHeap<C> large;
  LimitOf<C> limit;                   // far from what the hot path reads
  Atomic<bool> leaves_more{false};    // some realloc left more in a block than was asked for
  Atomic<bool> shrink_failed{false};  // some realloc had no memory to shrink a block with
};

}  // namespace hakmem
