// The memory limit through a whole allocator: what is charged when, what a refusal leaves behind,
// and that above the soft limit nothing free is kept by any heap.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

constexpr std::size_t kNone = LimitBytes::kNone;

PolicySnapshot all_on_v1() {
  PolicySnapshot policy = default_policy();
  policy.set_v3_mask(0);
  return policy;
}

template <class C>
class Limits : public ::testing::Test {
 protected:
  static constexpr std::size_t kBlock = C::Geometry::kBlockMax;  // the largest of v3
  static constexpr std::size_t kPage = std::size_t{1}
                                       << C::Sizes::kBinTable[C::Sizes::kBins - 1].page_shift;
  static constexpr std::size_t kChunk = v1::Layout<C>::kChunkBytes;
  static constexpr std::size_t kLarge = 2 * kBlock;

  Allocator<C>& a() { return *heap_.allocator; }
  std::size_t held() { return a().boxes().limit.held(); }
  std::size_t held_by(Holder holder) { return a().boxes().limit.held_by(holder); }
  void set(std::size_t soft, std::size_t hard) { a().set_limit({soft, hard}); }

  std::vector<void*> take_all(std::size_t bytes) {
    std::vector<void*> blocks;
    for (void* p; (p = heap_.take(bytes)) != nullptr;) blocks.push_back(p);
    return blocks;
  }
  void give_all(const std::vector<void*>& blocks) {
    for (void* p : blocks) heap_.give(p);
  }
  void expect_laws() { EXPECT_EQ(heap_.audit(), nullptr); }

  Heap<C> heap_;
};
using Configs = ::testing::Types<Small, SmallPerf, Full>;
TYPED_TEST_SUITE(Limits, Configs);

TYPED_TEST(Limits, APageIsChargedFromLentToPurged) {
  void* const p = this->heap_.take(this->kBlock);
  EXPECT_EQ(this->held_by(Holder::kPages), this->kPage);
  this->heap_.give(p);
  this->heap_.allocator->park_context(*this->heap_.ctx);  // the page goes back, warm
  EXPECT_EQ(this->a().boxes().cold.totals().warm_bytes, this->kPage);
  EXPECT_EQ(this->held(), this->kPage);
  this->heap_.ctx = this->a().attach_context();
  this->heap_.take(this->kBlock);  // lent again: it is not charged twice
  EXPECT_EQ(this->a().boxes().cold.totals().warm_bytes, 0u);
  EXPECT_EQ(this->held(), this->kPage);
  this->a().park_context(*this->heap_.ctx);
  this->heap_.ctx = this->a().attach_context();
  this->expect_laws();
}

TYPED_TEST(Limits, DecayRefunds) {
  PolicySnapshot policy = default_policy();
  for (ClassPolicy& c : policy.classes) c.warm_cap = 0;
  this->a().publish_policy(this->heap_.ctx, policy);
  this->heap_.give(this->heap_.take(this->kBlock));
  this->a().park_context(*this->heap_.ctx);
  this->heap_.ctx = this->a().attach_context();
  ASSERT_EQ(this->held(), this->kPage);
  this->heap_.platform().advance_clock_ms(1000);
  age(this->a().boxes().cold);
  EXPECT_EQ(this->held(), 0u);
  this->expect_laws();
}

TYPED_TEST(Limits, TheHardOneIsNeverExceededAndEveryHeapIsRefused) {
  for (const std::size_t bytes : {this->kBlock, std::size_t{100}, this->kLarge}) {
    this->set(kNone, 3 * this->kChunk + this->kPage);
    const std::vector<void*> blocks = this->take_all(bytes);
    EXPECT_FALSE(blocks.empty());
    EXPECT_LE(this->held(), 3 * this->kChunk + this->kPage);
    EXPECT_EQ(this->heap_.take(3 * this->kChunk + this->kPage - this->held() + 1), nullptr);
    this->expect_laws();
    this->give_all(blocks);
    this->a().trim(this->heap_.ctx);
    EXPECT_EQ(this->held(), 0u);
    const std::vector<void*> again = this->take_all(bytes);
    EXPECT_EQ(again.size(), blocks.size()) << "what was given back can be had again";
    this->give_all(again);
    this->set(kNone, kNone);
    this->a().trim(this->heap_.ctx);
    this->expect_laws();
  }
  EXPECT_GT(this->a().boxes().limit.refusals(Holder::kPages), 0u);
  EXPECT_GT(this->a().boxes().limit.refusals(Holder::kChunks), 0u);
  EXPECT_GT(this->a().boxes().limit.refusals(Holder::kMappings), 0u);
}

TYPED_TEST(Limits, APageThatJustFitsIsLentOneByteLessIsNot) {
  this->set(kNone, this->kPage);
  void* const p = this->heap_.take(this->kBlock);
  ASSERT_NE(p, nullptr);
  EXPECT_NE(this->a().boxes().arena.so_page_of(ClientPtr(p)), nullptr);
  this->heap_.give(p);
  this->a().trim(this->heap_.ctx);
  ASSERT_EQ(this->held(), 0u);
  this->set(kNone, this->kPage - 1);
  void* const q = this->heap_.take(this->kBlock);
  EXPECT_EQ(this->held_by(Holder::kPages), 0u);
  EXPECT_EQ(this->a().boxes().arena.so_page_of(ClientPtr(q)), nullptr)
      << "if any, v1's, which fits";
}

TYPED_TEST(Limits, AboveTheSoftOneAReturnedPageIsPurgedAtOnce) {
  this->set(this->kPage, kNone);
  void* const p = this->heap_.take(this->kBlock);
  std::vector<void*> more;
  while (this->held() <= this->kPage) more.push_back(this->heap_.take(this->kBlock));
  const std::uint64_t purges = this->heap_.platform().calls(Call::kPurge);
  this->give_all(more);
  this->heap_.give(p);
  this->a().park_context(*this->heap_.ctx);
  EXPECT_GT(this->heap_.platform().calls(Call::kPurge), purges);
  EXPECT_LE(this->held(), this->kPage) << "purged until the limit is met; then one may stay warm";
  this->heap_.ctx = this->a().attach_context();
  this->expect_laws();
}

TYPED_TEST(Limits, TheBorrowThatWouldCrossTheSoftOneCoolsTheBoxFirst) {
  void* const small = this->heap_.take(16);
  // A warm page in a superslab that is in use, so that nobody takes it over.
  Context<TypeParam>* const second = this->a().attach_context();
  void* const kept = this->a().allocate(second, 100);
  this->heap_.give(this->heap_.take(100));
  this->a().park_context(*this->heap_.ctx);
  this->heap_.ctx = this->a().attach_context();
  const std::size_t warm = this->a().boxes().cold.totals().warm_bytes;
  ASSERT_GT(warm, 0u);
  this->set(this->held(), kNone);
  EXPECT_EQ(this->a().boxes().cold.totals().warm_bytes, warm) << "at the limit is not above it";
  this->heap_.take(64);  // needs a page of another bin
  EXPECT_EQ(this->a().boxes().cold.totals().warm_bytes, 0u);
  this->heap_.give(small);
  this->a().deallocate(second, kept);
  this->expect_laws();
}

TYPED_TEST(Limits, AThreadWhoseMagazineOverflowsAboveTheSoftOneKeepsNothing) {
  for (const bool crowded : {false, true}) {
    if (crowded) this->a().boxes().limit.set({1, kNone});
    std::vector<void*> blocks;
    for (std::size_t i = 0; i <= this->heap_.magazine_of(100).capacity(); ++i) {
      blocks.push_back(this->heap_.take(100));
    }
    this->a().trim(this->heap_.ctx);  // the magazine is empty
    void* const last = blocks.back();
    blocks.pop_back();
    this->give_all(blocks);
    EXPECT_FALSE(this->heap_.ctx->releasing()) << "it is full, no more";
    this->heap_.give(last);
    EXPECT_EQ(this->heap_.ctx->releasing(), crowded);
    EXPECT_EQ(this->held() == 0, crowded);
  }
  this->expect_laws();
}

TYPED_TEST(Limits, ALargeBlockIsCachedBelowTheSoftOneOnly) {
  void* const p = this->heap_.take(this->kLarge);
  void* const q = this->heap_.take(this->kLarge);
  EXPECT_EQ(this->held_by(Holder::kMappings), 2 * this->kLarge);
  this->heap_.give(p);
  EXPECT_EQ(this->held_by(Holder::kMappings), 2 * this->kLarge) << "cached";
  this->set(2 * this->kLarge - 1, kNone);
  EXPECT_EQ(this->held_by(Holder::kMappings), this->kLarge) << "too much, and free";
  this->set(this->kLarge - 1, kNone);
  this->heap_.give(q);
  EXPECT_EQ(this->a().boxes().large.bytes_cached(), 0u);
  EXPECT_EQ(this->held(), 0u);
  this->expect_laws();
}

TYPED_TEST(Limits, ABorrowBelowItDropsNothing) {
  this->heap_.give(this->heap_.take(this->kLarge));
  const std::size_t cached = this->a().boxes().large.bytes_cached();
  ASSERT_GT(cached, 0u);
  this->heap_.take(this->kBlock);
  EXPECT_EQ(this->a().boxes().large.bytes_cached(), cached);
  this->expect_laws();
}

TYPED_TEST(Limits, ABorrowAboveTheSoftOneDropsCachedMappingsAndTheWarmChunk) {
  std::vector<void*> blocks;  // of v1, in two chunks
  while (this->held_by(Holder::kChunks) < 2 * this->kChunk) {
    blocks.push_back(this->a().boxes().v1.allocate(bin_of<TypeParam>(this->kBlock)));
  }
  for (void* p : blocks) this->a().boxes().v1.deallocate(ClientPtr(p));
  ASSERT_EQ(this->held_by(Holder::kChunks), 2 * this->kChunk) << "the bin's last run, and warm";
  this->heap_.give(this->heap_.take(this->kLarge));
  ASSERT_GT(this->a().boxes().large.bytes_cached(), 0u);
  this->a().boxes().limit.set({this->held(), kNone});
  this->heap_.take(this->kBlock);
  EXPECT_EQ(this->a().boxes().large.bytes_cached(), 0u);
  EXPECT_EQ(this->held_by(Holder::kChunks), this->kChunk);
  this->expect_laws();
}

TYPED_TEST(Limits, V1KeepsNoEmptyRunNoFreeCellAndNoChunkAboveTheSoftOne) {
  Heap<TypeParam> heap(all_on_v1());
  auto& limit = heap.allocator->boxes().limit;
  void* const first = heap.take(this->kBlock / 2);
  void* const second = heap.take(16);
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  const std::size_t held = limit.held();
  limit.set({1, kNone});
  const std::uint64_t purges = heap.platform().calls(Call::kPurge);
  heap.give(second);
  heap.give(first);
  EXPECT_EQ(limit.held(), 0u);
  // Two blocks in two chunks, or the first free purged the cells that it left in a shared one.
  EXPECT_TRUE(held > this->kChunk || heap.platform().calls(Call::kPurge) > purges);
  EXPECT_EQ(heap.audit(), nullptr);
}

TYPED_TEST(Limits, WhatTheSystemRefusesIsNotCharged) {
  FakePlatform& platform = this->heap_.platform();
  platform.fail_after(Call::kCommit, 0);
  platform.fail_after(Call::kMap, 0);
  EXPECT_EQ(this->heap_.take(this->kBlock), nullptr);
  EXPECT_EQ(this->heap_.take(this->kLarge), nullptr);
  EXPECT_EQ(this->held(), 0u);
  platform.stop_failing();
  platform.fail_after(Call::kSparse, 0);  // a chunk's records
  EXPECT_EQ(this->a().boxes().v1.allocate(bin_of<TypeParam>(16)), nullptr);
  EXPECT_EQ(this->held(), 0u);
  platform.stop_failing();
  void* const p = this->heap_.take(this->kLarge);
  platform.fail_after(Call::kRemap, 0);
  platform.fail_after(Call::kMap, 0);
  EXPECT_EQ(this->a().reallocate(this->heap_.ctx, p, 4 * this->kLarge), nullptr);
  EXPECT_EQ(this->held(), this->kLarge);
  platform.stop_failing();
  this->heap_.give(p);
  this->expect_laws();
}

TYPED_TEST(Limits, ALargeBlockIsChargedForItsLengthAsItGrowsAndShrinks) {
  auto* p = static_cast<char*>(this->heap_.take(this->kLarge));
  std::memset(p, 7, this->kLarge);
  this->set(kNone, 3 * this->kLarge);
  EXPECT_EQ(this->a().reallocate(this->heap_.ctx, p, 4 * this->kLarge), nullptr);
  EXPECT_EQ(this->held(), this->kLarge);
  EXPECT_EQ(p[this->kLarge - 1], 7) << "the block is as it was";
  p = static_cast<char*>(this->a().reallocate(this->heap_.ctx, p, 3 * this->kLarge));
  ASSERT_NE(p, nullptr) << "half as much again would be too much, not the rest";
  EXPECT_EQ(this->held(), 3 * this->kLarge);
  EXPECT_EQ(p[this->kLarge - 1], 7);
  p = static_cast<char*>(this->a().reallocate(this->heap_.ctx, p, this->kLarge));
  EXPECT_GT(this->held(), this->kLarge) << "what was cut off is kept";
  this->a().boxes().large.trim();
  EXPECT_EQ(this->held(), this->kLarge);
  this->heap_.give(p);
  this->expect_laws();
}

TYPED_TEST(Limits, CachedMappingsGoBeforeALargeBlockIsRefused) {
  void* const p = this->heap_.take(this->kLarge);
  this->heap_.give(p);
  ASSERT_GT(this->a().boxes().large.bytes_cached(), 0u);
  this->a().boxes().limit.set({kNone, 4 * this->kLarge});
  void* const q = this->heap_.take(4 * this->kLarge);
  EXPECT_NE(q, nullptr);
  EXPECT_EQ(this->held(), 4 * this->kLarge);
  this->heap_.give(q);
}

// ---- giving back on request

TYPED_TEST(Limits, PurgeLeavesThisThreadsCachesAloneTrimDoesNot) {
  void* const p = this->heap_.take(100);
  void* const large = this->heap_.take(this->kLarge);
  this->heap_.give(p);
  this->heap_.give(large);
  const std::size_t cached = this->heap_.magazine_of(100).size();
  ASSERT_GT(cached, 0u);
  EXPECT_GE(this->a().purge(), this->kLarge);
  EXPECT_EQ(this->heap_.magazine_of(100).size(), cached);
  EXPECT_EQ(this->a().purge(), 0u) << "nothing is left for a second one";
  EXPECT_GT(this->held(), 0u);
  EXPECT_GT(this->a().trim(this->heap_.ctx), 0u);
  EXPECT_EQ(this->heap_.magazine_of(100).size(), 0u);
  EXPECT_EQ(this->held(), 0u);
  EXPECT_EQ(this->a().trim(this->heap_.ctx), 0u);
  this->expect_laws();
}

// The thread has exited; its block is freed by another; nobody else will look after the page.
TYPED_TEST(Limits, PurgeTakesWhatWasFreedToAnExitedThread) {
  Context<TypeParam>* const gone = this->a().attach_context();
  void* const p = this->a().allocate(gone, this->kBlock);
  this->a().park_context(*gone);
  this->heap_.give(p);
  EXPECT_EQ(this->held(), this->kPage);
  EXPECT_EQ(this->a().purge(), this->kPage);
  EXPECT_EQ(this->held(), 0u);
  this->expect_laws();
}

TYPED_TEST(Limits, TrimAndPurgeCountPagesThatWentBackOnTheirWay) {
  Context<TypeParam>* const gone = this->a().attach_context();
  void* const theirs = this->a().allocate(gone, this->kBlock);
  this->a().park_context(*gone);
  void* const mine = this->heap_.take(this->kBlock);
  this->heap_.give(mine);
  this->heap_.give(theirs);
  this->a().boxes().limit.set({1, kNone});
  const std::size_t bytes = this->a().purge();
  const std::size_t beside_mine = this->heap_.page_of(mine).purged.load_relaxed() * 4096;
  EXPECT_GT(beside_mine, 0u);
  EXPECT_EQ(bytes, this->kPage + beside_mine)
      << "the page of `theirs`, when the exited thread was looked after";
  EXPECT_EQ(this->held(), this->kPage);
  EXPECT_EQ(this->a().trim(this->heap_.ctx), this->kPage);
  EXPECT_EQ(this->held(), 0u);
}

// ---- blocks that could not shrink

TYPED_TEST(Limits, ABlockThatCouldNotShrinkMayBeFreedWithTheSizeAskedFor) {
  void* const p = this->heap_.take(this->kBlock);
  const BlockView view = this->a().locate(p);
  EXPECT_FALSE(this->a().size_fits(view, 1, 32, SizeRule::kMayBeShrunk));
  this->set(kNone, this->held());
  ASSERT_EQ(this->a().reallocate(this->heap_.ctx, p, 32), p) << "no memory for a smaller one";
  EXPECT_TRUE(this->a().size_fits(view, 1, 32, SizeRule::kMayBeShrunk));
  EXPECT_TRUE(this->a().size_fits(view, 1, 0, SizeRule::kMayBeShrunk));
  EXPECT_FALSE(this->a().size_fits(view, 1, this->kBlock + 1, SizeRule::kMayBeShrunk));
  EXPECT_FALSE(this->a().size_fits(view, 1, 32, SizeRule::kAllocated)) << "delete is not realloc's";
  this->heap_.give(p);
}

TYPED_TEST(Limits, AReallocThatFindsNoMemoryToGrowChangesNoRule) {
  void* const p = this->heap_.take(32);
  this->set(kNone, this->held());
  EXPECT_EQ(this->a().reallocate(this->heap_.ctx, p, this->kLarge), nullptr);
  const BlockView view = this->a().locate(p);
  EXPECT_FALSE(this->a().size_fits(view, 1, 1, SizeRule::kMayBeShrunk));
  this->heap_.give(p);
}

}  // namespace
}  // namespace hakmem::test
