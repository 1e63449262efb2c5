// The allocator as a whole: which heap serves what, policy flips with live blocks, fallback to v1,
// the front cache over v1, realloc and alignment, and service without a context. What its counters
// say: allocator_stats_test.cc; several contexts: allocator_threads_test.cc.
#include "heap/allocator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

PolicySnapshot on_v3(std::uint32_t mask) {
  PolicySnapshot policy = default_policy();
  policy.set_v3_mask(mask);
  return policy;
}

template <class C>
class AllocatorTest : public ::testing::Test {
 protected:
  static std::string heap_of(Heap<C>& heap, const void* p) {
    return heap.allocator->locate(p).heap;
  }
};
using Configs = ::testing::Types<Small, SmallPerf, Full, FullPerf>;
TYPED_TEST_SUITE(AllocatorTest, Configs);

TYPED_TEST(AllocatorTest, EachMaskBitRoutesItsClass) {
  for (std::uint8_t c = 0; c < TypeParam::Sizes::kClasses; ++c) {
    Heap<TypeParam> heap(on_v3(1u << c));
    for (std::uint8_t k = 0; k < TypeParam::Sizes::kClasses; ++k) {
      void* const p = heap.take(class_size_max(k));
      EXPECT_EQ(this->heap_of(heap, p), k == c ? "v3" : "v1") << "mask of C" << +c << ", C" << +k;
      heap.give(p);
    }
    EXPECT_EQ(heap.audit(), laws::kHolds);
  }
}

TYPED_TEST(AllocatorTest, AboveTheLargestBinIsLarge) {
  Heap<TypeParam> heap;
  void* const small = heap.take(TypeParam::Geometry::kBlockMax);
  void* const large = heap.take(TypeParam::Geometry::kBlockMax + 1);
  EXPECT_EQ(this->heap_of(heap, small), "v3");
  EXPECT_EQ(this->heap_of(heap, large), "large");
  heap.give(small);
  heap.give(large);
}

// Blocks of every heap stay what they are through flips to and fro; nothing is lost.
TYPED_TEST(AllocatorTest, FlipsWithLiveBlocks) {
  Heap<TypeParam> heap;
  std::map<void*, std::size_t> live;
  Rng rng(99);
  const auto fill = [](const void* p, std::size_t n) {
    return static_cast<unsigned char>((reinterpret_cast<std::uintptr_t>(p) >> 4) + n);
  };
  for (int step = 0; step < 6000; ++step) {
    if (step % 500 == 0) {
      ASSERT_TRUE(heap.allocator->publish_policy(heap.ctx, on_v3(rng.below(1u << kClassesMax))));
      ASSERT_EQ(heap.audit(), laws::kHolds);
    }
    if (live.size() < 200 && rng.below(2) == 0) {
      const std::size_t n = rng.below(2048) + 1;
      void* const p = heap.take(n);
      ASSERT_NE(p, nullptr);
      std::memset(p, fill(p, n), n);
      ASSERT_TRUE(live.emplace(p, n).second) << "handed out twice";
    } else if (!live.empty()) {
      const auto it = std::next(live.begin(), rng.below(static_cast<std::uint32_t>(live.size())));
      const auto [p, n] = *it;
      const auto* const bytes = static_cast<unsigned char*>(p);
      ASSERT_TRUE(bytes[0] == fill(p, n) && bytes[n - 1] == fill(p, n));
      heap.give(p);
      live.erase(it);
    }
  }
  for (const auto& [p, n] : live) heap.give(p);
  heap.allocator->publish_policy(heap.ctx, on_v3(0));
  heap.allocator->trim(heap.ctx);
  EXPECT_EQ(heap.audit(), laws::kHolds);
  EXPECT_EQ(heap.allocator->boxes().cold.totals().lent_bytes, 0u);
  for (std::size_t b = 0; b < TypeParam::Sizes::kBins; ++b) {
    EXPECT_EQ(heap.allocator->boxes().v1.live_blocks(BinIndex(static_cast<std::uint8_t>(b))), 0u);
  }
  EXPECT_EQ(heap.platform().foreign_calls(), 0u);
}

TYPED_TEST(AllocatorTest, WithoutPagesV1Serves) {
  Heap<TypeParam> heap;
  heap.platform().fail_after(Call::kCommit, 0);  // no superslab
  std::vector<void*> blocks;
  for (int i = 0; i < 10; ++i) {
    blocks.push_back(heap.take(100));
    EXPECT_EQ(this->heap_of(heap, blocks.back()), "v1");
  }
  heap.platform().stop_failing();
  void* const p = heap.take(100);
  EXPECT_EQ(this->heap_of(heap, p), "v3") << "as soon as there are pages again";
  heap.give(p);
  for (void* block : blocks) heap.give(block);
  EXPECT_EQ(heap.allocator->boxes().v1.live_blocks(bin_of<TypeParam>(100)), 0u);
}

TYPED_TEST(AllocatorTest, WithoutAnArenaV1AndLargeServeAlone) {
  auto allocator = std::make_unique<Allocator<TypeParam>>();
  allocator->boxes().platform.fail_after(Call::kReserve, 0);
  allocator->init(default_policy());
  allocator->boxes().platform.stop_failing();
  EXPECT_EQ(allocator->attach_context(), nullptr);
  void* const small = allocator->allocate_slow(nullptr, 100);
  void* const large = allocator->allocate_slow(nullptr, TypeParam::Geometry::kBlockMax + 1);
  EXPECT_STREQ(allocator->locate(small).heap, "v1");
  EXPECT_STREQ(allocator->locate(large).heap, "large");
  allocator->deallocate_slow(nullptr, small, "free");
  allocator->deallocate_slow(nullptr, large, "free");
  allocator->trim(nullptr);
  EXPECT_EQ(allocator->trim(nullptr), 0u);
}

// Every call that takes a context takes none as well, also with blocks of v3 around.
TYPED_TEST(AllocatorTest, ServesWithoutAContext) {
  Heap<TypeParam> heap;
  Allocator<TypeParam>& a = *heap.allocator;
  void* const of_v3 = heap.take(100);
  void* p = a.allocate_slow(nullptr, 100);
  EXPECT_EQ(this->heap_of(heap, p), "v1");
  p = a.reallocate(nullptr, p, 1000);
  ASSERT_NE(p, nullptr);
  a.deallocate_slow(nullptr, p, "free");
  auto* const zeroed = static_cast<char*>(a.allocate_zeroed(nullptr, 64));
  EXPECT_EQ(std::string(zeroed, 64), std::string(64, '\0'));
  a.deallocate_slow(nullptr, zeroed, "free");
  a.deallocate_slow(nullptr, a.allocate_aligned_slow(nullptr, 256, 100), "free");
  a.deallocate_slow(nullptr, nullptr, "free");

  a.deallocate_slow(nullptr, of_v3, "free");  // posted to its owner
  EXPECT_FALSE(heap.ctx->pending.empty());
  EXPECT_TRUE(a.publish_policy(nullptr, on_v3(0)));
  a.trim(nullptr);
  a.trim(heap.ctx);
  EXPECT_EQ(a.boxes().cold.totals().lent_bytes, 0u);
}

// HAKMEM_TINY_C6_HOT: blocks of C6 come from v1 and go through the front cache.
TYPED_TEST(AllocatorTest, C6HotCachesBlocksOfV1) {
  PolicySnapshot policy = on_v3(0);
  policy.c6_hot = true;
  Heap<TypeParam> heap(policy);
  const BinIndex bin = bin_of<TypeParam>(512);
  void* const p = heap.take(512);
  EXPECT_EQ(this->heap_of(heap, p), "v1");
  for (int round = 0; round < 3; ++round) {
    heap.give(p);
    EXPECT_EQ(heap.magazine_of(512).size(), 1u);
    EXPECT_EQ(heap.allocator->boxes().v1.live_blocks(bin), 1u) << "v1 lent it to the cache";
    EXPECT_EQ(heap.audit(), laws::kHolds);
    ASSERT_EQ(heap.take(512), p) << "round " << round;
  }
  heap.give(p);
  EXPECT_EQ(heap.allocator->stats().by_class[6].free_calls, 0u) << "counting is off";
  void* const c5 = heap.take(256);
  heap.give(c5);
  EXPECT_EQ(heap.magazine_of(256).size(), 0u) << "C6 alone";
  heap.allocator->publish_policy(heap.ctx, on_v3(0));
  EXPECT_EQ(heap.allocator->boxes().v1.live_blocks(bin), 0u) << "switched off: given back";
}

// As a recorder wants it: blocks are cached where no fast path looks.
TYPED_TEST(AllocatorTest, EveryCallSlowHidesTheMagazines) {
  PolicySnapshot policy = default_policy();
  policy.every_call_slow = true;
  Heap<TypeParam> heap(policy);
  heap.give(heap.take(64));
  const std::size_t bin = bin_of<TypeParam>(64).value();
  EXPECT_EQ(heap.ctx->ultra.front[bin].size(), 0u);
  EXPECT_GT(heap.ctx->ultra.hidden[bin].size(), 0u);
}

TYPED_TEST(AllocatorTest, C6HotOverfullMagazineGoesBackToV1) {
  PolicySnapshot policy = on_v3(0);
  policy.c6_hot = true;
  Heap<TypeParam> heap(policy);
  const BinIndex bin = bin_of<TypeParam>(512);
  const std::size_t many = TypeParam::Sizes::info(bin).magazine_capacity + std::size_t{1};
  std::vector<void*> blocks;
  for (std::size_t i = 0; i < many; ++i) blocks.push_back(heap.take(512));
  for (std::size_t i = 0; i < many; ++i) {
    EXPECT_EQ(heap.magazine_of(512).size(), i) << "all stay until it is full";
    heap.give(blocks[i]);
  }
  EXPECT_EQ(heap.magazine_of(512).size(), many / 2 + 1);
  EXPECT_EQ(heap.allocator->boxes().v1.live_blocks(bin), heap.magazine_of(512).size());
  heap.allocator->trim(heap.ctx);
  EXPECT_EQ(heap.allocator->boxes().v1.live_blocks(bin), 0u);
}

TYPED_TEST(AllocatorTest, C6HotKeepsWorkingWhenC6GoesToV3AndBack) {
  PolicySnapshot v1_hot = on_v3(0);
  v1_hot.c6_hot = true;
  PolicySnapshot v3_hot = on_v3(kMaskAll);
  v3_hot.c6_hot = true;
  Heap<TypeParam> heap(v1_hot);
  std::vector<void*> blocks;
  for (int round = 0; round < 6; ++round) {
    heap.allocator->publish_policy(heap.ctx, round % 2 == 0 ? v3_hot : v1_hot);
    for (int i = 0; i < 7; ++i) blocks.push_back(heap.take(512));
    for (int i = 0; i < 5; ++i) {
      heap.give(blocks.back());
      blocks.pop_back();
    }
    ASSERT_EQ(heap.audit(), laws::kHolds);
  }
  for (void* p : blocks) heap.give(p);
  heap.allocator->trim(heap.ctx);
  EXPECT_EQ(heap.allocator->boxes().cold.totals().lent_bytes, 0u);
  EXPECT_EQ(heap.allocator->boxes().v1.live_blocks(bin_of<TypeParam>(512)), 0u);
}

TYPED_TEST(AllocatorTest, ReallocKeepsContentsAndStaysWhileTheBlockFits) {
  Heap<TypeParam> heap;
  Allocator<TypeParam>& a = *heap.allocator;
  std::size_t n = 40;
  auto* p = static_cast<char*>(heap.take(n));
  std::memset(p, 'x', n);
  EXPECT_EQ(a.reallocate(heap.ctx, p, 48), p) << "the same bin";
  EXPECT_EQ(a.reallocate(heap.ctx, p, 24), p) << "half of it is used";
  for (const std::size_t next : {200u, 1000u, 4000u, 70000u, 400000u, 1000000u, 5000u, 100u}) {
    p = static_cast<char*>(a.reallocate(heap.ctx, p, next));
    ASSERT_NE(p, nullptr);
    const std::size_t kept = std::min<std::size_t>(24, next);
    ASSERT_EQ(std::string(p, kept), std::string(kept, 'x')) << next;
    ASSERT_GE(a.locate(p).block_size, next);
    ASSERT_EQ(heap.audit(), laws::kHolds);
  }
  heap.give(p);
}

TYPED_TEST(AllocatorTest, ReallocWithoutMemoryLeavesTheBlock) {
  Heap<TypeParam> heap;
  void* const p = heap.take(100);
  std::memset(p, 'x', 100);
  heap.platform().fail_after(Call::kMap, 0);
  EXPECT_EQ(heap.allocator->reallocate(heap.ctx, p, 1 << 20), nullptr);
  EXPECT_EQ(std::string(static_cast<char*>(p), 100), std::string(100, 'x'));
  heap.platform().stop_failing();
  heap.give(p);
}

TYPED_TEST(AllocatorTest, EveryAlignmentAndSize) {
  for (const std::uint32_t mask : {kMaskAll, 0u}) {
    Heap<TypeParam> heap(on_v3(mask));
    for (std::size_t alignment = 1; alignment <= std::size_t{1} << 21; alignment *= 2) {
      for (const std::size_t n : {0u, 1u, 16u, 100u, 1000u, 3000u, 5000u, 300000u}) {
        void* const p = heap.allocator->allocate_aligned(heap.ctx, alignment, n);
        ASSERT_NE(p, nullptr);
        ASSERT_EQ(reinterpret_cast<std::uintptr_t>(p) % alignment, 0u) << n;
        const BlockView view = heap.allocator->locate(p);
        ASSERT_EQ(view.fault, Fault::kNone);
        ASSERT_GE(view.block_size, n);
        ASSERT_TRUE(heap.allocator->size_fits(view, alignment, n, SizeRule::kAllocated));
        std::memset(p, 0x5A, n);
        heap.give(p);
      }
    }
  }
}

TYPED_TEST(AllocatorTest, EverySizeIsServedAlignedAndWritable) {
  Heap<TypeParam> heap;
  for (std::size_t n = 0; n <= TypeParam::Geometry::kBlockMax + 4096; n += n < 2000 ? 1 : 997) {
    void* const p = heap.take(n);
    ASSERT_NE(p, nullptr);
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(p) % 16, 0u);
    std::memset(p, 0x5A, n);
    ASSERT_TRUE(heap.allocator->size_fits(heap.allocator->locate(p), 1, n, SizeRule::kAllocated));
    heap.give(p);
  }
  EXPECT_EQ(heap.audit(), laws::kHolds);
}

TYPED_TEST(AllocatorTest, ABlockOfAnotherSizeClassDoesNotFit) {
  Heap<TypeParam> heap;
  void* const p = heap.take(200);
  const BlockView view = heap.allocator->locate(p);
  Allocator<TypeParam>& a = *heap.allocator;
  EXPECT_TRUE(a.size_fits(view, 1, 224, SizeRule::kAllocated));
  EXPECT_FALSE(a.size_fits(view, 1, 225, SizeRule::kMayBeShrunk)) << "larger than the block";
  EXPECT_FALSE(a.size_fits(view, 1, 192, SizeRule::kAllocated));
  EXPECT_FALSE(a.size_fits(view, 1, 192, SizeRule::kMayBeShrunk)) << "no realloc has shrunk yet";
  ASSERT_EQ(a.reallocate(heap.ctx, p, 192), p);
  EXPECT_TRUE(a.size_fits(view, 1, 192, SizeRule::kMayBeShrunk));
  EXPECT_FALSE(a.size_fits(view, 1, 100, SizeRule::kMayBeShrunk)) << "realloc would have moved it";
  heap.give(p);
}

TYPED_TEST(AllocatorTest, ZeroedIsZeroedThoughTheBlockWasUsed) {
  Heap<TypeParam> heap;
  for (const std::size_t n : {64u, 1000u, 500000u}) {
    void* const dirty = heap.take(n);
    std::memset(dirty, 0x5A, n);
    heap.give(dirty);
    auto* const p = static_cast<char*>(heap.allocator->allocate_zeroed(heap.ctx, n));
    EXPECT_TRUE(p[0] == 0 && std::memcmp(p, p + 1, n - 1) == 0) << n;
    heap.give(p);
  }
}

TYPED_TEST(AllocatorTest, TheBlockFreedLastIsHandedOutFirst) {
  Heap<TypeParam> heap;
  void* const a = heap.take(100);
  void* const b = heap.take(100);
  heap.give(a);
  heap.give(b);
  EXPECT_EQ(heap.take(100), b);
  EXPECT_EQ(heap.take(100), a);
}

TYPED_TEST(AllocatorTest, TrimGivesEverythingBack) {
  Heap<TypeParam> heap;
  std::vector<void*> blocks;
  for (int i = 0; i < 500; ++i) blocks.push_back(heap.take(1 + static_cast<std::size_t>(i) * 7));
  for (void* p : blocks) std::memset(p, 0x5A, 1);
  for (void* p : blocks) heap.give(p);
  EXPECT_GT(heap.allocator->trim(heap.ctx), 0u);
  const ColdTotals totals = heap.allocator->boxes().cold.totals();
  EXPECT_EQ(totals.lent_bytes, 0u);
  EXPECT_EQ(totals.warm_bytes, 0u);
  EXPECT_EQ(heap.allocator->trim(heap.ctx), 0u);
  EXPECT_EQ(heap.audit(), laws::kHolds);
}

}  // namespace
}  // namespace hakmem::test
