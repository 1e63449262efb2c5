// The boxes at the far end of an arena of full size, 1 TiB where the system has as much address
// space: no offset of theirs fits in 32 bits there. What a number cut short would name is looked at
// as well.
// SKIPS: want memory to be promised freely
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <set>

#include "cold/page_records.h"
#include "page/freelist.h"
#include "test_heap.h"

namespace hakmem::test {
namespace {

using Sizes = Full::Sizes;
using Page = SoPage<Full>;

// As the cold box does for each superslab in turn; without the superslabs' own memory.
class LastSuperslab : public ::testing::Test {
 protected:
  void SetUp() override {
    int overcommit = 0;
    std::ifstream("/proc/sys/vm/overcommit_memory") >> overcommit;
    if (overcommit == 2) GTEST_SKIP() << "tables of this size want memory to be promised freely";
    ASSERT_TRUE(arena_.init(platform_));
    ASSERT_GT(arena_.bytes(), std::size_t{1} << 37);
    records_.init(arena_);
    for (std::uint32_t i = 0; i < arena_.superslabs(); ++i) {
      ASSERT_TRUE(arena_.open_tables(platform_, SlabIndex(i))) << i;
      arena_.put_in_use(SlabIndex(i));
    }
  }
  SlabIndex last() const { return SlabIndex(arena_.superslabs() - 1); }
  std::uintptr_t end() const { return arena_.base() + arena_.bytes(); }

  FakePlatform platform_;
  Arena<Full> arena_;
  PageRecords<Full> records_;
  Context<Full> context_;
  Rng rng_{7};
};

TEST_F(LastSuperslab, LiesWhereTheArenaEnds) {
  ASSERT_EQ(arena_.superslabs(), arena_.bytes() >> 21);
  EXPECT_EQ(arena_.slab_address(last()), end() - Sizes::kSuperslabBytes);
  const std::uint32_t unit = arena_.first_unit(last());
  const auto units = static_cast<std::uint32_t>(arena_.bytes() >> 16);
  EXPECT_EQ(unit, units - Sizes::kUnitsPerSuperslab);
  EXPECT_EQ(arena_.unit_address(unit), arena_.slab_address(last()));
  EXPECT_TRUE(arena_.contains(ClientPtr(end() - 1)));
  EXPECT_FALSE(arena_.contains(ClientPtr(end())));
  EXPECT_EQ(arena_.unit_of(*arena_.so_page_of(ClientPtr(end() - 1))), units - 1);
  EXPECT_EQ(
      static_cast<std::size_t>(arena_.slab_entries(last()) - arena_.slab_entries(SlabIndex(0))),
      std::size_t{last().value()} * Sizes::kEntriesPerSuperslab);
}

TEST_F(LastSuperslab, ItsPagesServeEverySlotOfEveryBin) {
  for (std::size_t b = 0; b < Sizes::kBins; ++b) {
    const BinIndex bin(static_cast<std::uint8_t>(b));
    const BinInfo& info = Sizes::info(bin);
    const std::size_t page_bytes = std::size_t{1} << info.page_shift;
    const std::uint32_t number = info.pages_per_superslab - 1u;
    for (std::size_t e = 0; e < Sizes::kEntriesPerSuperslab; ++e) {  // it served another bin before
      arena_.slab_entries(last())[e].store_relaxed(0);
    }
    Page& page = records_.set_up(bin, last(), number);
    records_.set_owner(page, {&context_, &context_.ultra.front[b]});
    ASSERT_EQ(page.base, end() - Sizes::kSuperslabBytes + number * page_bytes);
    ASSERT_EQ(records_.number_of(page), number);
    ASSERT_EQ(arena_.unit_of(page), page.head);
    std::set<std::uint16_t> slots;
    for (std::uint32_t i = 0; i < info.capacity; ++i) {
      slots.insert(take_slot_owner_only(page, kEntryLive, rng_));
    }
    ASSERT_EQ(slots.size(), info.capacity);
    const std::uintptr_t block = page.base + std::size_t{info.capacity - 1u} * info.block_size;
    Page* const found = arena_.so_page_of(ClientPtr(block));
    ASSERT_NE(found, nullptr);
    ASSERT_EQ(&arena_.head_of(*found), &page);
    ASSERT_EQ(found->base, page.base);
    ASSERT_EQ(found->owner.load_relaxed(), &context_);
    ASSERT_EQ(found->entries[info.capacity - 1u].load_relaxed(), kEntryLive);
  }
}

// No record or entry of a superslab that a cut number would name was written on the way.
TEST_F(LastSuperslab, NothingElseIsTouched) {
  const BinIndex bin = Sizes::bin_of(64);
  Page& page = records_.set_up(bin, last(), Sizes::info(bin).pages_per_superslab - 1u);
  for (std::uint32_t i = 0; i < page.capacity; ++i) take_slot_owner_only(page, kEntryLive, rng_);
  for (std::uint32_t slab = last().value(); slab != 0; slab = slab / 2) {
    const SlabIndex other(slab / 2);
    for (std::uint32_t u = 0; u < Sizes::kUnitsPerSuperslab; ++u) {
      ASSERT_EQ(arena_.page(arena_.first_unit(other) + u).base, 0u) << other.value();
    }
    for (std::size_t e = 0; e < Sizes::kEntriesPerSuperslab; ++e) {
      ASSERT_EQ(arena_.slab_entries(other)[e].load_relaxed(), 0u) << other.value();
    }
  }
}

}  // namespace
}  // namespace hakmem::test
