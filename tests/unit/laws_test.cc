// Each law is broken on purpose: in a real allocator, where the audit must name it, and in views
// made of plain numbers, as a reference model makes them.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

using laws::kHolds;

// A heap where every structure is in use: pages of one size that are current, partial and full, a
// page of several units, blocks in magazines, superslabs that are HOT and FREE, warm pages.
class Audited : public ::testing::Test {
 protected:
  static constexpr std::size_t kSize = 1024;  // 4 slots a page
  static constexpr std::size_t kWide = 4096;  // pages of 4 units

  void SetUp() override {
    for (int i = 0; i < 16; ++i) blocks_.push_back(heap_.take(kSize));
    wide_ = heap_.take(kWide);
    std::vector<void*> passing;
    for (int i = 0; i < 40; ++i) passing.push_back(heap_.take(64));
    for (void* p : passing) heap_.give(p);
    for (std::size_t i = 0; i < 5; ++i) heap_.give(blocks_[i]);  // more than a magazine holds
    heap_.allocator->trim(heap_.ctx);                            // magazines back to their pages
    for (std::size_t i = 14; i < 16; ++i) heap_.give(blocks_[i]);
    ASSERT_EQ(heap_.audit(), kHolds);
  }
  BinPages<Small>& cls() { return heap_.class_of(kSize); }
  SoPage<Small>& page() { return heap_.page_of(blocks_[10]); }
  SoPage<Small>& partial_page() {
    return heap_.allocator->boxes().arena.page(cls().partial.front());
  }
  Superslab& slab_of(const void* p) {
    return heap_.allocator->boxes().cold.record_for_test(heap_.page_of(p).slab_ref);
  }
  template <class Break>
  void expect_broken(const char* id, Break&& break_it) {
    break_it();
    EXPECT_STREQ(heap_.audit(), id);
  }

  Heap<Small> heap_;
  std::vector<void*> blocks_;
  void* wide_ = nullptr;
};

TEST_F(Audited, HoldsOnARealHeap) { EXPECT_EQ(heap_.audit(), kHolds); }

TEST_F(Audited, P1WhenUsedIsOff) {
  expect_broken("P1", [&] { ++page().used; });
}
TEST_F(Audited, P2WhenTheFreelistIsACircle) {
  SoPage<Small>& page = partial_page();
  ASSERT_NE(page.freelist, kNoSlot);
  expect_broken("P2", [&] { page.entries[page.freelist].store_relaxed(page.freelist); });
}
TEST_F(Audited, P2WhenALiveSlotIsOnTheFreelist) {
  SoPage<Small>& page = partial_page();
  expect_broken("P2", [&] { page.entries[page.freelist].store_relaxed(kEntryLive); });
}
TEST_F(Audited, P3WhenALiveSlotIsOnTheRemoteStack) {
  expect_broken("P3", [&] { page().remote_head.store_relaxed(heap_.slot_of(blocks_[10])); });
}
TEST_F(Audited, P3WhenARemoteSlotIsOnNoStack) {
  const std::uint32_t slot = heap_.slot_of(blocks_[10]);
  expect_broken("P3", [&] { page().entries[slot].store_relaxed(remote_entry(kNoSlot)); });
}
TEST_F(Audited, P4WhenASlotIsOutBeforeItIsCarved) {
  SoPage<Small>& page = heap_.page_of(wide_);
  ASSERT_LT(page.carved, page.capacity);
  expect_broken("P4", [&] { page.entries[page.carved].store_relaxed(kEntryLive); });
}
TEST_F(Audited, P5WhenALiveSlotIsForgotten) {
  const std::uint32_t slot = heap_.slot_of(blocks_[10]);
  expect_broken("P5", [&] { page().entries[slot].store_relaxed(free_entry(kNoSlot)); });
}
TEST_F(Audited, P6WhenAUnitDisagrees) {
  SoPage<Small>& page = heap_.page_of(wide_);
  expect_broken("P6", [&] { ++heap_.allocator->boxes().arena.page(page.head + 1).reciprocal; });
}
TEST_F(Audited, P6WhenAPageNamesAnotherBinsMagazine) {
  expect_broken("P6", [&] { page().magazine = &heap_.ctx->ultra.front[0]; });
}

TEST_F(Audited, H1WhenThePartialCountIsOff) {
  ASSERT_GT(cls().partial_count, 0u);
  expect_broken("H1", [&] { ++cls().partial_count; });
}
TEST_F(Audited, H1WhenTheBackLinkIsWrong) {
  expect_broken("H1", [&] { partial_page().links.prev = cls().partial.front(); });
}
TEST_F(Audited, H1WhenAPageOfTheListIsFlaggedFull) {
  expect_broken("H1", [&] { partial_page().flags = PageFlag::kFull; });
}
TEST_F(Audited, H1WhenTheListLeadsToAnotherOnesPage) {
  SoPage<Small>& other = heap_.page_of(wide_);
  expect_broken("H1", [&] {
    partial_page().links.next = other.head;
    other.links.prev = partial_page().head;
  });
}
TEST_F(Audited, H2WhenCurrentIsAPartialPage) {
  expect_broken("H2", [&] { cls().current = &partial_page(); });
}
TEST_F(Audited, H3WhenAnOwnedPageIsRetired) {
  SoPage<Small>& page = heap_.page_of(wide_);
  ASSERT_EQ(page.flags, PageFlag::kCurrent);
  heap_.class_of(kWide).current = nullptr;  // or H2 would see it first
  expect_broken("H3", [&] { page.flags = PageFlag::kRetired; });
}
TEST_F(Audited, H3WhenAFullPageHasAFreeSlot) {
  SoPage<Small>& page = heap_.page_of(wide_);
  heap_.class_of(kWide).current = nullptr;
  ASSERT_TRUE(page.has_free_slot());
  expect_broken("H3", [&] { page.flags = PageFlag::kFull; });
}
TEST_F(Audited, H4WhenAPageIsLost) {
  expect_broken("H4", [&] { ++cls().pages; });
}

TEST_F(Audited, U1WhenACachedBlockIsLive) {
  Magazine<Small>& magazine = heap_.magazine_of(kSize);
  ASSERT_EQ(magazine.size(), 2u);
  expect_broken("U1", [&] { magazine.base[0].entry->store_relaxed(kEntryLive); });
}
TEST_F(Audited, U1WhenABlockIsOfAnotherBin) {
  const MagazinePlace<Small> place{wide_, &heap_.page_of(wide_).entries[heap_.slot_of(wide_)]};
  place.entry->store_relaxed(kEntryCached);
  expect_broken("U1", [&] { *heap_.magazine_of(kSize).top++ = place; });
}
TEST_F(Audited, U2WhenABlockIsThereTwice) {
  Magazine<Small>& magazine = heap_.magazine_of(kSize);
  expect_broken("U2", [&] { magazine.base[1] = magazine.base[0]; });
}
TEST_F(Audited, U2WhenAMagazineIsOverfull) {
  Magazine<Small>& magazine = heap_.magazine_of(kSize);
  expect_broken("U2", [&] { magazine.limit = magazine.base + 1; });
}

TEST_F(Audited, S1WhenASuperslabInUseIsFree) {
  expect_broken("S1", [&] { slab_of(blocks_[10]).tier = Tier::kFree; });
}
TEST_F(Audited, S2WhenASuperslabWithAFreePageIsNotListed) {
  Superslab& slab = slab_of(wide_);
  ASSERT_NE(slab.free_pages, 0u);
  expect_broken("S2", [&] { slab.listed = false; });
}
TEST_F(Audited, S2WhenTheBackLinkIsWrong) {
  expect_broken("S2", [&] { slab_of(wide_).in_tier.prev = 0; });
}
TEST_F(Audited, S3WhenALentPageIsWarm) {
  Superslab& slab = slab_of(wide_);
  expect_broken("S3", [&] { slab.warm_pages |= slab.free_pages ^ 3u; });
}
TEST_F(Audited, S3WhenALentPageHasNoOwner) {
  expect_broken("S3", [&] { heap_.page_of(wide_).owner.store_relaxed(nullptr); });
}
TEST_F(Audited, S4WhenTheTotalsAreOff) {
  Superslab& slab = slab_of(wide_);
  expect_broken("S4", [&] { slab.warm_pages ^= slab.free_pages; });
}

TEST_F(Audited, A1WhenACachedBlockFallsOutOfItsMagazine) {
  expect_broken("A1", [&] { --heap_.magazine_of(kSize).top; });
}

TEST(AuditedPerf, HoldsWithoutSlotStatesAndSeesALostPlace) {
  Heap<SmallPerf> heap;
  std::array<void*, 10> blocks{};
  for (void*& p : blocks) p = heap.take(100);
  for (void* p : blocks) heap.give(p);
  EXPECT_EQ(heap.audit(), kHolds);
  heap.magazine_of(100).base[0] = heap.magazine_of(100).base[1];
  EXPECT_STREQ(heap.audit(), "U2");
}

// ---- the same laws over views of plain numbers -------------------------------------------------

// 3 of 4 slots carved: 0 live, 1 -> 2 on the freelist.
constexpr std::array<EntryBits, 4> kEntries{kEntryLive, free_entry(2), free_entry(kNoSlot), 0};
constexpr laws::PageView kPage{kEntries, 4, 3, 1, 1, kNoSlot};
static_assert(laws::first_broken_page_law(kPage) == kHolds);
static_assert(laws::count_states(kPage).free_listed == 2);

TEST(PlainViews, AWalkIsBoundedWhateverTheLinksSay) {
  const std::array<EntryBits, 4> circle{free_entry(1), free_entry(2), free_entry(0), 0};
  EXPECT_FALSE(laws::walk({circle, 4, 3, 0, 0, kNoSlot}, 0, kEntryFree).sound);
  const std::array<EntryBits, 4> outside{free_entry(0x3000), 0, 0, 0};
  EXPECT_FALSE(laws::walk({outside, 4, 3, 0, 0, kNoSlot}, 0, kEntryFree).sound);
  const std::array<EntryBits, 4> uncarved{free_entry(3), 0, 0, free_entry(kNoSlot)};
  EXPECT_FALSE(laws::walk({uncarved, 4, 3, 0, 0, kNoSlot}, 0, kEntryFree).sound);
}

TEST(PlainViews, RemoteStack) {
  const std::array<EntryBits, 3> entries{remote_entry(2), kEntryLive, remote_entry(kNoSlot)};
  EXPECT_EQ(laws::first_broken_page_law({entries, 3, 3, 3, kNoSlot, 0}), kHolds);
  EXPECT_STREQ(laws::p3_remote_stack_is_sound({entries, 3, 3, 3, kNoSlot, 2}), "P3");
}

TEST(PlainViews, FreshSlots) {
  EXPECT_EQ(laws::p7_fresh_slots_are_free({kEntries, 4, 3, 1, 1, kNoSlot, 0xE}), kHolds);
  EXPECT_STREQ(laws::p7_fresh_slots_are_free({kEntries, 4, 3, 1, 1, kNoSlot, 0x1}), "P7");
  EXPECT_STREQ(laws::p7_fresh_slots_are_free({kEntries, 4, 3, 1, 1, kNoSlot, 0x10}), "P7");
}

TEST(PlainViews, PartialList) {
  std::array<laws::OwnedPage, 3> pages{{{PageFlag::kPartial, 1, 4, 1, laws::kNone},
                                        {PageFlag::kPartial, 0, 4, laws::kNone, 0},
                                        {PageFlag::kCurrent, 4, 4}}};
  const auto at = [&](std::uint32_t i) { return pages[i]; };
  const laws::ClassView cls{2, 0, 2, 3};
  EXPECT_EQ(laws::h1_partial_list_is_sound(cls, at), kHolds);
  EXPECT_EQ(laws::h2_current_is_flagged(cls, at), kHolds);
  EXPECT_EQ(laws::h3_page_is_where_it_says(cls, 2, pages[2]), kHolds);
  pages[1].used = 4;  // full, yet listed
  EXPECT_STREQ(laws::h1_partial_list_is_sound(cls, at), "H1");
  pages[1].used = 0;
  pages[1].next = 0;  // a circle
  EXPECT_STREQ(laws::h1_partial_list_is_sound(cls, at), "H1");
}

TEST(PlainViews, PagesOfAClass) {
  laws::OwnedCounts found;
  found.add({PageFlag::kPartial, 0, 4});
  found.add({PageFlag::kPartial, 1, 4});
  found.add({PageFlag::kCurrent, 0, 4});
  EXPECT_EQ(laws::h4_pages_add_up({2, 0, 2, 3, 1}, found), kHolds);
  EXPECT_STREQ(laws::h4_pages_add_up({2, 0, 2, 3, 0}, found), "H4");
}

TEST(PlainViews, SuperslabTotals) {
  laws::SlabTotals sum;
  sum.add({Tier::kHot, true, 3, 4, 0b0110, 0b0100, 0b1001}, 4096, 16384);
  laws::SlabTotals due{16384, 2 * 4096, 4096, 1, {}};
  due.by_tier[static_cast<std::size_t>(Tier::kHot)] = 1;
  EXPECT_EQ(laws::s4_totals_add_up(due, sum), kHolds);
  due.warm_bytes = 0;
  EXPECT_STREQ(laws::s4_totals_add_up(due, sum), "S4");
}

TEST(PlainViews, SlotsOfTheHeap) {
  laws::HeapView heap{10, 4, 3, 2, 1, 2, true};
  EXPECT_EQ(laws::a1_no_slot_is_lost(heap), kHolds);
  heap.remote = 0;
  EXPECT_STREQ(laws::a1_no_slot_is_lost(heap), "A1");
}

TEST(PlainViews, MemoryIsNested) {
  EXPECT_EQ(laws::m1_memory_is_nested({4, 4, 4, 3, 1}), kHolds);
  EXPECT_STREQ(laws::m1_memory_is_nested({5, 4, 4, 4, 1}), "M1");
  EXPECT_STREQ(laws::m1_memory_is_nested({4, 5, 4, 4, 1}), "M1");
  EXPECT_STREQ(laws::m1_memory_is_nested({4, 4, 5, 3, 1}), "M1");
}

TEST(PlainViews, ChargesOfTheLimit) {
  laws::ChargesView view{{1, 2, 3}, {1, 2, 3}, 6};
  EXPECT_EQ(laws::a2_what_is_held_is_charged(view), kHolds);
  view.total = 5;
  EXPECT_STREQ(laws::a2_what_is_held_is_charged(view), "A2");
  view.total = 6;
  view.charged = {2, 1, 3};
  EXPECT_STREQ(laws::a2_what_is_held_is_charged(view), "A2");
}

TEST(PlainViews, WhoIsLookedAt) {
  EXPECT_EQ(laws::a3_nobody_is_forgotten({true, false, false}), kHolds);
  EXPECT_EQ(laws::a3_nobody_is_forgotten({false, true, false}), kHolds);
  EXPECT_EQ(laws::a3_nobody_is_forgotten({false, false, true}), kHolds);
  EXPECT_STREQ(laws::a3_nobody_is_forgotten({false, false, false}), "A3");
}

TEST(RealStructures, WhoIsLookedAt) {
  Heap<Small> heap;
  heap.take(100);
  EXPECT_EQ(heap.audit(), kHolds);
  heap.ctx->watched = false;
  heap.ctx->called.store_relaxed(0);
  heap.ctx->pending.head.store_relaxed(PendingPages<Small>::kInView);
  EXPECT_STREQ(heap.audit(), "A3");
}

TEST(RealStructures, ChargesOfTheLimit) {
  for (const Holder holder : {Holder::kPages, Holder::kChunks, Holder::kMappings}) {
    Heap<Small> heap;
    heap.take(100);
    heap.take(10000);
    heap.allocator->boxes().v1.allocate(bin_of<Small>(64));
    EXPECT_EQ(heap.audit(), kHolds);
    heap.allocator->boxes().limit.charge(holder, 1);
    EXPECT_STREQ(heap.audit(), "A2");
  }
}

}  // namespace
}  // namespace hakmem::test
