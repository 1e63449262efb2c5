// Memory at rest: what is given back of pages and contexts that are not in use, when, and by whom.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "inspect/memory_statistics.h"
#include "test_heap.h"

namespace hakmem::test {
namespace {

template <class C>
class Rest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kPeriod = ColdBox<C>::kDecayPeriodMs;
  static constexpr std::size_t kPage = 4096;

  Rest() : other(heap.allocator->attach_context()) {}

  std::size_t resident() {
    MemoryStats s;
    MemoryCounter<C>(*heap.allocator).run(Patience::kWaits, s);
    EXPECT_EQ(heap.audit(), laws::kHolds);
    return s.small_resident;
  }
  std::size_t lent() { return heap.allocator->boxes().cold.totals().lent_bytes; }
  std::size_t warm() { return heap.allocator->boxes().cold.totals().warm_bytes; }
  void pass(std::uint64_t periods) { heap.platform().advance_clock_ms(periods * kPeriod); }

  // Many pages, of which every 16th block stays.
  std::vector<unsigned char*> leave_few(std::size_t n, Context<C>* ctx) {
    std::vector<unsigned char*> all, kept;
    for (int i = 0; i < 3200; ++i) {
      all.push_back(static_cast<unsigned char*>(heap.allocator->allocate(ctx, n)));
      std::memset(all.back(), i, n);
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i % 16 == 0) {
        kept.push_back(all[i]);
      } else {
        heap.allocator->deallocate(ctx, all[i]);
      }
    }
    return kept;
  }
  void expect_contents(const std::vector<unsigned char*>& kept, std::size_t n) {
    for (std::size_t i = 0; i < kept.size(); ++i) {
      const auto due = static_cast<unsigned char>(16 * i);
      EXPECT_TRUE(kept[i][0] == due && std::memcmp(kept[i], kept[i] + 1, n - 1) == 0) << i;
    }
  }
  // A slow path of the heap's own context: a bin that nothing was taken from yet.
  void call_that_keeps_time() { heap.take(std::size_t{64} << look_++); }

  Heap<C> heap;
  Context<C>* const other;

 private:
  std::size_t look_ = 0;
};

using Configs = ::testing::Types<Full, FullPerf>;
TYPED_TEST_SUITE(Rest, Configs);

TYPED_TEST(Rest, TheMemoryBetweenBlocksGoesAfterTwoPeriodsAndTheBlocksStay) {
  constexpr std::size_t n = 2000;
  const auto kept = this->leave_few(n, this->heap.ctx);
  this->call_that_keeps_time();
  const std::size_t before = this->resident();
  this->pass(1);
  this->call_that_keeps_time();
  EXPECT_GE(this->resident() + TypeParam::Sizes::kSuperslabBytes, before) << "too early";
  this->pass(1);
  this->call_that_keeps_time();
  EXPECT_LT(this->resident(), before * 2 / 3);
  this->expect_contents(kept, n);
}

TYPED_TEST(Rest, WhatIsTakenFromAgainCountsAsResident) {
  const auto kept = this->leave_few(4096, this->heap.ctx);
  this->pass(2);
  this->call_that_keeps_time();
  SoPage<TypeParam>* purged = nullptr;
  for (unsigned char* const p : kept) {
    if (this->heap.page_of(p).purged.load_relaxed() != 0) purged = &this->heap.page_of(p);
  }
  ASSERT_NE(purged, nullptr);
  while (purged->purged.load_relaxed() != 0) {
    auto* const p = static_cast<unsigned char*>(this->heap.take(4096));
    ASSERT_NE(p, nullptr);
    std::memset(p, 1, 4096);
  }
  EXPECT_EQ(this->heap.audit(), laws::kHolds);
}

TYPED_TEST(Rest, AMagazineThatNobodyUsesIsFlushed) {
  this->heap.give(this->heap.take(100));
  this->heap.give(this->heap.take(1000));
  ASSERT_NE(this->heap.magazine_of(100).size(), 0u);
  this->pass(1);
  this->heap.give(this->heap.take(1000));
  this->call_that_keeps_time();
  EXPECT_NE(this->heap.magazine_of(100).size(), 0u) << "too early";
  this->pass(1);
  this->call_that_keeps_time();
  EXPECT_EQ(this->heap.magazine_of(100).size(), 0u);
}

// What another thread holds, that does nothing any more, and was sent frees.
TYPED_TEST(Rest, AnIdleContextIsLookedAfter) {
  std::vector<void*> blocks;
  for (int i = 0; i < 3200; ++i)
    blocks.push_back(this->heap.allocator->allocate(this->other, 1000));
  const auto kept = this->leave_few(1500, this->other);
  for (void* const p : blocks) this->heap.give(p);
  this->call_that_keeps_time();
  const std::size_t lent = this->lent(), resident = this->resident();
  this->pass(1);
  this->call_that_keeps_time();
  EXPECT_GE(this->lent() + TypeParam::Sizes::kSuperslabBytes, lent) << "its thread may be at work";
  this->pass(1);
  this->call_that_keeps_time();
  EXPECT_LT(this->lent(), lent * 3 / 4);
  EXPECT_LT(this->resident(), resident / 2) << "in the same call: idle for two periods";
  this->expect_contents(kept, 1500);
  EXPECT_NE(this->heap.allocator->allocate(this->other, 1000), nullptr);
}

TYPED_TEST(Rest, TrimReachesIdleContextsAtOnce) {
  std::vector<void*> blocks;
  for (int i = 0; i < 3200; ++i)
    blocks.push_back(this->heap.allocator->allocate(this->other, 1000));
  for (void* const p : blocks) this->heap.give(p);
  EXPECT_GE(this->heap.allocator->trim(this->heap.ctx), 2000u * 1000u);
  EXPECT_LE(this->lent(), 2 * TypeParam::Sizes::kUnitBytes) << "what its magazine holds stays";
  EXPECT_EQ(this->warm(), 0u);
  EXPECT_EQ(this->heap.allocator->purge(), 0u);
}

TYPED_TEST(Rest, TrimGivesBackWhatLiesBetweenBlocks) {
  const auto kept = this->leave_few(4096, this->heap.ctx);
  const std::size_t before = this->resident();
  const std::size_t bytes = this->heap.allocator->trim(this->heap.ctx);
  EXPECT_EQ(before - this->resident(), bytes);
  EXPECT_GT(bytes, 2000u * 4096u);
  this->expect_contents(kept, 4096);
}

TYPED_TEST(Rest, AContextInUseIsLeftAlone) {
  std::vector<void*> blocks;
  for (int i = 0; i < 3200; ++i)
    blocks.push_back(this->heap.allocator->allocate(this->other, 1000));
  for (void* const p : blocks) this->heap.give(p);
  const std::size_t lent = this->lent();
  {
    const LockGuard<TypeParam> working(this->other->lock);
    this->heap.allocator->trim(this->heap.ctx);
    EXPECT_EQ(this->lent(), lent);
  }
  this->heap.allocator->trim(this->heap.ctx);
  EXPECT_LT(this->lent(), lent / 4);
}

// A thread that frees what others allocated is a thread that frees: its next allocation looks at
// the time, and what it sent to threads that have ended is theirs no more.
TYPED_TEST(Rest, FreeingForOthersEntersItToo) {
  std::vector<void*> blocks;
  for (std::size_t i = 0; i < 3 * TypeParam::Tuning::kReleaseModeBytes / 1024; ++i) {
    blocks.push_back(this->heap.allocator->allocate(this->other, 1024));
  }
  this->heap.allocator->park_context(*this->other);
  const std::size_t lent = this->lent();
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ(this->heap.ctx->releasing(), i >= TypeParam::Tuning::kReleaseModeBytes / 1024) << i;
    this->heap.give(blocks[i]);
  }
  EXPECT_LT(this->lent(), lent / 2) << "drained without waiting for the decay time";
  this->pass(2);
  this->heap.take(16);
  EXPECT_LE(this->lent(), 2 * TypeParam::Sizes::kUnitBytes);
  EXPECT_LT(this->warm(), lent / 8);
}

}  // namespace
}  // namespace hakmem::test
