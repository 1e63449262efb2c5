// Memory statistics: every byte that the program holds, wherever its block is and on whichever path
// it came and went; what is active, resident, mapped, retained and metadata besides.
#include "inspect/memory_statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

template <class C>
class MemoryStatistics : public ::testing::Test {
 protected:
  using Geometry = typename C::Geometry;
  static constexpr std::size_t kUnit = std::size_t{1} << Geometry::kUnitShift;
  static constexpr std::size_t kSuperslab = C::Sizes::kSuperslabBytes;
  static constexpr std::size_t kLarge = Geometry::kBlockMax + 1;

  MemoryStats stats() {
    MemoryStats s;
    EXPECT_TRUE(MemoryCounter<C>(allocator()).run(Patience::kWaits, s));
    EXPECT_EQ(heap_.audit(), laws::kHolds);
    EXPECT_EQ(s.metadata, metadata());
    return s;
  }
  // What each box says of its records.
  std::size_t metadata() {
    Allocator<C>& a = allocator();
    const std::size_t superslab =
        C::Sizes::kUnitsPerSuperslab * sizeof(SoPage<C>) +
        C::Sizes::kEntriesPerSuperslab * sizeof(typename SoPage<C>::Entry) + sizeof(Superslab);
    return sizeof a + a.boxes().contexts.bytes_used() + a.boxes().policy.bytes_mapped() +
           a.boxes().cold.totals().committed_bytes / kSuperslab * superslab +
           a.boxes().v1.tally_locked().record_bytes + a.boxes().large.tally_locked().record_bytes;
  }
  Allocator<C>& allocator() { return *heap_.allocator; }
  std::size_t size_of(const void* p) { return allocator().locate(p).block_size; }
  void use(const PolicySnapshot& policy) {
    ASSERT_TRUE(allocator().publish_policy(heap_.ctx, policy));
  }
  PolicySnapshot v1_alone() {
    PolicySnapshot policy = default_policy();
    policy.set_v3_mask(0);
    return policy;
  }

  Heap<C> heap_;
};

using Configs = ::testing::Types<Small, SmallPerf, Full, FullPerf>;
TYPED_TEST_SUITE(MemoryStatistics, Configs);

TYPED_TEST(MemoryStatistics, OfAnUnusedHeap) {
  const MemoryStats s = this->stats();
  EXPECT_EQ(s.allocated() + s.active() + s.mapped(), 0u);
  EXPECT_EQ(s.retained, this->allocator().boxes().arena.bytes());
  EXPECT_GE(this->allocator().boxes().contexts.bytes_used(), sizeof(Context<TypeParam>));
  EXPECT_EQ(s.resident(), s.metadata);
}

// Blocks of one size come and go: what lies in the magazine is not the program's.
TYPED_TEST(MemoryStatistics, BlocksInMagazinesAreNotAllocated) {
  std::vector<void*> blocks;
  for (int i = 0; i < 11; ++i) {
    blocks.push_back(this->heap_.take(1024));
    ASSERT_EQ(this->stats().allocated(), blocks.size() * 1024);
  }
  while (!blocks.empty()) {
    this->heap_.give(blocks.back());
    blocks.pop_back();
    ASSERT_EQ(this->stats().allocated(), blocks.size() * 1024);
  }
  const MemoryStats idle = this->stats();
  EXPECT_GT(idle.small_active, 0u) << "the magazine keeps a page";
  EXPECT_EQ(idle.small_idle, 0u);
  this->allocator().trim(this->heap_.ctx);
  const MemoryStats s = this->stats();
  EXPECT_EQ(s.small_active + s.small_idle + s.small_resident, 0u);
  EXPECT_EQ(s.small_mapped, idle.small_mapped);
  EXPECT_EQ(s.small_mapped % this->kSuperslab, 0u);
  EXPECT_EQ(s.retained + s.small_mapped, this->allocator().boxes().arena.bytes());
  EXPECT_GT(s.metadata, s.small_mapped / this->kUnit * sizeof(SoPage<TypeParam>));
}

// While calls are counted the magazines are out of the hot path's sight.
TYPED_TEST(MemoryStatistics, HiddenMagazinesCountToo) {
  this->use(counting_policy());
  void* const kept = this->heap_.take(1024);
  this->heap_.give(this->heap_.take(1024));
  EXPECT_EQ(this->stats().allocated(), 1024u);
  this->heap_.give(kept);
  EXPECT_EQ(this->stats().allocated(), 0u);
}

TYPED_TEST(MemoryStatistics, EachSuperslabHasItsRecords) {
  const std::size_t before = this->stats().metadata;
  std::vector<void*> blocks;
  while (this->stats().small_mapped < 2 * this->kSuperslab) {
    blocks.push_back(this->heap_.take(TypeParam::Geometry::kBlockMax));
  }
  EXPECT_GT(this->stats().metadata, before);
  for (void* const p : blocks) this->heap_.give(p);
}

TYPED_TEST(MemoryStatistics, RetiredPagesAreIdle) {
  std::vector<void*> blocks;
  for (int i = 0; i < 2000; ++i) blocks.push_back(this->heap_.take(1024));
  for (void* const p : blocks) this->heap_.give(p);
  const ColdTotals totals = this->allocator().boxes().cold.totals();
  ASSERT_GT(totals.warm_bytes, 0u);
  const MemoryStats s = this->stats();
  EXPECT_EQ(s.small_idle, totals.warm_bytes);
  EXPECT_EQ(s.small_resident, totals.warm_bytes + totals.lent_bytes);
}

TYPED_TEST(MemoryStatistics, ATallyBeginsAnew) {
  void* const p = this->heap_.take(1024);
  MemoryStats s = this->stats();
  const std::size_t allocated = s.allocated(), metadata = s.metadata;
  EXPECT_TRUE(MemoryCounter<TypeParam>(this->allocator()).run(Patience::kWaits, s));
  EXPECT_EQ(s.allocated(), allocated);
  EXPECT_EQ(s.metadata, metadata);
  this->heap_.give(p);
}

TYPED_TEST(MemoryStatistics, ActiveAreWholePages) {
  void* const p = this->heap_.take(1024);
  const std::size_t page = std::size_t{1}
                           << TypeParam::Sizes::info(bin_of<TypeParam>(1024)).page_shift;
  EXPECT_EQ(this->stats().small_active, page);
  EXPECT_EQ(this->stats().small_resident, page);
  this->heap_.give(p);
}

// A block that another thread freed is no longer the program's, but keeps its page.
TYPED_TEST(MemoryStatistics, WhatWasGivenBackBetweenBlocksIsNeitherActiveNorResident) {
  void* const p = this->heap_.take(TypeParam::Geometry::kBlockMax);
  const MemoryStats before = this->stats();
  const std::size_t bytes = this->allocator().trim(this->heap_.ctx);
  const MemoryStats s = this->stats();
  EXPECT_EQ(s.allocated(), before.allocated());
  EXPECT_GE(bytes, this->size_of(p));
  EXPECT_EQ(before.small_active - s.small_active, bytes);
  EXPECT_EQ(before.small_resident - s.small_resident, bytes);
}

TYPED_TEST(MemoryStatistics, RemoteFreesAreNotAllocated) {
  Context<TypeParam>* const other = this->allocator().attach_context();
  void* const p = this->heap_.take(1024);
  this->allocator().deallocate(other, p);
  const MemoryStats s = this->stats();
  EXPECT_EQ(s.allocated(), 0u);
  EXPECT_GT(s.small_active, 0u);
  this->allocator().park_context(*other);
}

// Magazines of every context count, also those of a context whose thread is gone.
TYPED_TEST(MemoryStatistics, OtherContextsMagazines) {
  Context<TypeParam>* const other = this->allocator().attach_context();
  void* const p = this->allocator().allocate(other, 64);
  this->allocator().deallocate(other, this->allocator().allocate(other, 64));
  void* const q = this->heap_.take(64);
  EXPECT_EQ(this->stats().allocated(), 128u);
  this->allocator().deallocate(other, p);
  EXPECT_EQ(this->stats().allocated(), 64u);
  this->heap_.give(q);
}

TYPED_TEST(MemoryStatistics, V1) {
  this->use(this->v1_alone());
  std::vector<void*> blocks;
  std::size_t held = 0;
  for (const std::size_t n : {16u, 1000u, 1000u, 4000u}) {
    blocks.push_back(this->heap_.take(n));
    held += this->size_of(blocks.back());
    ASSERT_EQ(this->stats().small_allocated, held);
  }
  MemoryStats s = this->stats();
  EXPECT_GE(s.small_active, held);
  EXPECT_EQ(s.small_active % this->kUnit, 0u);
  EXPECT_EQ(s.small_resident, s.small_active) << "cells that were never used hold no memory";
  EXPECT_EQ(s.small_mapped % v1::Layout<TypeParam>::kChunkBytes, 0u);
  const std::size_t resident = s.small_resident;
  for (void* p : blocks) {
    held -= this->size_of(p);
    this->heap_.give(p);
    ASSERT_EQ(this->stats().small_allocated, held);
  }
  s = this->stats();
  EXPECT_EQ(s.small_active, 0u);
  EXPECT_EQ(s.small_resident, resident) << "free cells are dirty";
  this->allocator().trim(this->heap_.ctx);
  EXPECT_EQ(this->stats().small_resident, 0u);
}

// HAKMEM_TINY_C6_HOT: blocks of v1 in a magazine.
TYPED_TEST(MemoryStatistics, V1BlocksInMagazines) {
  PolicySnapshot policy = this->v1_alone();
  policy.c6_hot = true;
  this->use(policy);
  void* const kept = this->heap_.take(512);
  this->heap_.give(this->heap_.take(512));
  EXPECT_EQ(this->stats().allocated(), 512u);
  EXPECT_GT(this->stats().small_active, 0u);
  this->heap_.give(kept);
  EXPECT_EQ(this->stats().allocated(), 0u);
}

TYPED_TEST(MemoryStatistics, Large) {
  void* const p = this->heap_.take(this->kLarge);
  void* const q = this->heap_.take(3 * this->kLarge);
  MemoryStats s = this->stats();
  EXPECT_EQ(s.large_blocks, 2u);
  EXPECT_EQ(s.large_allocated, this->size_of(p) + this->size_of(q));
  EXPECT_EQ(s.active(), s.large_allocated);
  EXPECT_GE(s.large_mapped, s.large_allocated);
  EXPECT_EQ(s.large_mapped == s.large_allocated, !TypeParam::kMitigations.guard_pages);
  EXPECT_EQ(s.large_idle, 0u);
  const std::size_t mapped = s.large_mapped;
  this->heap_.give(p);
  s = this->stats();
  EXPECT_EQ(s.large_blocks, 1u);
  EXPECT_EQ(s.large_allocated, this->size_of(q));
  EXPECT_EQ(s.large_mapped, mapped) << "cached";
  EXPECT_GE(s.large_idle, this->kLarge);
  EXPECT_EQ(s.resident(), s.large_allocated + s.large_idle + s.metadata);
  this->heap_.give(q);
  this->allocator().trim(this->heap_.ctx);
  s = this->stats();
  EXPECT_EQ(s.large_mapped + s.large_idle + s.large_allocated + s.large_blocks, 0u);
}

// Freed, but the system refused to unmap it: address space that is held, without memory.
TYPED_TEST(MemoryStatistics, LargeBlocksWithUnmapPending) {
  void* const kept = this->heap_.take(this->kLarge);
  void* const p = this->heap_.take(2 * this->kLarge);
  const MemoryStats before = this->stats();
  this->allocator().boxes().platform.fail_after(Call::kUnmap, 0);
  this->heap_.give(p);
  this->allocator().trim(this->heap_.ctx);
  ASSERT_EQ(this->allocator().boxes().large.unmap_pending_blocks(), 1u);
  MemoryStats s = this->stats();
  EXPECT_EQ(s.large_blocks, 1u);
  EXPECT_EQ(s.large_allocated, this->size_of(kept));
  EXPECT_EQ(s.active(), s.large_allocated);
  EXPECT_EQ(s.large_mapped, before.large_mapped);
  EXPECT_EQ(s.large_idle, 0u);
  EXPECT_EQ(s.resident(), s.large_allocated + s.metadata);
  void* const again = this->heap_.take(2 * this->kLarge);
  EXPECT_EQ(again, p) << "the one with unmap pending serves";
  s = this->stats();
  EXPECT_EQ(s.large_blocks, 2u);
  EXPECT_EQ(s.large_allocated, before.large_allocated);
  EXPECT_EQ(s.large_mapped, before.large_mapped);
  this->heap_.give(again);
  this->allocator().trim(this->heap_.ctx);
  this->allocator().boxes().platform.stop_failing();
  this->allocator().trim(this->heap_.ctx);
  EXPECT_EQ(this->allocator().boxes().large.unmap_pending_blocks(), 0u);
  EXPECT_LT(this->stats().large_mapped, before.large_mapped);
}

TYPED_TEST(MemoryStatistics, SnapshotsOfPolicyAreMetadata) {
  const std::size_t before = this->stats().metadata;
  this->use(this->v1_alone());
  EXPECT_GE(this->stats().metadata, before + 65536);
}

// From a signal handler, say: it never waits for a lock, and gives back those it got.
TYPED_TEST(MemoryStatistics, WithoutPatienceALockIsEnough) {
  const auto hurried = [&] {
    MemoryStats s;
    return MemoryCounter<TypeParam>(this->allocator()).run(Patience::kNone, s);
  };
  EXPECT_TRUE(hurried());
  this->allocator().boxes().cold.lock();
  EXPECT_FALSE(hurried());
  this->allocator().boxes().cold.unlock();
  this->allocator().boxes().v1.lock();
  EXPECT_FALSE(hurried());
  this->allocator().boxes().v1.unlock();
  this->allocator().boxes().large.lock();
  EXPECT_FALSE(hurried());
  this->allocator().boxes().large.unlock();
  EXPECT_TRUE(hurried());
}

// Lent and resident, but nobody's: a context keeps some for its next block. In small geometry it
// enters release mode before.
using MemoryStatisticsFull = MemoryStatistics<Full>;
TEST_F(MemoryStatisticsFull, PagesWithoutABlockAreNotActive) {
  const BinInfo& info = Full::Sizes::info(bin_of<Full>(1024));
  std::vector<void*> blocks;
  for (std::size_t i = 0; i < 32u * info.capacity; ++i) blocks.push_back(heap_.take(1024));
  while (blocks.size() > 16u * info.capacity) {  // a context that holds nothing keeps no pages
    heap_.give(blocks.back());
    blocks.pop_back();
  }
  std::size_t with_block = 0, without = 0;
  allocator().boxes().cold.for_each_lent_page([&](const SoPage<Full>& page) {
    const auto is_out = [](const auto& entry) {
      return state_of_entry(entry.load_relaxed()) != SlotState::kFree;
    };
    ++(std::any_of(page.entries, page.entries + page.capacity, is_out) ? with_block : without);
  });
  ASSERT_GT(without, 0u);
  EXPECT_EQ(stats().small_active, with_block << info.page_shift);
  for (void* const p : blocks) heap_.give(p);
}

TEST(MemoryStatisticsPatiently, WaitsForEveryLock) {
  auto allocator = std::make_unique<Allocator<Watched>>();
  allocator->init(default_policy());
  const auto stats = [&] {
    MemoryStats s;
    MemoryCounter<Watched>(*allocator).run(Patience::kWaits, s);
  };
  allocator->boxes().cold.lock();
  EXPECT_TRUE(waits(stats, [&] { allocator->boxes().cold.unlock(); }));
  allocator->boxes().v1.lock();
  EXPECT_TRUE(waits(stats, [&] { allocator->boxes().v1.unlock(); }));
  allocator->boxes().large.lock();
  EXPECT_TRUE(waits(stats, [&] { allocator->boxes().large.unlock(); }));
}

// No address space for the arena: v1 and large serve alone.
TEST(MemoryStatisticsWithoutArena, HoldsItsBlocks) {
  auto allocator = std::make_unique<Allocator<Small>>();
  allocator->boxes().platform.fail_after(Call::kReserve, 0);
  allocator->init(default_policy());
  allocator->boxes().platform.stop_failing();
  void* const p = allocator->allocate_slow(nullptr, 1000);
  ASSERT_NE(p, nullptr);
  MemoryStats s;
  MemoryCounter<Small>(*allocator).run(Patience::kWaits, s);
  EXPECT_EQ(s.allocated(), 1024u);
  EXPECT_EQ(s.retained, 0u);
  EXPECT_EQ(audit(*allocator), laws::kHolds);
  allocator->deallocate_slow(nullptr, p, "free");
}

}  // namespace
}  // namespace hakmem::test
