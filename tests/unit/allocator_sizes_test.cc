// Where one size ends and the next begins: which sizes a block may be freed with, when realloc
// leaves a block where it is and what it asks for, which heap serves an alignment.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <memory>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

constexpr std::size_t kKiB = 1024, kMiB = 1024 * 1024;
constexpr std::size_t kBlockMax = ProductionGeometry::kBlockMax;

class SizesOf : public ::testing::Test {
 protected:
  bool fits(std::size_t block_size, std::size_t alignment, std::size_t n, SizeRule rule) {
    BlockView view;
    view.block_size = block_size;
    return heap.allocator->size_fits(view, alignment, n, rule);
  }
  bool allocated(std::size_t block, std::size_t n) {
    return fits(block, 1, n, SizeRule::kAllocated);
  }
  bool shrunk(std::size_t block, std::size_t n) {
    return fits(block, 1, n, SizeRule::kMayBeShrunk);
  }
  void* aligned(std::size_t alignment, std::size_t n) {
    return heap.allocator->allocate_aligned(heap.ctx, alignment, n);
  }
  void* resized(void* p, std::size_t n) { return heap.allocator->reallocate(heap.ctx, p, n); }
  BlockView view(const void* p) { return heap.allocator->locate(p); }

  Heap<Full> heap;
};

TEST_F(SizesOf, ASmallBlockMustHaveTheSizeThatItsBinServes) {
  EXPECT_TRUE(allocated(112, 112) && allocated(112, 97));
  EXPECT_FALSE(allocated(112, 113) || allocated(112, 96) || allocated(128, 112));
  EXPECT_TRUE(fits(128, 64, 100, SizeRule::kAllocated)) << "64 does not divide 112";
  EXPECT_FALSE(fits(112, 64, 100, SizeRule::kAllocated));
  for (const std::size_t less_than_any : {0u, 1u, 8u}) {
    EXPECT_TRUE(fits(112, less_than_any, 100, SizeRule::kAllocated));
  }
}

TEST_F(SizesOf, NothingIsShrunkBeforeAReallocHasDoneSo) {
  const auto not_yet = [&] {
    return !shrunk(1024, 512) && !shrunk(1024, 896);
  };
  EXPECT_TRUE(shrunk(1024, 1000) && not_yet());
  resized(heap.take(1024), 900);  // the same bin
  resized(heap.take(1024), 100);  // moves
  EXPECT_TRUE(not_yet());
  resized(heap.take(1024), 896);
  EXPECT_TRUE(shrunk(1024, 512));
}

TEST_F(SizesOf, ABlockThatGotRoomToGrowHasMoreToo) {
  resized(heap.take(8192), 8193);
  EXPECT_TRUE(shrunk(12288, 8193));
}

TEST_F(SizesOf, ReallocMayHaveLeftHalfInASmallBlock) {
  resized(heap.take(1024), 600);
  EXPECT_TRUE(shrunk(1024, 512));
  EXPECT_FALSE(shrunk(1024, 511) || allocated(1024, 512));
  EXPECT_TRUE(shrunk(kBlockMax, kBlockMax / 2));
  EXPECT_FALSE(shrunk(kBlockMax, kBlockMax / 2 - 1));
}

TEST_F(SizesOf, ALargeBlockMustHaveThePagesThatWereAskedFor) {
  for (const SizeRule rule : {SizeRule::kAllocated, SizeRule::kMayBeShrunk}) {
    void* p = heap.take(kMiB + 1);
    const auto page_fits = [&](std::size_t n) {
      return heap.allocator->size_fits(view(p), 1, n, rule);
    };
    EXPECT_TRUE(page_fits(kMiB + 1) && page_fits(kMiB + 4096));
    EXPECT_FALSE(page_fits(kMiB) || page_fits(kMiB + 4097));
    p = resized(p, 900 * kKiB);
    EXPECT_TRUE(page_fits(900 * kKiB)) << "it stayed, but knows";
    EXPECT_FALSE(page_fits(kMiB + 1) || page_fits(896 * kKiB));
    p = resized(p, 2 * kMiB);
    EXPECT_TRUE(page_fits(2 * kMiB));
    EXPECT_FALSE(page_fits(view(p).block_size)) << "its room was not asked for";
    heap.give(p);
  }
  void* const small = aligned(kMiB, 100);
  EXPECT_TRUE(heap.allocator->size_fits(view(small), kMiB, 100, SizeRule::kAllocated));
  EXPECT_FALSE(heap.allocator->size_fits(view(small), kMiB, 4097, SizeRule::kAllocated));
}

// The system will not cut anything off, nor is there memory for a record of the rest.
TEST_F(SizesOf, ALargeBlockThatCouldNotShrinkKnowsTheSizeAllTheSame) {
  void* const p = heap.take(4 * kMiB);
  for (const Call call : {Call::kUnmap, Call::kSparse, Call::kMap, Call::kGuard, Call::kProtect}) {
    heap.platform().fail_after(call, 0);
  }
  ASSERT_EQ(resized(p, kMiB), p);
  EXPECT_TRUE(heap.allocator->size_fits(view(p), 1, kMiB, SizeRule::kMayBeShrunk));
  EXPECT_FALSE(heap.allocator->size_fits(view(p), 1, 2 * kMiB, SizeRule::kMayBeShrunk));
}

TEST_F(SizesOf, ASmallBlockThatGrowsByLittleGetsHalfAsMuchAgain) {
  void* p = resized(heap.take(8192), 8193);
  EXPECT_EQ(view(p).block_size, 12288u);
  EXPECT_EQ(resized(p, 12288), p);
  EXPECT_EQ(view(resized(heap.take(8192), 12289)).block_size, 14336u) << "by more than half";
  EXPECT_LT(view(resized(heap.take(2048), 2049)).block_size, 3000u) << "it is small";
  p = resized(heap.take(kBlockMax - 40 * kKiB), kBlockMax - kKiB);
  EXPECT_EQ(view(p).block_size, kBlockMax) << "no large block yet";
  p = resized(p, kBlockMax + 1);
  EXPECT_EQ(view(p).block_size, kBlockMax + kBlockMax / 2);
}

TEST_F(SizesOf, ReallocLeavesASmallBlockThatIsHalfUsed) {
  void* const p = heap.take(1024);
  EXPECT_EQ(resized(p, 1024), p);
  EXPECT_EQ(resized(p, 512), p);
  void* const moved = resized(p, 511);
  EXPECT_NE(moved, p);
  EXPECT_EQ(view(moved).block_size, 512u);
  void* const tiny = heap.take(16);
  EXPECT_EQ(resized(tiny, 1), tiny) << "no smaller block";
  void* const most = heap.take(kBlockMax);
  EXPECT_EQ(resized(most, kBlockMax - 1), most);
  EXPECT_NE(resized(most, kBlockMax + 1), most);
}

TEST_F(SizesOf, AGrowingLargeBlockGetsHalfAsMuchAgain) {
  void* const p = resized(heap.take(512 * kKiB), 800 * kKiB);
  EXPECT_EQ(view(p).block_size, 1200 * kKiB);
  EXPECT_EQ(resized(p, 1200 * kKiB), p);
  EXPECT_EQ(view(resized(p, 1200 * kKiB + 1)).block_size, 1804 * kKiB) << "in pages";
}

TEST_F(SizesOf, OrWhatWasAskedForWhereTheSystemGivesNoMore) {
  void* const p = heap.take(512 * kKiB);
  const std::uint64_t maps = heap.platform().calls(Call::kMap);
  heap.platform().fail_nth(Call::kRemap, 1);
  EXPECT_EQ(view(resized(p, 800 * kKiB)).block_size, 800 * kKiB);
  EXPECT_EQ(heap.platform().calls(Call::kMap), maps) << "moved by the system, not copied";
}

TEST_F(SizesOf, OrIsCopiedWhereTheSystemMovesNothing) {
  auto* const p = static_cast<char*>(heap.take(512 * kKiB));
  std::memset(p, 0x5A, 512 * kKiB);
  heap.platform().fail_after(Call::kRemap, 0);
  auto* const moved = static_cast<char*>(resized(p, 800 * kKiB));
  ASSERT_NE(moved, nullptr);
  EXPECT_TRUE(moved[0] == 0x5A && moved[512 * kKiB - 1] == 0x5A);
}

TEST_F(SizesOf, AFullMagazineGivesBackItsOlderHalfRoundedUp) {
  constexpr std::size_t kSize = 114688;
  std::vector<void*> blocks;
  for (int i = 0; i < 10; ++i) blocks.push_back(heap.take(kSize));
  const Magazine<Full>& magazine = heap.magazine_of(kSize);
  ASSERT_EQ(magazine.capacity(), 9u);
  while (magazine.size() < 9) {
    heap.give(blocks.back());
    blocks.pop_back();
  }
  heap.give(blocks.back());
  EXPECT_EQ(magazine.size(), 9u - 5u + 1u);
}

TEST_F(SizesOf, AContextThatStandsForNoneCountsNothing) {
  const auto none = std::make_unique<Context<Full>>();
  EXPECT_FALSE(none->counting());
  EXPECT_NE(heap.allocator->allocate_slow(none.get(), kMiB), nullptr);
}

TEST_F(SizesOf, ALargeBlockThatWasFreedIsNotKeptForLong) {
  heap.give(heap.take(kMiB));
  ASSERT_GT(heap.allocator->boxes().large.bytes_cached(), 0u);
  heap.platform().advance_clock_ms(2000);
  heap.take(16);  // borrows a page, and so looks after others
  EXPECT_EQ(heap.allocator->boxes().large.bytes_cached(), 0u);
}

TEST_F(SizesOf, AShrinkingLargeBlockKeepsUpToAQuarter) {
  void* p = heap.take(800 * kKiB);
  ASSERT_EQ(view(p).block_size, 800 * kKiB);
  EXPECT_EQ(resized(p, 600 * kKiB), p);
  EXPECT_EQ(view(p).block_size, 800 * kKiB);
  p = resized(p, 600 * kKiB - 1);
  EXPECT_EQ(view(p).block_size, 600 * kKiB) << "in pages";
}

TEST_F(SizesOf, ALargeBlockThatShrinksToAClassBecomesASmallOne) {
  auto* const p = static_cast<char*>(heap.take(kMiB));
  std::memset(p, 0x5A, kMiB);
  auto* const moved = static_cast<char*>(resized(p, kBlockMax));
  EXPECT_STREQ(view(moved).heap, "v3");
  EXPECT_EQ(moved[0], 0x5A);
  EXPECT_EQ(moved[kBlockMax - 1], 0x5A);
  EXPECT_STRNE(view(resized(moved, kBlockMax + 1)).heap, "v3");
}

TEST_F(SizesOf, AlignmentsUpToAUnitAreServedByPages) {
  for (const std::size_t n : {std::size_t{1}, 64 * kKiB, kBlockMax}) {
    for (std::size_t alignment = 32; alignment <= 64 * kKiB; alignment *= 2) {
      void* const p = aligned(alignment, n);
      EXPECT_EQ(ClientPtr(p).address() % alignment, 0u);
      EXPECT_STREQ(view(p).heap, "v3") << alignment << ' ' << n;
    }
  }
}

TEST_F(SizesOf, BeyondThatLargeServes) {
  for (const std::size_t n : {std::size_t{0}, std::size_t{1}, 100 * kKiB, kBlockMax}) {
    for (std::size_t alignment = 128 * kKiB; alignment <= 4 * kMiB; alignment *= 2) {
      void* const p = aligned(alignment, n);
      ASSERT_NE(p, nullptr);
      EXPECT_EQ(ClientPtr(p).address() % alignment, 0u);
      EXPECT_EQ(heap.allocator->boxes().arena.so_page_of(ClientPtr(p)), nullptr);
      EXPECT_GE(view(p).block_size, n == 0 ? 1 : n);
      heap.give(p);
    }
  }
  void* const p = aligned(64, kBlockMax + 1);
  EXPECT_EQ(heap.allocator->boxes().arena.so_page_of(ClientPtr(p)), nullptr);
}

TEST_F(SizesOf, TheLastSmallSizeIsSmallAndTheNextIsLarge) {
  EXPECT_STREQ(view(heap.take(kBlockMax)).heap, "v3");
  EXPECT_EQ(heap.allocator->boxes().arena.so_page_of(ClientPtr(heap.take(kBlockMax + 1))), nullptr);
  auto* const zeroed = static_cast<char*>(heap.allocator->allocate_zeroed(heap.ctx, kBlockMax));
  EXPECT_STREQ(view(zeroed).heap, "v3");
}

// A policy is taken up on the first slow call: these are none, up to the last small size.
TEST_F(SizesOf, EverySmallSizeIsServedOnTheHotPath) {
  for (const std::size_t n : {std::size_t{1}, kFineLimit, kFineLimit + 1, kBlockMax})
    heap.give(heap.take(n));
  heap.allocator->publish_policy(nullptr, counting_policy());
  for (const std::size_t n : {std::size_t{1}, kFineLimit, kFineLimit + 1, kBlockMax}) {
    heap.take(n);
    EXPECT_FALSE(heap.ctx->policy->count) << n;
  }
}

// The system zeroes a large block that had another's contents, and fresh memory needs nothing: no
// page of it is written to.
TEST_F(SizesOf, ALargeBlockIsZeroedByTheSystem) {
  void* const first = heap.take(4 * kMiB);
  std::memset(first, 1, 4 * kMiB);
  heap.give(first);
  const std::uint64_t purges = heap.platform().calls(Call::kPurge);
  const auto* const zeroed =
      static_cast<const char*>(heap.allocator->allocate_zeroed(heap.ctx, 4 * kMiB));
  EXPECT_EQ(zeroed, first) << "the cached one";
  EXPECT_EQ(heap.platform().calls(Call::kPurge), purges + 1);
  EXPECT_EQ(std::vector<char>(zeroed, zeroed + 4 * kMiB), std::vector<char>(4 * kMiB));
}

// Of calloc's small blocks: how many system pages have memory, of whole ones in the block.
std::size_t pages_there(const void* p, std::size_t n) {
  std::vector<unsigned char> there(n / 4096 + 2);
  const std::uintptr_t first = ClientPtr(p).address() / 4096 * 4096;
  EXPECT_EQ(mincore(reinterpret_cast<void*>(first), n, there.data()), 0);
  std::size_t count = 0;
  for (std::size_t i = 0; i < n / 4096; ++i) count += there[i] & 1;
  return count;
}

template <class C>
class Zeroed : public ::testing::Test {};
using BothFlavours = ::testing::Types<Full, FullPerf>;
TYPED_TEST_SUITE(Zeroed, BothFlavours);

TYPED_TEST(Zeroed, FreshMemoryIsNotTouchedWhateverElseIsAllocated) {
  Heap<TypeParam> heap;
  for (const std::size_t n : {16 * kKiB, 40 * kKiB, 64 * kKiB, 200 * kKiB, kBlockMax}) {
    for (int i = 0; i < 40; ++i) {
      heap.take(n);  // neighbours come by malloc
      const auto* const p = static_cast<const char*>(heap.allocator->allocate_zeroed(heap.ctx, n));
      ASSERT_NE(p, nullptr);
      EXPECT_EQ(pages_there(p, n), 0u) << n;
    }
  }
  EXPECT_EQ(heap.audit(), nullptr);
}

// In every way in which a block can come back: over the magazine, over its page, with the page over
// the cold box, warm or purged, and where the system refuses to purge.
TYPED_TEST(Zeroed, WhatWasWrittenOnIsZeroWhereverItComesFrom) {
  for (const bool refuses : {false, true}) {
    Heap<TypeParam> heap;
    const std::size_t n = 48 * kKiB;
    for (int round = 0; round < 6; ++round) {
      std::vector<void*> blocks;
      for (int i = 0; i < 100; ++i) {
        void* const p = i % 3 == 0 ? heap.take(n) : heap.allocator->allocate_zeroed(heap.ctx, n);
        if (i % 3 != 0) {
          ASSERT_EQ(std::memcmp(p, std::vector<char>(n).data(), n), 0) << round << " " << i;
        }
        std::memset(p, 0xA5, n);
        blocks.push_back(p);
      }
      for (void* const p : blocks) heap.give(p);
      if (refuses) heap.platform().fail_after(Call::kPurge, 0);
      if (round % 2 == 1) heap.allocator->trim(heap.ctx);
      heap.platform().stop_failing();
    }
    EXPECT_EQ(heap.audit(), nullptr);
  }
}

}  // namespace
}  // namespace hakmem::test
