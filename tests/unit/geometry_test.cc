// Sizes: every size to its bin, the lookup table against the definition, what alignment a bin
// gives, and where pages and superslabs put their slots; in both geometries.
#include "config/geometry.h"

#include <gtest/gtest.h>

#include "test_heap.h"

namespace hakmem::test {
namespace {

template <class C>
class Geometry : public ::testing::Test {};
using Configs = ::testing::Types<Small, Full, FullPerf>;
TYPED_TEST_SUITE(Geometry, Configs);

TYPED_TEST(Geometry, EverySizeHasTheTightestBinOfItsClass) {
  using Sizes = typename TypeParam::Sizes;
  for (std::size_t n = 0; n <= TypeParam::Geometry::kBlockMax; ++n) {
    const std::uint8_t bin = Sizes::bin_of(n).value();
    const BinInfo& info = Sizes::kBinTable[bin];
    ASSERT_GE(info.block_size, n);
    ASSERT_EQ(info.size_class, class_of_size(n)) << n;
    if (bin == 0) continue;
    const BinInfo& smaller = Sizes::kBinTable[bin - 1];
    ASSERT_TRUE(smaller.block_size < n || smaller.size_class < info.size_class) << n;
  }
}

TYPED_TEST(Geometry, ClassesEndWhereTheSpecificationSays) {
  for (std::uint8_t c = 0; c < TypeParam::Sizes::kClasses; ++c) {
    EXPECT_EQ(class_of_size(class_size_max(c)), c);
    EXPECT_EQ(class_of_size(class_size_max(c) + 1), c + 1);
  }
  EXPECT_EQ(class_of_size(0), 0);
}

TYPED_TEST(Geometry, BinsGrowAndWasteAtMostAFifth) {
  using Sizes = typename TypeParam::Sizes;
  for (std::size_t b = 1; b < Sizes::kBins; ++b) {
    const double size = Sizes::kBinTable[b].block_size;
    const double before = Sizes::kBinTable[b - 1].block_size;
    ASSERT_TRUE(b == 1 || size > before);
    ASSERT_TRUE(before < 64 || size / before <= 1.25 + 1e-9) << "a quarter of a power apart";
  }
}

// What allocate_aligned relies on: some bin of at most twice the size is a multiple of the
// alignment.
TYPED_TEST(Geometry, PowerOfTwoBlocksGiveEveryAlignmentUpToAUnit) {
  using Sizes = typename TypeParam::Sizes;
  for (std::size_t a = 16; a <= Sizes::kUnitBytes && a <= TypeParam::Geometry::kBlockMax; a *= 2) {
    EXPECT_EQ(Sizes::info(Sizes::bin_of(a)).block_size, a);
  }
  for (const BinInfo& info : Sizes::kBinTable) EXPECT_EQ(info.block_size % kMinBlock, 0u);
}

TYPED_TEST(Geometry, PagesHoldTheirSlotsBeforeTheGuard) {
  using Sizes = typename TypeParam::Sizes;
  for (const BinInfo& info : Sizes::kBinTable) {
    const std::size_t page = std::size_t{1} << info.page_shift;
    EXPECT_GE(page, Sizes::kUnitBytes);
    EXPECT_LE(std::size_t{info.capacity} * info.block_size, page - Sizes::kGuardBytes);
    EXPECT_GE(std::size_t{info.entry_stride} * info.block_size, page);
    EXPECT_LE(std::size_t{info.entry_stride} * info.pages_per_superslab,
              Sizes::kEntriesPerSuperslab);
    EXPECT_LE(page * info.pages_per_superslab, Sizes::kSuperslabBytes);
    EXPECT_GE(info.carve_batch, 1);
    EXPECT_LE(info.carve_batch, Sizes::kCarveMax);
    EXPECT_LE(info.magazine_capacity, TypeParam::Geometry::kMagazineMax);
  }
}

// Whichever pages of a superslab two threads have, they write to no common pair of cache lines.
TYPED_TEST(Geometry, EntriesOfTwoPagesShareNoCacheLines) {
  using Sizes = typename TypeParam::Sizes;
  for (const BinInfo& info : Sizes::kBinTable) {
    for (std::size_t page = 1; page < info.pages_per_superslab; ++page) {
      const std::size_t last = (page - 1) * info.entry_stride + info.capacity - 1u;
      const std::size_t first = page * info.entry_stride;
      EXPECT_LT(last * sizeof(EntryBits) / 128, first * sizeof(EntryBits) / 128);
    }
  }
  EXPECT_EQ(Sizes::kEntriesPerSuperslab * sizeof(EntryBits) % 128, 0u);
}

TEST(GeometryOfProduction, TheTableOfTheSpecification) {
  using Sizes = Full::Sizes;
  const std::size_t expected[] = {16,  16,  32,  48,  64,  80,  96,  112, 128, 160, 192,
                                  224, 256, 320, 384, 448, 512, 640, 768, 896, 1024};
  for (std::size_t b = 0; b < std::size(expected); ++b) {
    EXPECT_EQ(Sizes::kBinTable[b].block_size, expected[b]);
  }
  EXPECT_EQ(Sizes::bin_of(8).value(), 0) << "C0";
  EXPECT_EQ(Sizes::bin_of(9).value(), 1) << "C1, of the same block size";
  EXPECT_EQ(Sizes::info(Sizes::bin_of(65536)).block_size, 65536u);
}

TEST(GeometryOfTests, EveryEdgeIsNear) {
  for (const BinInfo& info : Small::Sizes::kBinTable) {
    EXPECT_LE(info.capacity, 4);
    EXPECT_LE(info.pages_per_superslab, 2);
    EXPECT_LE(info.magazine_capacity, 4);
  }
}

}  // namespace
}  // namespace hakmem::test
