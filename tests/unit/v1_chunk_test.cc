// The parts of v1 by themselves: slots of a run, cells of a chunk, the chunk map.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>
#include <vector>

#include "base/atomic.h"
#include "config/config.h"
#include "pal/fake.h"
#include "v1/chunk_map.h"

namespace hakmem {
namespace {

using Production = Config<ProductionGeometry, FakePlatform, StdWorld, kHardenedMitigations>;
using Small = Config<SmallGeometry, FakePlatform, StdWorld, kHardenedMitigations>;

template <class C>
class V1Chunk : public testing::Test {
 protected:
  using Chunk = v1::Chunk<C>;
  static constexpr std::size_t kCells = v1::Layout<C>::kCells;
  static constexpr std::size_t kChunkBytes = v1::Layout<C>::kChunkBytes;
  static constexpr std::size_t kCellBytes = v1::Layout<C>::kCellBytes;
  static constexpr unsigned kOrders = v1::Layout<C>::kOrders;

  V1Chunk() {
    budget_.init(platform_);
    map_.init(platform_, limit_, budget_);
  }
  ~V1Chunk() override { EXPECT_EQ(platform_.foreign_calls(), 0u); }

  FakePlatform platform_;
  LimitOf<C> limit_;
  MappingBudget<C> budget_;
  v1::ChunkMap<C> map_;
};
using Configs = testing::Types<Production, Small>;
TYPED_TEST_SUITE(V1Chunk, Configs);

TYPED_TEST(V1Chunk, EveryBinsRunFitsItsChunkAndHoldsBlocks) {
  using L = v1::Layout<TypeParam>;
  for (const BinInfo& bin : TypeParam::Sizes::kBinTable) {
    const std::size_t run = L::kCellBytes << L::order_of(bin.block_size);
    EXPECT_LE(run, L::kChunkBytes);
    EXPECT_GE(L::slots_of(bin.block_size), 4u) << bin.block_size;
    EXPECT_LE(L::slots_of(bin.block_size) * bin.block_size, run);
    EXPECT_LE(L::slots_of(bin.block_size), L::kSlotsMax);
  }
}

// Slots come lowest first, each once, and the watermark counts those ever handed out.
TYPED_TEST(V1Chunk, ARunHandsOutEachSlotOnce) {
  auto chunk = std::make_unique<v1::Chunk<TypeParam>>();
  v1::Run<TypeParam>& run = *chunk->new_run(BinIndex(3), 0, 0);
  std::set<std::uint16_t> out;
  std::mt19937 random(11);
  std::uint16_t highest = 0;
  for (int step = 0; step < 20000; ++step) {
    if (!run.full() && (out.empty() || random() % 5 < 3)) {
      const std::uint16_t slot = run.take_slot();
      std::uint16_t lowest_free = 0;
      while (out.count(lowest_free) != 0) ++lowest_free;
      ASSERT_EQ(slot, lowest_free);
      ASSERT_LT(slot, run.slots);
      out.insert(slot);
      highest = std::max(highest, static_cast<std::uint16_t>(slot + 1));
    } else {
      auto victim = out.begin();
      std::advance(victim, random() % out.size());
      ASSERT_TRUE(run.is_set(*victim));
      run.give_slot(*victim);
      ASSERT_FALSE(run.is_set(*victim));
      out.erase(victim);
    }
    ASSERT_EQ(run.live, out.size());
    ASSERT_EQ(run.watermark, highest);
  }
  while (!run.full()) run.take_slot();
  EXPECT_EQ(run.live, run.slots);
}

TYPED_TEST(V1Chunk, FindsAlignedGroupsOfFreeCellsOnly) {
  auto chunk = std::make_unique<v1::Chunk<TypeParam>>();
  const std::uint32_t all = v1::Layout<TypeParam>::all_cells();
  for (std::uint32_t free = 0; free <= all; ++free) {
    chunk->free_cells = free;
    for (unsigned order = 0; order < this->kOrders; ++order) {
      const std::size_t width = std::size_t{1} << order;
      std::size_t expected = this->kCells;
      for (std::size_t cell = this->kCells; cell >= width; cell -= width) {
        const auto group = static_cast<std::uint32_t>((std::uint64_t{1} << width) - 1)
                           << (cell - width);
        if ((free & group) == group) expected = cell - width;
      }
      ASSERT_EQ(chunk->find_cells(order), expected) << "free " << free << " order " << order;
      ASSERT_EQ(chunk->orders_available() > order, expected != this->kCells);
    }
  }
}

TYPED_TEST(V1Chunk, CellsAreDisjointAlignedAndFoundAgain) {
  struct Group {
    v1::Chunk<TypeParam>* chunk;
    std::size_t first;
    unsigned order;
  };
  std::vector<Group> groups;
  std::set<std::uintptr_t> taken;
  std::mt19937 random(5);
  for (int step = 0; step < 4000; ++step) {
    if (groups.empty() || random() % 2 == 0) {
      const unsigned order = static_cast<unsigned>(random() % this->kOrders);
      std::size_t first = 0;
      auto* const chunk = this->map_.take_cells(order, &first);
      ASSERT_NE(chunk, nullptr);
      ASSERT_EQ(first % (std::size_t{1} << order), 0u);
      ASSERT_EQ(chunk->base % this->kChunkBytes, 0u);
      for (std::size_t i = first; i < first + (std::size_t{1} << order); ++i) {
        ASSERT_TRUE(taken.insert(chunk->base + i * this->kCellBytes).second) << "handed out twice";
      }
      groups.push_back({chunk, first, order});
    } else {
      std::swap(groups[random() % groups.size()], groups.back());
      const Group g = groups.back();
      groups.pop_back();
      for (std::size_t i = g.first; i < g.first + (std::size_t{1} << g.order); ++i) {
        taken.erase(g.chunk->base + i * this->kCellBytes);
      }
      this->map_.give_cells(g.chunk, g.first, g.order);
    }
    for (const std::uintptr_t cell : taken) {
      ASSERT_NE(this->map_.find(cell), nullptr);
      ASSERT_EQ(this->map_.find(cell + this->kCellBytes - 1), this->map_.find(cell));
    }
  }
  for (const Group& g : groups) this->map_.give_cells(g.chunk, g.first, g.order);
  EXPECT_EQ(this->map_.chunks(), 1u) << "one chunk stays warm";
  EXPECT_GE(this->map_.trim(), this->kChunkBytes);
  EXPECT_EQ(this->map_.chunks(), 0u);
}

TYPED_TEST(V1Chunk, PacksSmallGroupsIntoChunksInUse) {
  std::size_t first = 0;
  for (std::size_t i = 0; i < this->kCells; ++i) this->map_.take_cells(0, &first);
  EXPECT_EQ(this->map_.chunks(), 1u);
  this->map_.take_cells(0, &first);
  EXPECT_EQ(this->map_.chunks(), 2u);
}

TYPED_TEST(V1Chunk, TrimPurgesFreeCellsOnce) {
  std::size_t a = 0, b = 0;
  auto* const chunk = this->map_.take_cells(0, &a);
  this->map_.take_cells(0, &b);
  char* const memory = reinterpret_cast<char*>(chunk->base);
  memory[a * this->kCellBytes] = 'a';
  memory[b * this->kCellBytes] = 'b';
  this->map_.give_cells(chunk, a, 0);
  EXPECT_EQ(this->map_.trim(), this->kCellBytes);
  EXPECT_EQ(this->map_.trim(), 0u);
  EXPECT_EQ(memory[a * this->kCellBytes], 0);
  EXPECT_EQ(memory[b * this->kCellBytes], 'b');
}

// Unmapping can be refused too: the chunk then waits for its next use, without memory.
TYPED_TEST(V1Chunk, WhatCannotBeUnmappedStaysForUse) {
  using Fixture = V1Chunk<TypeParam>;
  std::size_t first = 0;
  auto* const chunk = this->map_.take_cells(0, &first);
  auto* const memory = reinterpret_cast<char*>(chunk->base + first * Fixture::kCellBytes);
  memory[0] = 1;
  this->platform_.fail_after(Call::kUnmap, 0);
  this->map_.give_cells(chunk, first, 0);
  EXPECT_EQ(this->map_.trim(), 0u);
  EXPECT_EQ(this->map_.chunks(), 1u);
  EXPECT_EQ(memory[0], 0) << "purged";
  EXPECT_EQ(this->map_.take_cells(0, &first), chunk);
  this->map_.give_cells(chunk, first, 0);
  this->platform_.stop_failing();
  this->platform_.fail_after(Call::kUnsparse, 0);
  EXPECT_GT(this->map_.trim(), 0u);
  EXPECT_EQ(this->map_.chunks(), 0u);
}

TYPED_TEST(V1Chunk, AFailedMappingLeavesNothingBehind) {
  for (const Call kind : {Call::kMap, Call::kSparse}) {
    for (std::uint64_t nth = 1; nth <= 2; ++nth) {
      FakePlatform platform;
      MemoryLimit<StdWorld> limit;
      MappingBudget<TypeParam> budget;
      budget.init(platform);
      v1::ChunkMap<TypeParam> map;
      map.init(platform, limit, budget);
      platform.fail_nth(kind, nth);
      std::size_t first = 0;
      auto* const chunk = map.take_cells(0, &first);
      const bool refused =
          kind == Call::kSparse || nth == 1;  // one map, two sparse per first chunk
      EXPECT_EQ(chunk == nullptr, refused);
      if (refused) {
        EXPECT_EQ(platform.live_bytes(), 0u) << "kind " << int(kind) << " call " << nth;
        EXPECT_NE(map.take_cells(0, &first), nullptr) << "the next attempt succeeds";
      }
    }
  }
}

}  // namespace
}  // namespace hakmem
