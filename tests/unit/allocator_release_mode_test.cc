// What a thread that only frees leaves behind: nothing that is beyond the reach of others.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "inspect/memory_statistics.h"
#include "test_heap.h"

namespace hakmem::test {
namespace {

template <class C>
class ReleaseMode : public ::testing::Test {
 public:
  // Blocks of several sizes, many pages of each, in an order that leaves pages nearly empty.
  std::vector<void*> take_many() {
    std::vector<void*> blocks;
    std::mt19937 random(7);
    for (int i = 0; i < 40000; ++i) {
      void* const p = heap.take(16 + random() % 1000);
      if (p == nullptr) return {};
      blocks.push_back(p);
    }
    std::shuffle(blocks.begin(), blocks.end(), random);
    return blocks;
  }
  std::size_t lent() { return heap.allocator->boxes().cold.totals().lent_bytes; }
  std::size_t warm() { return heap.allocator->boxes().cold.totals().warm_bytes; }
  std::size_t cached() {
    std::size_t blocks = 0;
    for (std::size_t b = 0; b < C::Sizes::kBins; ++b) {
      blocks += heap.ctx->ultra.magazine(BinIndex(static_cast<std::uint8_t>(b))).size();
    }
    return blocks;
  }

  Heap<C> heap;
};

using Configs = ::testing::Types<Full, FullPerf>;
TYPED_TEST_SUITE(ReleaseMode, Configs);

TYPED_TEST(ReleaseMode, AfterAFreeingPhaseNoPageStaysLent) {
  const std::vector<void*> blocks = this->take_many();
  ASSERT_FALSE(blocks.empty());
  ASSERT_GT(this->lent(), std::size_t{16} << 20);
  for (void* const p : blocks) this->heap.give(p);
  EXPECT_TRUE(this->heap.ctx->releasing());
  EXPECT_EQ(this->cached(), 0u);
  EXPECT_EQ(this->lent(), 0u);
  EXPECT_EQ(this->heap.audit(), nullptr);
}

TYPED_TEST(ReleaseMode, OneAllocationAfterTheDecayTimeGivesTheMemoryBack) {
  for (void* const p : this->take_many()) this->heap.give(p);
  const std::size_t before = this->warm();
  this->heap.platform().advance_clock_ms(2 * ColdBox<TypeParam>::kDecayPeriodMs);
  void* const p = this->heap.take(16);
  std::size_t caps = 0;
  for (std::uint8_t c = 0; c <= 7; ++c) {
    caps += std::size_t{default_policy().classes[c].warm_cap} * TypeParam::Sizes::kUnitBytes;
  }
  EXPECT_GT(before, caps + caps / 2);
  EXPECT_LE(this->warm(), caps);
  EXPECT_GT(this->warm(), caps / 4) << "and keeps what the policy says";
  this->heap.give(p);
}

TYPED_TEST(ReleaseMode, AlsoOneThatBorrowsNoPage) {
  void* const kept = this->heap.take(64);
  for (void* const p : this->take_many()) this->heap.give(p);
  ASSERT_TRUE(this->heap.ctx->releasing());
  const std::size_t warm = this->warm(), lent = this->lent();
  this->heap.platform().advance_clock_ms(2 * ColdBox<TypeParam>::kDecayPeriodMs);
  void* const p = this->heap.take(64);
  EXPECT_EQ(&this->heap.page_of(p), &this->heap.page_of(kept));
  EXPECT_EQ(this->lent(), lent);
  EXPECT_LT(this->warm(), warm / 2);
}

TYPED_TEST(ReleaseMode, AlsoOneOfV1) {
  PolicySnapshot policy = default_policy();
  policy.classes[6].v3 = false;
  this->heap.allocator->publish_policy(this->heap.ctx, policy);
  for (void* const p : this->take_many()) this->heap.give(p);
  ASSERT_TRUE(this->heap.ctx->releasing());
  const std::size_t warm = this->warm();
  this->heap.platform().advance_clock_ms(2 * ColdBox<TypeParam>::kDecayPeriodMs);
  this->heap.give(this->heap.take(512));
  EXPECT_LT(this->warm(), warm / 2);
}

TYPED_TEST(ReleaseMode, LargeBlocksThatWereCachedGoBackToo) {
  void* const kept = this->heap.take(64);
  void* const large = this->heap.take(TypeParam::Geometry::kBlockMax + 1);
  for (void* const p : this->take_many()) this->heap.give(p);
  this->heap.give(large);
  ASSERT_TRUE(this->heap.ctx->releasing());
  EXPECT_GT(this->heap.allocator->boxes().large.tally_locked().cached_bytes, 0u);
  this->heap.platform().advance_clock_ms(60000);
  this->heap.give(this->heap.take(64));
  EXPECT_EQ(this->heap.allocator->boxes().large.tally_locked().cached_bytes, 0u);
  this->heap.give(kept);
}

TYPED_TEST(ReleaseMode, AllocatingEndsIt) {
  for (void* const p : this->take_many()) this->heap.give(p);
  std::vector<void*> few;
  for (int i = 0; i < TypeParam::Tuning::kReleaseModeAllocations; ++i) {
    EXPECT_TRUE(this->heap.ctx->releasing());
    few.push_back(this->heap.take(64));
  }
  EXPECT_FALSE(this->heap.ctx->releasing());
  for (void* const p : few) this->heap.give(p);
  EXPECT_GE(this->cached(), few.size());
  EXPECT_EQ(this->heap.class_of(64).max_partial, default_policy().classes[3].max_partial);
}

TYPED_TEST(ReleaseMode, WhatWasHiddenBeforeIsHiddenAfter) {
  PolicySnapshot policy = default_policy();
  policy.every_call_slow = true;
  this->heap.allocator->publish_policy(this->heap.ctx, policy);
  for (void* const p : this->take_many()) this->heap.give(p);
  ASSERT_TRUE(this->heap.ctx->releasing());
  while (this->heap.ctx->releasing()) this->heap.give(this->heap.take(64));
  this->heap.give(this->heap.take(64));
  const std::size_t bin = bin_of<TypeParam>(64).value();
  EXPECT_EQ(this->heap.ctx->ultra.front[bin].size(), 0u);
  EXPECT_GT(this->heap.ctx->ultra.hidden[bin].size(), 0u);
}

TYPED_TEST(ReleaseMode, BeginsWithoutEmptyPages) {
  std::vector<void*> blocks;
  for (int i = 0; i < 20000; ++i) blocks.push_back(this->heap.take(1024));
  for (std::size_t i = 0; i < blocks.size() && !this->heap.ctx->releasing(); ++i) {
    this->heap.give(blocks[i]);  // in order: whole pages become empty, and some are kept
  }
  ASSERT_TRUE(this->heap.ctx->releasing());
  const BinPages<TypeParam>& cls = this->heap.class_of(1024);
  for (std::uint32_t u = cls.partial.front(); u != SoPage<TypeParam>::kNoPage;) {
    const SoPage<TypeParam>& page = this->heap.allocator->boxes().arena.page(u);
    EXPECT_NE(page.used, 0);
    u = page.links.next;
  }
}

// HAKMEM_TINY_C6_HOT is no reason to keep blocks either.
TYPED_TEST(ReleaseMode, NothingOfV1IsCached) {
  PolicySnapshot policy = default_policy();
  policy.classes[6].v3 = false;
  policy.c6_hot = true;
  this->heap.allocator->publish_policy(this->heap.ctx, policy);
  void* const of_v1 = this->heap.take(512);
  ASSERT_STREQ(this->heap.allocator->locate(of_v1).heap, "v1");
  for (void* const p : this->take_many()) this->heap.give(p);
  ASSERT_TRUE(this->heap.ctx->releasing());
  this->heap.give(of_v1);
  EXPECT_EQ(this->heap.magazine_of(512).size(), 0u);
}

TYPED_TEST(ReleaseMode, APhaseOfBothDoesNotEnterIt) {
  const std::vector<void*> blocks = this->take_many();
  std::vector<void*> kept;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    this->heap.give(blocks[i]);
    if (i % 32 == 0) kept.push_back(this->heap.take(4096));
    ASSERT_FALSE(this->heap.ctx->releasing()) << i;
  }
  for (void* const p : kept) this->heap.give(p);
}

// ---- what goes back with the free itself: time stands still, and no call follows

struct Idle : Heap<Full> {
  static constexpr std::size_t kIdle = ProductionTuning::kIdleMin;
  static constexpr std::size_t kSize = 60000;

  std::vector<void*> take_bytes(std::size_t bytes) {
    std::vector<void*> blocks(bytes / kSize);
    for (void*& p : blocks) p = take(kSize);
    return blocks;
  }
  std::size_t warm() { return allocator->boxes().cold.totals().warm_bytes; }
  std::size_t resident() {
    MemoryStats held;
    MemoryCounter<Full>(*allocator).run(Patience::kWaits, held);
    return held.small_resident;
  }
};

TEST(IdleMemory, GoesBackWithTheFreeThatMakesItMuch) {
  Idle heap;
  for (void* p : heap.take_bytes(8 * Idle::kIdle)) heap.give(p);
  EXPECT_LE(heap.warm(), Idle::kIdle);
  EXPECT_GT(heap.warm(), Idle::kIdle / 2) << "what is kept for the next call";
  EXPECT_LE(heap.resident(), Idle::kIdle + Idle::kIdle / 4);
  EXPECT_EQ(heap.audit(), nullptr);
}

TEST(IdleMemory, OfPagesWithFewBlocksLeftToo) {
  Idle heap;
  const auto blocks = heap.take_bytes(8 * Idle::kIdle);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (i % 16 == 0) {
      kept += Idle::kSize;
    } else {
      heap.give(blocks[i]);
    }
  }
  EXPECT_LE(heap.resident(), kept + 2 * Idle::kIdle + Idle::kIdle / 4);
  EXPECT_EQ(heap.audit(), nullptr);
}

// Who misses it is left what he takes in turns.
TEST(IdleMemory, IsNotPurgedAgainAndAgain) {
  Idle heap;
  std::uint64_t before = 0;
  for (int turn = 0; turn < 6; ++turn) {
    before = heap.platform().calls(Call::kPurge);
    for (void* p : heap.take_bytes(4 * Idle::kIdle)) heap.give(p);
    EXPECT_EQ(heap.warm() <= Idle::kIdle, turn == 0) << turn;
  }
  EXPECT_GE(heap.warm(), 4 * Idle::kIdle) << "whole pages: a little more than the blocks";
  // Only of pages that have lost a part of their blocks, each time so much was freed.
  const std::size_t looks = 4 * Idle::kIdle / ProductionTuning::kReleaseModeBytes;
  EXPECT_LE(heap.platform().calls(Call::kPurge) - before, 4 * looks);
}

// So many system calls for so many bytes, however much else there is.
TEST(IdleMemory, CostsACallForASuperslab) {
  for (const std::size_t times : {8u, 32u}) {
    Idle heap;
    const auto blocks = heap.take_bytes(times * Idle::kIdle);
    for (void* p : blocks) heap.give(p);
    const std::size_t slabs = times * Idle::kIdle / Full::Sizes::kSuperslabBytes;
    EXPECT_LE(heap.platform().calls(Call::kPurge), 2 * slabs);
  }
}

}  // namespace
}  // namespace hakmem::test
