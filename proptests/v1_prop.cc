// v1 alone against a list of live blocks: disjoint, aligned, contents kept, every bad pointer
// refused with nothing changed, blocks parked in a front cache and taken or given back, counts, and
// everything given back at the end.
#include "proptests/heap_property.h"
#include "v1/v1_heap.h"

namespace hakmem::model {
namespace {

template <class C>
class V1Run {
 public:
  explicit V1Run(std::uint32_t seed) : rng_(seed), bins_(1 + rng_.below(4)) {
    budget_.init(platform_);
    heap_.init(platform_, limit_, budget_);
  }

  void step(Step step) {
    const std::uint32_t what = step.below(32);
    if (what < 16) {
      allocate(kLast - step.below(bins_) * (kLast / 4));
    } else if (what < 25) {
      if (!blocks_.empty()) free_one(blocks_.pick(step.below(1000)));
    } else if (what < 28) {
      if (!blocks_.empty()) park(blocks_.pick(step.below(1000)));
    } else if (what < 30) {
      if (!parked_.empty()) unpark(parked_.pick(step.below(1000)));
    } else if (what == 30) {
      RC_LOG() << "trim\n";
      heap_.trim();
    } else {
      const bool failing = step.one_in(2);
      RC_LOG() << "memory fails: " << failing << "\n";
      platform_.set_failing(false, failing);
    }
    compare();
  }

  void finish() {
    platform_.set_failing(false, false);
    while (!parked_.empty()) unpark(0);
    while (!blocks_.empty()) free_twice(heap_, blocks_, 0);
    heap_.trim();
    for (std::uint8_t b = 0; b <= kLast; ++b) RC_ASSERT(heap_.live_blocks(BinIndex(b)) == 0u);
    RC_ASSERT(platform_.foreign_calls() == 0u);
  }

 private:
  static constexpr std::uint32_t kLast = static_cast<std::uint32_t>(C::Sizes::kBins - 1);
  static constexpr bool kChecks = C::kMitigations.check_frees;

  void allocate(std::uint32_t number) {
    const BinIndex bin(static_cast<std::uint8_t>(number));
    const std::size_t size = C::Sizes::info(bin).block_size;
    void* const p = heap_.allocate(bin);
    RC_LOG() << "allocate: bin " << number << (p == nullptr ? ", no memory\n" : "\n");
    if (p == nullptr) {
      RC_ASSERT(platform_.failures() != 0u);
      return;
    }
    // The greatest power of two up to a unit that divides the block size.
    RC_ASSERT((ClientPtr(p).address() % std::min(size & (~size + 1), C::Sizes::kUnitBytes) == 0));
    Block b = block_at(p, size, ++pattern_ * 77);
    b.owned.bin = number;
    for (const Block& cached : parked_.all()) RC_ASSERT(cached.owned.address != b.owned.address);
    enlist(blocks_, b);
  }

  void free_one(std::size_t at) {
    RC_LOG() << "free: bin " << blocks_.at(at).owned.bin << "\n";
    const Block& b = blocks_.at(at);
    check_refuses(heap_, b, rng_);
    RC_ASSERT((heap_.locate(ClientPtr(b.owned.address + 8)).fault == Fault::kMisalignedFree));
    if (b.usable > 16) {
      RC_ASSERT((heap_.locate(ClientPtr(b.owned.address + 16)).fault == Fault::kInteriorFree));
    }
    free_twice(heap_, blocks_, at);
  }

  // As the front cache does it.
  void park(std::size_t at) {
    const Block b = blocks_.take(at);
    const ClientPtr p(b.owned.address);
    RC_LOG() << "park: bin " << b.owned.bin << "\n";
    if (kChecks) {
      RC_ASSERT((heap_.release_cached(p).fault == Fault::kCorruption));  // it is not parked yet
    }
    RC_ASSERT((heap_.cache(p) != nullptr));
    if (kChecks) {
      RC_ASSERT((heap_.cache(p) == nullptr));
      RC_ASSERT((heap_.deallocate(p).fault == Fault::kDoubleFree));
    }
    RC_ASSERT(parked_.add(b));
  }

  void unpark(std::size_t at) {
    const Block b = parked_.take(at);
    const ClientPtr p(b.owned.address);
    RC_LOG() << "give parked back: bin " << b.owned.bin << "\n";
    RC_ASSERT(Pattern::holds(b));
    RC_ASSERT((heap_.release_cached(p).fault == Fault::kNone));
    RC_ASSERT((heap_.deallocate(p).fault != Fault::kNone));
  }

  void compare() {
    std::array<std::size_t, C::Sizes::kBins> live{};
    for (const Blocks* list : {&blocks_, &parked_}) {
      for (const Block& b : list->all()) ++live[b.owned.bin];
    }
    for (std::uint8_t b = 0; b <= kLast; ++b) RC_ASSERT(heap_.live_blocks(BinIndex(b)) == live[b]);
  }

  RecyclingPlatform platform_;
  LimitOf<C> limit_;
  MappingBudget<C> budget_;
  v1::V1Heap<C> heap_;
  Rng rng_;
  const std::uint32_t bins_;
  Blocks blocks_, parked_;
  std::uint64_t pattern_ = 0;
};

template <class C>
void check_v1() {
  V1Run<C> run(*rc::gen::arbitrary<std::uint32_t>());
  for (const std::uint32_t bits : any_steps(150)) run.step(Step(bits));
  run.finish();
}
RC_GTEST_PROP(V1, AgainstAListOfBlocksInSmall, ()) { check_v1<SmallHardened>(); }
RC_GTEST_PROP(V1, AgainstAListOfBlocksInSmallPerf, ()) { check_v1<SmallPerf>(); }
RC_GTEST_PROP(V1, AgainstAListOfBlocksInProduction, ()) { check_v1<ProductionHardened>(); }
RC_GTEST_PROP(V1, AgainstAListOfBlocksInProductionPerf, ()) { check_v1<ProductionPerf>(); }

}  // namespace
}  // namespace hakmem::model
