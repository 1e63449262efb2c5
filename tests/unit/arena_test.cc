// The arena: so_page_of for any 64-bit value, smaller arenas when memory is refused, nothing
// leaked.
#include "page/arena.h"

#include <gtest/gtest.h>

#include <random>

#include "test_heap.h"

namespace hakmem::test {
namespace {

TEST(Arena, BeforeInitNothingIsInIt) {
  const Arena<Small> arena;
  EXPECT_FALSE(arena.exists());
  EXPECT_EQ(arena.base(), 0u);
  EXPECT_EQ(arena.so_page_of(ClientPtr(std::uintptr_t{0})), nullptr);
  EXPECT_EQ(arena.so_page_of(ClientPtr(~std::uintptr_t{0})), nullptr);
}

// As the cold box does; without the superslab's own memory.
template <class C>
void use_up_to(Arena<C>& arena, FakePlatform& platform, std::uint32_t last) {
  for (std::uint32_t i = 0; i <= last; ++i) {
    ASSERT_TRUE(arena.open_tables(platform, SlabIndex(i)));
    arena.put_in_use(SlabIndex(i));
  }
}

class SoPageOf : public ::testing::TestWithParam<double> {};

TEST_P(SoPageOf, IsTotalHoweverMuchIsInUse) {
  FakePlatform platform;
  Arena<Small> arena;
  ASSERT_TRUE(arena.init(platform));
  std::mt19937_64 random(20240501);
  const auto slabs = static_cast<std::uint32_t>(GetParam() * arena.superslabs());
  if (slabs != 0) use_up_to(arena, platform, slabs - 1);
  const std::uintptr_t end = arena.base() + slabs * Small::Sizes::kSuperslabBytes;
  std::vector<std::uintptr_t> values{0,
                                     1,
                                     15,
                                     arena.base() - 1,
                                     arena.base(),
                                     end - 1,
                                     end,
                                     end + 1,
                                     ~std::uintptr_t{0},
                                     std::uintptr_t{1} << 63,
                                     arena.base() + arena.bytes() - 1,
                                     arena.base() + arena.bytes()};
  for (int i = 0; i < 100000; ++i) values.push_back(random());
  for (int i = 0; i < 100000; ++i) values.push_back(arena.base() + random() % arena.bytes());
  for (const std::uintptr_t v : values) {
    const SoPage<Small>* const page = arena.so_page_of(ClientPtr(v));
    if (v < arena.base() || v >= end) {
      ASSERT_EQ(page, nullptr) << v;
      ASSERT_EQ(arena.reserves(ClientPtr(v)), v - arena.base() < arena.bytes()) << v;
    } else {
      const std::uint32_t unit = arena.unit_of(*page);
      ASSERT_LE(arena.unit_address(unit), v);
      ASSERT_LT(v - arena.unit_address(unit), Small::Sizes::kUnitBytes);
      ASSERT_EQ(&arena.head_of(*page), page) << "no page was ever lent";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Arena, SoPageOf, ::testing::Values(0.0, 0.002, 0.5, 1.0));

TEST(Arena, SuperslabsAreAlignedAndDoNotOverlap) {
  FakePlatform platform;
  Arena<Full> arena;
  ASSERT_TRUE(arena.init(platform));
  EXPECT_EQ(arena.base() % Full::Sizes::kSuperslabBytes, 0u);
  EXPECT_EQ(arena.slab_address(SlabIndex(3)), arena.unit_address(arena.first_unit(SlabIndex(3))));
  EXPECT_EQ(arena.slab_entries(SlabIndex(1)) - arena.slab_entries(SlabIndex(0)),
            static_cast<std::ptrdiff_t>(Full::Sizes::kEntriesPerSuperslab));
}

// Of production, with an arena whose tables the system opens whole.
struct FourGibGeometry : ProductionGeometry {
  static constexpr std::size_t kArenaBytesMax = std::size_t{1} << 32;
};
struct FourGib : Config<FourGibGeometry, FakePlatform, StdWorld, kHardenedMitigations> {};

// Tables that are too short end in the guard behind them.
TEST(Arena, TheTablesReachToTheLastUnitAndItsLastEntry) {
  FakePlatform platform;
  Arena<FourGib> arena;
  ASSERT_TRUE(arena.init(platform));
  const SlabIndex last(arena.superslabs() - 1);
  ASSERT_TRUE(arena.open_tables(platform, last));
  arena.put_in_use(last);
  arena.slab_entries(last)[FourGib::Sizes::kEntriesPerSuperslab - 1].store_relaxed(kEntryLive);
  SoPage<FourGib>& page = *arena.so_page_of(ClientPtr(arena.base() + arena.bytes() - 1));
  page.next_pending.store_relaxed(7);
  EXPECT_EQ(arena.unit_of(page), arena.first_unit(last) + FourGib::Sizes::kUnitsPerSuperslab - 1);
}

// What is accessible follows the superslabs, an eighth ahead; the rest faults, and is not charged.
TEST(Arena, TheTablesAreOpenAsFarAsSuperslabsAreInUse) {
  FakePlatform platform;
  Arena<Full> arena;
  ASSERT_TRUE(arena.init(platform));
  const auto first = [&](std::uint32_t slab) { return arena.slab_entries(SlabIndex(slab)); };
  const auto page = [&](std::uint32_t slab) {
    return &arena.page(arena.first_unit(SlabIndex(slab)));
  };
  EXPECT_FALSE(FakePlatform::is_readable(first(0)));
  EXPECT_FALSE(FakePlatform::is_readable(page(0)));
  for (const std::uint32_t last : {0u, 99u, 999u}) {
    ASSERT_TRUE(arena.open_tables(platform, SlabIndex(last)));
    EXPECT_TRUE(FakePlatform::is_readable(first(last + 1) - 1));
    EXPECT_TRUE(FakePlatform::is_readable(page(last + 1) - 1));
    const std::uint32_t beyond = last + 9 + last / 8;
    EXPECT_FALSE(FakePlatform::is_readable(first(beyond)));
    EXPECT_FALSE(FakePlatform::is_readable(page(beyond)));
  }
}

// One mapping each, and few calls, however large the heap grows.
TEST(Arena, TablesThatGrowCostNoMappingsAndFewCalls) {
  FakePlatform platform;
  Arena<Full> arena;
  ASSERT_TRUE(arena.init(platform));
  use_up_to(arena, platform, 0);
  const std::size_t mappings = platform.mappings();
  use_up_to(arena, platform, 9999);
  EXPECT_EQ(platform.mappings(), mappings);
  EXPECT_LE(platform.calls(Call::kOpen), 2u * 80);
}

// Near a limit nothing is opened ahead any more.
TEST(Arena, AfterARefusalATableGrowsByWhatIsNeeded) {
  FakePlatform platform;
  Arena<Full> arena;
  ASSERT_TRUE(arena.init(platform));
  use_up_to(arena, platform, 0);
  platform.fail_after(Call::kOpen, 0);
  std::uint32_t slab = 1;
  while (arena.open_tables(platform, SlabIndex(slab))) ++slab;
  EXPECT_EQ(slab, 8u) << "opened with the first";
  platform.stop_failing();
  ASSERT_TRUE(arena.open_tables(platform, SlabIndex(slab)));
  EXPECT_TRUE(FakePlatform::is_readable(arena.slab_entries(SlabIndex(slab + 1)) - 1));
}

TEST(Arena, TakesASmallerOneWhenTheSystemRefuses) {
  FakePlatform platform;
  platform.fail_nth(Call::kReserve, 1);
  Arena<Small> arena;
  ASSERT_TRUE(arena.init(platform));
  EXPECT_EQ(arena.bytes(), SmallGeometry::kArenaBytesMax / 4);
  EXPECT_EQ(platform.foreign_calls(), 0u);
}

// Has no more address space in one piece than that.
class ShortPlatform : public FakePlatform {
 public:
  std::size_t most = 0;
  void* reserve(std::size_t bytes, std::size_t alignment) noexcept {
    return bytes > most ? nullptr : FakePlatform::reserve(bytes, alignment);
  }
};
struct Short : Config<SmallGeometry, ShortPlatform, StdWorld, kHardenedMitigations> {};

TEST(Arena, TheSmallestIsTheLast) {
  ShortPlatform platform;
  platform.most = SmallGeometry::kArenaBytesMin;
  Arena<Short> arena;
  ASSERT_TRUE(arena.init(platform));
  EXPECT_EQ(arena.bytes(), SmallGeometry::kArenaBytesMin);
  platform.most -= 1;
  Arena<Short> none;
  EXPECT_FALSE(none.init(platform));
}

TEST(Arena, GivesBackWhatItHasWhenATableIsRefused) {
  for (const std::uint64_t nth : {1u, 2u}) {
    FakePlatform platform;
    platform.fail_nth(Call::kTable, nth);
    Arena<Small> arena;
    ASSERT_TRUE(arena.init(platform)) << "the next size";
    EXPECT_EQ(arena.bytes(), SmallGeometry::kArenaBytesMax / 4);
    EXPECT_EQ(platform.foreign_calls(), 0u);
    FakePlatform smaller;
    smaller.fail_nth(Call::kReserve, 1);
    Arena<Small> same;
    ASSERT_TRUE(same.init(smaller));
    EXPECT_EQ(platform.live_bytes(), smaller.live_bytes()) << "the first arena is gone";
  }
}

TEST(Arena, NoneAtAllIsAnAnswer) {
  for (const Call call : {Call::kReserve, Call::kTable}) {
    FakePlatform platform;
    platform.fail_after(call, 0);
    Arena<Small> arena;
    EXPECT_FALSE(arena.init(platform));
    EXPECT_FALSE(arena.exists());
    EXPECT_EQ(platform.live_bytes(), 0u);
  }
}

}  // namespace
}  // namespace hakmem::test
