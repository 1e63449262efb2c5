// Freed large blocks kept for another use: which one is taken, what is joined, how much is kept and
// for how long, and that no block's old contents are shown to who asked for zeroes.
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
using large::Extent;
using Hardened = Config<ProductionGeometry, FakePlatform, StdWorld, kHardenedMitigations>;
using Perf = Config<ProductionGeometry, FakePlatform, StdWorld, kPerfMitigations>;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kMiB = std::size_t{1} << 20;

using Map = large::ExtentMap<FakePlatform>;

Extent free_extent(std::uintptr_t key, std::size_t length, std::uint64_t freed_ms = 0) {
  Extent e;
  e.key = key;
  e.length = e.charged = length;
  e.freed_ms = freed_ms;
  e.use = large::Use::kFree;
  e.unjoined = true;
  return e;
}

class ExtentMap : public testing::Test {
 protected:
  ExtentMap() { map_.init(platform_); }
  std::uintptr_t best(std::size_t length, std::size_t alignment = 1) {
    std::uintptr_t at = 0;
    return map_.best_fit(length, alignment, &at) == nullptr ? 0 : at;
  }
  FakePlatform platform_;
  Map map_;
};

TEST_F(ExtentMap, GivesTheTightestThatIsLongEnough) {
  for (const std::size_t pages : {16u, 18u, 17u, 400u}) {
    ASSERT_TRUE(map_.insert(free_extent(pages << 24, pages * kPage)));
  }
  EXPECT_EQ(best(16 * kPage), std::uintptr_t{16} << 24);
  EXPECT_EQ(best(17 * kPage), std::uintptr_t{17} << 24);
  EXPECT_EQ(best(19 * kPage), std::uintptr_t{400} << 24);
  EXPECT_EQ(best(401 * kPage), 0u);
  map_.remove(map_.find(std::uintptr_t{400} << 24));
  EXPECT_EQ(best(19 * kPage), 0u);
  EXPECT_EQ(map_.free_bytes(), 51 * kPage);
}

TEST_F(ExtentMap, HonoursAlignment) {
  ASSERT_TRUE(map_.insert(free_extent(0x11000, 2 * kPage)));
  EXPECT_EQ(best(kPage, 0x2000), 0x12000u);
  EXPECT_EQ(best(2 * kPage, 0x2000), 0u);
  EXPECT_EQ(best(kPage, std::size_t{1} << 63), 0u);
}

TEST_F(ExtentMap, JoinsOnlyWhatIsFreeAndTouches) {
  Extent live = free_extent(0x13000, kPage);
  live.use = large::Use::kBlock;
  ASSERT_TRUE(map_.insert(free_extent(0x10000, kPage)));
  ASSERT_TRUE(map_.insert(free_extent(0x12000, kPage)));
  ASSERT_TRUE(map_.insert(live));
  ASSERT_TRUE(map_.insert(free_extent(0x11000, kPage)));
  ASSERT_TRUE(map_.insert(free_extent(0x14000, kPage)));
  std::size_t guards = 0;
  EXPECT_EQ(map_.join(&guards), 2u);
  EXPECT_EQ(map_.join(&guards), 0u);
  EXPECT_EQ(best(3 * kPage), 0x10000u);
  EXPECT_EQ(map_.count(), 3u);
  map_.change_use(map_.find(0x13000), large::Use::kFree);
  EXPECT_EQ(map_.join(&guards), 2u);
  EXPECT_EQ(best(5 * kPage), 0x10000u);
}

TEST_F(ExtentMap, TheOldestIsThatWhichWasFreedFirst) {
  ASSERT_TRUE(map_.insert(free_extent(0x10000, kPage, 5)));
  ASSERT_TRUE(map_.insert(free_extent(0x20000, kPage, 9)));
  ASSERT_TRUE(map_.insert(free_extent(0x30000, kPage, 7)));
  for (const std::uintptr_t key : {0x10000u, 0x30000u, 0x20000u}) {
    ASSERT_EQ(map_.oldest()->key, key);
    map_.remove(map_.oldest());
  }
  EXPECT_EQ(map_.oldest(), nullptr);
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
  LimitOf<C> limit_;
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
  for (const Call call :
       {Call::kUnmap, Call::kPurge, Call::kProtect, Call::kCommit, Call::kUnguard, Call::kRemap}) {
    EXPECT_EQ(this->platform_.calls(call), 0u) << static_cast<int>(call);
  }
  EXPECT_EQ(this->platform_.calls(Call::kGuard), this->kGuards / kPage) << "those of the first";
}

TYPED_TEST(LargeCache, AReusedBlockIsZeroForWhoAsksForZeroes) {
  for (const bool purge_works : {true, false}) {
    char* const p = this->take(4 * kMiB, Contents::kZero);
    std::memset(p, 'x', 4 * kMiB);
    this->give(p);
    if (!purge_works) this->platform_.fail_nth(Call::kPurge, 1);
    char* const q = this->take(4 * kMiB, Contents::kZero);
    ASSERT_EQ(q, p) << "from the cache";
    EXPECT_EQ(std::count(q, q + 4 * kMiB, '\0'), static_cast<long>(4 * kMiB));
    this->give(q);
  }
}

TYPED_TEST(LargeCache, AReusedBlockIsCutToWhatIsAskedFor) {
  for (const Contents contents : {Contents::kAny, Contents::kZero}) {
    for (const std::size_t n : {6 * kMiB, 9 * kMiB}) {
      char* const p = this->take(10 * kMiB, Contents::kZero);
      std::memset(p, 'x', 10 * kMiB);
      this->give(p);
      const std::uint64_t maps = this->platform_.calls(Call::kMap);
      char* const q = this->take(n, contents);
      EXPECT_EQ(this->platform_.calls(Call::kMap), maps) << "from the cache";
      EXPECT_LE(this->heap_.locate(ClientPtr(q)).block_size, n + n / 8);
      if (contents == Contents::kZero) {
        EXPECT_EQ(std::count(q, q + n, '\0'), static_cast<long>(n));
      }
      std::memset(q, 'y', n);
      this->give(q);
      this->heap_.trim();
      EXPECT_LE(this->platform_.live_bytes(), 8 * kPage) << "the registry";
    }
  }
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

TYPED_TEST(LargeCache, GivesBackWithTheFreeThatMakesItMuch) {
  constexpr std::size_t kKeepMin = large::LargeHeap<TypeParam>::kKeepMin;
  std::vector<char*> blocks;
  for (int i = 0; i < 30; ++i) blocks.push_back(this->take(10 * kMiB, Contents::kAny));
  for (char* block : blocks) {
    this->give(block);
    EXPECT_LE(this->heap_.bytes_cached(), kKeepMin);
  }
  EXPECT_GT(this->heap_.bytes_cached(), kKeepMin - 10 * kMiB - 1);
}

// The system calls of a loop stop; half a second later the loop is no longer believed in.
TYPED_TEST(LargeCache, KeepsWhatWasMissed) {
  constexpr std::size_t kKeepMin = large::LargeHeap<TypeParam>::kKeepMin;
  std::vector<char*> blocks;
  for (int i = 0; i < 30; ++i) blocks.push_back(this->take(10 * kMiB, Contents::kAny));
  for (int i = 0; i < 20; ++i) this->give(blocks[static_cast<std::size_t>(i)]);
  EXPECT_LE(this->heap_.bytes_cached(), kKeepMin);
  for (int k = 0; k < 3; ++k) {
    for (int i = 0; i < 20; ++i)
      blocks[static_cast<std::size_t>(i)] = this->take(10 * kMiB, Contents::kAny);
    for (int i = 0; i < 20; ++i) this->give(blocks[static_cast<std::size_t>(i)]);
    EXPECT_EQ(this->heap_.bytes_cached(), 200 * kMiB);
  }
  this->platform_.advance_clock_ms(2100);
  for (int i = 20; i < 30; ++i) this->give(blocks[static_cast<std::size_t>(i)]);
  EXPECT_LE(this->heap_.bytes_cached(), 100 * kMiB);  // by age
  for (int k = 0; k < 10; ++k) {
    this->platform_.advance_clock_ms(5000);
    this->give(this->take(kMiB, Contents::kAny));
  }
  for (int i = 0; i < 20; ++i)
    blocks[static_cast<std::size_t>(i)] = this->take(10 * kMiB, Contents::kAny);
  for (int i = 0; i < 20; ++i) this->give(blocks[static_cast<std::size_t>(i)]);
  EXPECT_LE(this->heap_.bytes_cached(), kKeepMin + kMiB);
}

TYPED_TEST(LargeCache, OneThatIsLargerThanAllIsKeptWhenItIsMissed) {
  this->give(this->take(200 * kMiB, Contents::kAny));
  EXPECT_EQ(this->heap_.bytes_cached(), 0u);
  this->give(this->take(200 * kMiB, Contents::kAny));
  EXPECT_EQ(this->heap_.bytes_cached(), 200 * kMiB);
}

TYPED_TEST(LargeCache, DecaysWithTime) {
  this->give(this->take(kMiB, Contents::kAny));
  this->platform_.advance_clock_ms(300);
  this->give(this->take(3 * kMiB, Contents::kAny));
  this->heap_.decay();
  EXPECT_EQ(this->heap_.bytes_cached(), 4 * kMiB);
  this->platform_.advance_clock_ms(300);
  this->heap_.decay();
  EXPECT_EQ(this->heap_.bytes_cached(), 3 * kMiB);
  this->platform_.advance_clock_ms(300);
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

}  // namespace
}  // namespace hakmem
