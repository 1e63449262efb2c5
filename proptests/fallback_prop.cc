// v1 and the large heap alone against a list of live blocks: disjoint, aligned, contents kept,
// every bad pointer refused with nothing changed, everything given back at the end.
#include <gtest/gtest.h>

#include <vector>

#include "base/rng.h"
#include "large/large_heap.h"
#include "models/blocks.h"
#include "models/lockstep_configs.h"
#include "proptests/fixed_seed.h"
#include "v1/v1_heap.h"

namespace hakmem::model {
namespace {

Block block_at(void* p, std::size_t usable, std::uint64_t pattern) {
  Block b;
  b.owned.address = reinterpret_cast<std::uintptr_t>(p);
  b.usable = usable;
  b.pattern = pattern;
  return b;
}

// A live block for `heap`, by `allocate`, or one freed, by `heap.deallocate`; bad pointers between.
template <class Heap, class Allocate>
void step(Heap& heap, Blocks& blocks, Rng& rng, Allocate&& allocate) {
  if (blocks.empty() || rng.below(5) < 3) {
    const Block b = allocate();
    if (b.owned.address == 0) return;
    RC_ASSERT(blocks.add(b));
    Pattern::write(b);
    return;
  }
  const std::size_t at = blocks.pick(rng.below(1000));
  const Block& b = blocks.at(at);
  RC_ASSERT(Pattern::holds(b));
  RC_ASSERT((heap.deallocate(ClientPtr(b.owned.address + 8)).fault != Fault::kNone));
  if (b.usable > 16) {
    RC_ASSERT((heap.deallocate(ClientPtr(b.owned.address + 16)).fault != Fault::kNone));
  }
  const BlockView view = heap.locate(ClientPtr(b.owned.address));
  RC_ASSERT((view.fault == Fault::kNone));
  RC_ASSERT(view.block_size == b.usable);
  RC_ASSERT((heap.deallocate(ClientPtr(b.owned.address)).fault == Fault::kNone));
  RC_ASSERT((heap.deallocate(ClientPtr(b.owned.address)).fault != Fault::kNone));
  blocks.take(at);
}

template <class C>
void check_v1() {
  ModelPlatform platform;
  typename C::Limit limit;
  v1::V1Heap<C> heap;
  heap.init(platform, limit);
  Rng rng(*rc::gen::arbitrary<std::uint32_t>());
  Blocks blocks;
  const std::uint32_t bins = 1 + rng.below(4);
  for (std::uint64_t i = 1; i <= 200; ++i) {
    if (i % 50 == 0) platform.set_failing(false, rng.below(2) == 0);
    step(heap, blocks, rng, [&] {
      const std::uint32_t last = static_cast<std::uint32_t>(C::Sizes::kBins - 1);
      const BinIndex bin(static_cast<std::uint8_t>(last - rng.below(bins) * (last / 4)));
      void* const p = heap.allocate(bin);
      return block_at(p, p == nullptr ? 0 : C::Sizes::info(bin).block_size, i * 77);
    });
  }
  platform.set_failing(false, false);
  for (; !blocks.empty(); blocks.take(0)) {
    RC_ASSERT(Pattern::holds(blocks.at(0)));
    RC_ASSERT((heap.deallocate(ClientPtr(blocks.at(0).owned.address)).fault == Fault::kNone));
  }
  heap.trim();
  for (std::uint8_t b = 0; b < C::Sizes::kBins; ++b) RC_ASSERT(heap.live_blocks(BinIndex(b)) == 0u);
  RC_ASSERT(platform.foreign_calls() == 0u);
}
RC_GTEST_PROP(V1, AgainstAListOfBlocksInSmall, ()) { check_v1<SmallHardened>(); }
RC_GTEST_PROP(V1, AgainstAListOfBlocksInPerf, ()) { check_v1<SmallPerf>(); }
RC_GTEST_PROP(V1, AgainstAListOfBlocksInProduction, ()) { check_v1<ProductionHardened>(); }

template <class C>
void check_large() {
  ModelPlatform platform;
  typename C::Limit limit;
  large::LargeHeap<C> heap;
  heap.init(platform, limit);
  Rng rng(*rc::gen::arbitrary<std::uint32_t>());
  Blocks blocks;
  for (std::uint64_t i = 1; i <= 80; ++i) {
    platform.advance_clock_ms(rng.below(400));
    step(heap, blocks, rng, [&] {
      const std::size_t alignment = std::size_t{16} << rng.below(14);
      void* const p = heap.allocate(1 + rng.below(200000), alignment);
      RC_ASSERT((reinterpret_cast<std::uintptr_t>(p) % alignment == 0));
      return block_at(p, heap.locate(ClientPtr(p)).block_size, i * 77);
    });
    if (blocks.empty() || rng.below(4) != 0) continue;
    const Block old = blocks.take(blocks.pick(rng.below(100)));
    const std::size_t n = 1 + rng.below(300000);
    void* const moved = heap.resize(ClientPtr(old.owned.address), n);
    const auto at = moved == nullptr ? old.owned.address : reinterpret_cast<std::uintptr_t>(moved);
    const std::size_t usable = heap.locate(ClientPtr(at)).block_size;
    RC_ASSERT((moved == nullptr || usable >= n));
    const Block now = block_at(reinterpret_cast<void*>(at), usable, old.pattern);
    RC_ASSERT(Pattern::starts(now.bytes(), old.pattern, std::min(old.usable, usable)));
    RC_ASSERT(blocks.add(now));
    Pattern::write(now);
  }
  RC_ASSERT(heap.live_blocks() == blocks.size());
  for (; !blocks.empty(); blocks.take(0)) {
    RC_ASSERT((heap.deallocate(ClientPtr(blocks.at(0).owned.address)).fault == Fault::kNone));
  }
  heap.trim();
  RC_ASSERT(heap.bytes_cached() == 0u);
  RC_ASSERT(platform.foreign_calls() == 0u);
}
RC_GTEST_PROP(Large, AgainstAListOfBlocks, ()) { check_large<ProductionHardened>(); }
RC_GTEST_PROP(Large, AgainstAListOfBlocksInPerf, ()) { check_large<ProductionPerf>(); }

}  // namespace
}  // namespace hakmem::model
