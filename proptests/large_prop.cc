// The large heap alone against a list of live blocks: disjoint, aligned, contents kept through
// resizes, zeroed where asked for, every bad pointer refused with nothing changed; time passes, the
// system refuses, the cache is trimmed. Everything is given back at the end.
#include "large/large_heap.h"
#include "proptests/heap_property.h"

namespace hakmem::model {
namespace {

template <class C>
class LargeRun {
 public:
  explicit LargeRun(std::uint32_t seed) : rng_(seed) {
    budget_.init(platform_);
    heap_.init(platform_, limit_, budget_);
  }

  void step(Step step) {
    platform_.advance_clock_ms(rng_.below(400));
    const std::uint32_t what = step.below(32);
    if (what < 14) {
      allocate(1 + rng_.below(200000), std::size_t{16} << step.below(14), step.one_in(2));
    } else if (what < 22) {
      if (!blocks_.empty()) free_one(blocks_.pick(step.below(1000)));
    } else if (what < 29) {
      if (!blocks_.empty()) resize(blocks_.pick(step.below(1000)), 1 + rng_.below(300000));
    } else if (what == 29) {
      RC_LOG() << "trim\n";
      const std::size_t cached = heap_.bytes_cached();
      RC_ASSERT(heap_.trim() == cached);
      RC_ASSERT(heap_.bytes_cached() == 0u);
    } else if (what == 30) {
      platform_.advance_clock_ms(large::MappingCache::kKeepMs + 1);
      heap_.decay();
      RC_ASSERT(heap_.bytes_cached() == 0u);
    } else {
      const bool failing = step.one_in(2);
      RC_LOG() << "memory fails: " << failing << "\n";
      platform_.set_failing(false, failing);
    }
    RC_ASSERT(heap_.live_blocks() == blocks_.size());
    RC_ASSERT((heap_.bytes_cached() <= large::MappingCache::kBytesMax));
  }

  void finish() {
    platform_.set_failing(false, false);
    while (!blocks_.empty()) free_twice(heap_, blocks_, 0);
    heap_.trim();
    RC_ASSERT(heap_.bytes_cached() == 0u);
    RC_ASSERT(platform_.foreign_calls() == 0u);
  }

 private:
  void allocate(std::size_t n, std::size_t alignment, bool zero) {
    void* const p =
        heap_.allocate(n, alignment, zero ? large::Contents::kZero : large::Contents::kAny);
    RC_LOG() << "allocate: " << n << " at " << alignment << (p == nullptr ? ", no memory\n" : "\n");
    if (p == nullptr) {
      RC_ASSERT(platform_.failures() != 0u);
      return;
    }
    const Block b = block_at(p, heap_.locate(ClientPtr(p)).block_size, ++pattern_ * 77);
    RC_ASSERT((b.owned.address % alignment == 0));
    RC_ASSERT((b.usable >= n));
    // No longer than an eighth and a page beyond what was asked for: else a smaller one would do.
    RC_ASSERT((b.usable <= n + n / 8 + 2 * platform_.page_bytes()));
    if (zero) RC_ASSERT(Pattern::zero(b.bytes(), b.usable));
    enlist(blocks_, b);
  }

  void free_one(std::size_t at) {
    RC_LOG() << "free: " << blocks_.at(at).usable << "\n";
    check_refuses(heap_, blocks_.at(at), rng_);
    free_twice(heap_, blocks_, at);
  }

  void resize(std::size_t at, std::size_t n) {
    const Block old = blocks_.take(at);
    void* const moved = heap_.resize(ClientPtr(old.owned.address), n);
    RC_LOG() << "resize: " << old.usable << " to " << n
             << (moved == nullptr ? ", refused\n" : "\n");
    if (moved == nullptr) RC_ASSERT((n > old.usable && platform_.failures() != 0u));
    void* const p = moved == nullptr ? old.bytes() : moved;
    const Block now = block_at(p, heap_.locate(ClientPtr(p)).block_size, old.pattern);
    RC_ASSERT((moved == nullptr ? now.usable == old.usable : now.usable >= n));
    RC_ASSERT(Pattern::starts(now.bytes(), old.pattern, std::min(old.usable, now.usable)));
    if (now.owned.address != old.owned.address) {
      RC_ASSERT((heap_.deallocate(ClientPtr(old.owned.address)).fault != Fault::kNone));
    }
    enlist(blocks_, now);
  }

  KeptPlatform platform_;
  typename C::Limit limit_;
  MappingBudget<C> budget_;
  large::LargeHeap<C> heap_;
  Rng rng_;
  Blocks blocks_;
  std::uint64_t pattern_ = 0;
};

template <class C>
void check_large() {
  LargeRun<C> run(*rc::gen::arbitrary<std::uint32_t>());
  for (const std::uint32_t bits : any_steps(120)) run.step(Step(bits));
  run.finish();
}
RC_GTEST_PROP(Large, AgainstAListOfBlocksInSmall, ()) { check_large<SmallHardened>(); }
RC_GTEST_PROP(Large, AgainstAListOfBlocksInProduction, ()) { check_large<ProductionHardened>(); }
RC_GTEST_PROP(Large, AgainstAListOfBlocksInProductionPerf, ()) { check_large<ProductionPerf>(); }

}  // namespace
}  // namespace hakmem::model
