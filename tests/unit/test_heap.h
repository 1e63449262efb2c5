// What the unit tests of the boxes share: the configurations, the boxes below the hot box set up
// over a FakePlatform, and a whole allocator with one context.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "base/atomic.h"
#include "cold/cold_box.h"
#include "config/config.h"
#include "pal/fake.h"
#include "tests/support/instances.h"

namespace hakmem::test {

// Pages of 4 slots, superslabs of 2 pages: every edge within a few operations.
struct Small : Config<SmallGeometry, FakePlatform, StdWorld, kHardenedMitigations> {};
struct SmallPerf : Config<SmallGeometry, FakePlatform, StdWorld, kPerfMitigations> {};
// The sizes of production.
struct Full : Config<ProductionGeometry, FakePlatform, StdWorld, kHardenedMitigations> {};
struct FullPerf : Config<ProductionGeometry, FakePlatform, StdWorld, kPerfMitigations> {};

// Says when a thread has to wait for a lock.
class WatchedPlatform : public FakePlatform {
 public:
  WatchedPlatform() noexcept = default;
  static inline std::atomic<int> waits{0};
  static void futex_wait(std::uint32_t* word, std::uint32_t expected) noexcept {
    ++waits;
    FakePlatform::futex_wait(word, expected);
  }
};
struct Watched : Config<SmallGeometry, WatchedPlatform, StdWorld, kHardenedMitigations> {};

// Runs `work`, which wants a lock that the caller holds, in another thread; when that waits,
// `let_go` is called. False when it came to its end without.
inline bool waits(const std::function<void()>& work, const std::function<void()>& let_go) {
  const int before = WatchedPlatform::waits;
  std::atomic<bool> done{false};
  std::thread other([&] {
    work();
    done = true;
  });
  while (!done && WatchedPlatform::waits == before) std::this_thread::yield();
  const bool waited = !done;
  let_go();
  other.join();
  return waited;
}

template <class C>
constexpr BinIndex bin_of(std::size_t n) {
  return C::Sizes::bin_of(n);
}

// As the front does on slow paths: it looks at the time, and says when a page was last in use.
void age(auto& cold) { cold.age(cold.period()); }
void retire(auto& cold, auto& page) {
  age(cold);
  cold.retire_page(page, cold.period());
}
auto* refill(auto& cold, BinIndex bin, auto owner) {
  auto* const page = cold.refill_page(bin, owner);
  if (page != nullptr) age(cold);
  return page;
}

// Arena and cold box, and a context that pages can name as their owner.
template <class C>
struct ColdSetUp {
  FakePlatform platform;
  Arena<C> arena;
  LimitOf<C> limit;
  MappingBudget<C> mappings;
  ColdBox<C> cold;
  std::unique_ptr<Context<C>> context = std::make_unique<Context<C>>();
  Rng rng{7};

  ColdSetUp() {
    arena.init(platform);
    mappings.init(platform);
    cold.init(platform, arena, limit, mappings);
  }
  PageOwner<C> owner(BinIndex bin) { return {context.get(), &context->ultra.front[bin.value()]}; }
  SoPage<C>* borrow(BinIndex bin) { return refill(cold, bin, owner(bin)); }
};

// An allocator, and one context that the test's calls go through.
template <class C>
struct Heap {
  std::unique_ptr<Allocator<C>> allocator = std::make_unique<Allocator<C>>();
  Context<C>* ctx = nullptr;

  explicit Heap(const PolicySnapshot& policy = default_policy()) {
    allocator->init(policy);
    ctx = allocator->attach_context();
  }
  void* take(std::size_t n) { return allocator->allocate(ctx, n); }
  void give(void* p) { allocator->deallocate(ctx, p); }
  FakePlatform& platform() { return allocator->boxes().platform; }
  SoPage<C>& page_of(const void* p) {
    return allocator->boxes().arena.head_of(*allocator->boxes().arena.so_page_of(ClientPtr(p)));
  }
  std::uint32_t slot_of(const void* p) {
    return static_cast<std::uint32_t>(
        divide(ClientPtr(p).address() - page_of(p).base, page_of(p).reciprocal).value);
  }
  SlotState state_of(const void* p) { return allocator->locate(p).state; }
  BinPages<C>& class_of(std::size_t n) { return ctx->so.bins[bin_of<C>(n).value()]; }
  Magazine<C>& magazine_of(std::size_t n) { return ctx->ultra.magazine(bin_of<C>(n)); }
  // nullptr when all laws hold.
  laws::Broken audit() { return hakmem::audit(*allocator); }
};

inline PolicySnapshot counting_policy() {
  PolicySnapshot policy = default_policy();
  policy.count = true;
  return policy;
}

}  // namespace hakmem::test

#ifndef HAKMEM_UNSHARED  // by a build of so few tests that none is compiled for all
HAKMEM_INSTANCES(extern template, hakmem::test::Small)
HAKMEM_INSTANCES(extern template, hakmem::test::SmallPerf)
HAKMEM_INSTANCES(extern template, hakmem::test::Watched)
HAKMEM_INSTANCES(extern template, hakmem::test::Full)
HAKMEM_INSTANCES(extern template, hakmem::test::FullPerf)
#endif
