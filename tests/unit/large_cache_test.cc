// The cache of freed large blocks: what it keeps, for how long, what it hands out, and that the
// heap over it never shows a block's old contents to who asked for zeroes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/atomic.h"
#include "config/config.h"
#include "large/large_heap.h"
#include "pal/fake.h"

namespace hakmem {
namespace {

using large::Contents;
using large::Mapping;
using large::MappingCache;
using Hardened = Config<ProductionGeometry, FakePlatform, StdWorld, kHardenedMitigations>;
using Perf = Config<ProductionGeometry, FakePlatform, StdWorld, kPerfMitigations>;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kMiB = std::size_t{1} << 20;

Mapping mapping(std::uintptr_t key, std::size_t length) { return {key, length, 0, 0, 0}; }

TEST(MappingCache, GivesTheTightestLongEnoughElseTheLongest) {
  MappingCache cache;
  cache.put(mapping(0x10000, 16 * kPage), 0);
  cache.put(mapping(0x40000, 18 * kPage), 0);
  cache.put(mapping(0x80000, 17 * kPage), 0);
  EXPECT_EQ(cache.take(16 * kPage + 1, 1, kPage).key, 0x80000u);
  EXPECT_EQ(cache.take(20 * kPage, 1, kPage).key, 0x40000u);
  EXPECT_EQ(cache.take(16 * kPage, 1, kPage).key, 0x10000u);
  EXPECT_EQ(cache.count(), 0u);
  EXPECT_EQ(cache.bytes(), 0u);
}

TEST(MappingCache, LeavesAloneWhatDiffersByMoreThanAFactorOfTwo) {
  MappingCache cache;
  cache.put(mapping(0x10000, 16 * kPage), 0);
  EXPECT_EQ(cache.take(7 * kPage, 1, kPage).key, 0u);
  EXPECT_EQ(cache.take(34 * kPage, 1, kPage).key, 0u);
  EXPECT_EQ(cache.take(8 * kPage, 1, kPage).key, 0x10000u);
  cache.put(mapping(0x10000, 16 * kPage), 0);
  EXPECT_EQ(cache.take(32 * kPage, 1, kPage).key, 0x10000u);
}

TEST(MappingCache, FitsWithinAnEighth) {
  EXPECT_TRUE(MappingCache::fits(mapping(0x1000, 18 * kPage), 16 * kPage));
  EXPECT_FALSE(MappingCache::fits(mapping(0x1000, 19 * kPage), 16 * kPage));
  EXPECT_FALSE(MappingCache::fits(mapping(0x1000, 15 * kPage), 16 * kPage));
}

TEST(MappingCache, HonoursAlignment) {
  MappingCache cache;
  cache.put(mapping(0x11000, kPage), 0);
  EXPECT_EQ(cache.take(kPage, 0x2000, kPage).key, 0u);
  EXPECT_EQ(cache.take(kPage, 0x1000, kPage).key, 0x11000u);
  cache.put(mapping(0x20000, kPage), 0);
  EXPECT_EQ(cache.take(2 * kPage, 0x2000, kPage).key, 0u) << "growing could move it";
  EXPECT_EQ(cache.take(kPage, 0x2000, kPage).key, 0x20000u);
}

TEST(MappingCache, PrefersTheYoungestOfEqualOnes) {
  MappingCache cache;
  cache.put(mapping(0x1000, kPage), 0);
  cache.put(mapping(0x2000, kPage), 1);
  EXPECT_EQ(cache.take(kPage, 1, kPage).key, 0x2000u);
}

TEST(MappingCache, EvictsTheOldestForRoomOrForAge) {
  MappingCache cache;
  EXPECT_EQ(cache.make_room(MappingCache::kBytesMax, 0).key, 0u) << "nothing to evict";
  cache.put(mapping(0x1000, 32 * kMiB), 0);
  cache.put(mapping(0x2000, 30 * kMiB), 500);
  EXPECT_EQ(cache.make_room(2 * kMiB, 900).key, 0u) << "it fits exactly";
  EXPECT_EQ(cache.make_room(2 * kMiB + kPage, 900).key, 0x1000u);
  EXPECT_EQ(cache.make_room(2 * kMiB + kPage, 900).key, 0u);
  EXPECT_EQ(cache.make_room(0, 1500).key, 0u) << "not older than the limit";
  EXPECT_EQ(cache.make_room(0, 1501).key, 0x2000u);
}

TEST(MappingCache, BoundsTheNumberToo) {
  MappingCache cache;
  for (std::size_t i = 1; i <= MappingCache::kCountMax; ++i) {
    ASSERT_TRUE(cache.has_room(kPage));
    cache.put(mapping(i * kPage, kPage), 0);
  }
  EXPECT_FALSE(cache.has_room(kPage));
  EXPECT_EQ(cache.make_room(kPage, 0).key, kPage);
  EXPECT_TRUE(cache.has_room(kPage));
}

template <class C>
class LargeCache : public testing::Test {
 protected:
  LargeCache() {
    budget_.init(platform_);
    heap_.init(platform_, limit_, budget_);
  }
  ~LargeCache() override { EXPECT_EQ(platform_.foreign_calls(), 0u); }

  static constexpr std::size_t kGuards = C::kMitigations.guard_pages ? 2 * kPage : 0;

  char* take(std::size_t n, Contents contents) {
    return static_cast<char*>(heap_.allocate(n, kPage, contents));
  }
  void give(const void* p) { ASSERT_EQ(heap_.deallocate(ClientPtr(p)).fault, Fault::kNone); }

  FakePlatform platform_;
  typename C::Limit limit_;
  MappingBudget<C> budget_;
  large::LargeHeap<C> heap_;
};
using Configs = testing::Types<Hardened, Perf>;
TYPED_TEST_SUITE(LargeCache, Configs);

TYPED_TEST(LargeCache, ChurnNeedsNoNewMappings) {
  this->give(this->take(10 * kMiB, Contents::kAny));
  const std::uint64_t maps = this->platform_.calls(Call::kMap);
  for (int i = 0; i < 50; ++i) this->give(this->take(10 * kMiB - kPage * 4, Contents::kAny));
  EXPECT_EQ(this->platform_.calls(Call::kMap), maps);
  EXPECT_EQ(this->platform_.calls(Call::kUnmap), 0u);
  EXPECT_EQ(this->platform_.calls(Call::kPurge), 0u);
}

TYPED_TEST(LargeCache, AReusedBlockIsZeroForWhoAsksForZeroes) {
  for (const bool purge_works : {true, false}) {
    char* const p = this->take(2 * kMiB, Contents::kZero);
    std::memset(p, 'x', 2 * kMiB);
    this->give(p);
    if (!purge_works) this->platform_.fail_nth(Call::kPurge, 1);
    char* const q = this->take(2 * kMiB, Contents::kZero);
    ASSERT_EQ(q, p) << "from the cache";
    EXPECT_EQ(std::count(q, q + 2 * kMiB, '\0'), static_cast<long>(2 * kMiB));
    this->give(q);
  }
}

TYPED_TEST(LargeCache, AReusedBlockIsCutOrGrownToWhatIsAskedFor) {
  for (const Contents contents : {Contents::kAny, Contents::kZero}) {
    for (const std::size_t n : {6 * kMiB, 15 * kMiB}) {
      char* const p = this->take(10 * kMiB, Contents::kZero);
      std::memset(p, 'x', 10 * kMiB);
      this->give(p);
      const std::uint64_t maps = this->platform_.calls(Call::kMap);
      char* const q = this->take(n, contents);
      EXPECT_EQ(this->platform_.calls(Call::kMap), maps) << "from the cache";
      EXPECT_EQ(this->heap_.locate(ClientPtr(q)).block_size, n);
      if (contents == Contents::kZero) {
        EXPECT_EQ(std::count(q, q + n, '\0'), static_cast<long>(n));
      }
      std::memset(q, 'y', n);
      this->give(q);
      this->heap_.trim();
      EXPECT_LE(this->platform_.live_bytes(), 3 * kPage) << "the registry";
    }
  }
}

TYPED_TEST(LargeCache, ABlockThatCannotGrowIsReplaced) {
  this->give(this->take(10 * kMiB, Contents::kAny));
  this->platform_.fail_nth(Call::kRemap, 1);
  char* const q = this->take(15 * kMiB, Contents::kAny);
  ASSERT_NE(q, nullptr);
  q[15 * kMiB - 1] = 1;
  EXPECT_EQ(this->heap_.bytes_cached(), 0u);
  this->give(q);
  this->heap_.trim();
  EXPECT_LE(this->platform_.live_bytes(), 3 * kPage);
}

TYPED_TEST(LargeCache, AReusedBlockIsLiveAndFreedOneIsNot) {
  char* const p = this->take(kMiB, Contents::kAny);
  this->give(p);
  EXPECT_EQ(this->heap_.live_blocks(), 0u);
  EXPECT_EQ(this->heap_.locate(ClientPtr(p)).fault, Fault::kNotMine);
  EXPECT_EQ(this->heap_.diagnose(ClientPtr(p)).fault, Fault::kDoubleFree);
  ASSERT_EQ(this->take(kMiB, Contents::kAny), p);
  EXPECT_EQ(this->heap_.diagnose(ClientPtr(p)).fault, Fault::kNone);
  p[0] = p[kMiB - 1] = 1;
}

TYPED_TEST(LargeCache, NeverHoldsMoreThanItsBound) {
  std::vector<char*> blocks;
  for (int i = 0; i < 30; ++i) blocks.push_back(this->take(10 * kMiB, Contents::kAny));
  for (char* const p : blocks) {
    this->give(p);
    EXPECT_LE(this->heap_.bytes_cached(), MappingCache::kBytesMax);
  }
  EXPECT_GT(this->heap_.bytes_cached(), MappingCache::kBytesMax / 2);
  EXPECT_LE(this->platform_.live_bytes(), MappingCache::kBytesMax + kMiB);
}

TYPED_TEST(LargeCache, VeryLargeBlocksAreNotKept) {
  this->give(this->take(MappingCache::kBlockBytesMax + kPage, Contents::kAny));
  EXPECT_EQ(this->heap_.bytes_cached(), 0u);
}

TYPED_TEST(LargeCache, DecaysWithTime) {
  this->give(this->take(kMiB, Contents::kAny));
  this->platform_.advance_clock_ms(600);
  this->give(this->take(3 * kMiB, Contents::kAny));
  this->heap_.decay();
  EXPECT_EQ(this->heap_.bytes_cached(), 4 * kMiB + 2 * this->kGuards);
  this->platform_.advance_clock_ms(600);
  this->heap_.decay();
  EXPECT_EQ(this->heap_.bytes_cached(), 3 * kMiB + this->kGuards);
  this->platform_.advance_clock_ms(600);
  this->take(20 * kMiB, Contents::kAny);  // any large block lets time pass
  EXPECT_EQ(this->heap_.bytes_cached(), 0u);
}

TYPED_TEST(LargeCache, TrimEmptiesIt) {
  this->give(this->take(kMiB, Contents::kAny));
  EXPECT_GE(this->heap_.trim(), kMiB);
  EXPECT_EQ(this->heap_.bytes_cached(), 0u);
  EXPECT_EQ(this->heap_.trim(), 0u);
}

TYPED_TEST(LargeCache, IsGivenUpWhenTheSystemRunsOut) {
  this->give(this->take(8 * kMiB, Contents::kAny));
  this->platform_.fail_nth(Call::kMap, 1);
  EXPECT_NE(this->take(20 * kMiB, Contents::kAny), nullptr);
  EXPECT_EQ(this->heap_.bytes_cached(), 0u);
}

TEST(LargeCacheHardened, ABlockThatCannotBeHiddenOrShownIsNotKept) {
  FakePlatform platform;
  MemoryLimit<StdWorld> limit;
  MappingBudget<Hardened> budget;
  budget.init(platform);
  large::LargeHeap<Hardened> heap;
  heap.init(platform, limit, budget);
  void* const p = heap.allocate(kMiB, kPage);
  platform.fail_nth(Call::kProtect, 1);
  heap.deallocate(ClientPtr(p));
  EXPECT_EQ(heap.bytes_cached(), 0u);
  EXPECT_FALSE(platform.is_live(p, kMiB));
  heap.deallocate(ClientPtr(heap.allocate(kMiB, kPage)));
  EXPECT_EQ(heap.bytes_cached(), kMiB + 2 * kPage);
  platform.fail_nth(Call::kCommit, 1);
  char* const q = static_cast<char*>(heap.allocate(kMiB, kPage));
  ASSERT_NE(q, nullptr);
  q[0] = 1;
  EXPECT_EQ(heap.bytes_cached(), 0u);
}

}  // namespace
}  // namespace hakmem
