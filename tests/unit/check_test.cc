// The debug checks: a build that promises them has them, and each law fires when what it is about
// is broken on purpose.
#include "base/check.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

#ifdef _GLIBCXX_ASSERTIONS  // of the tests of presets with HAKMEM_DEBUG
constexpr bool kPromised = true;
#else
constexpr bool kPromised = false;
#endif

TEST(Checks, RunWhereTheBuildPromisesThem) {
  int run = 0;
  HAKMEM_CHECK((++run, true), "check", 0);
  EXPECT_EQ(run, 1);
  HAKMEM_DCHECK((++run, true), "check", 0);
  HAKMEM_AUDIT((++run, true), "check", 0);
  EXPECT_EQ(run, kPromised ? 3 : 1);
}

TEST(ChecksDeathTest, AreReported) {
  EXPECT_DEATH(HAKMEM_CHECK(false, "some-law", 0x1000), "metadata-corruption: some-law");
}

#ifdef _GLIBCXX_ASSERTIONS

// Without checks of frees: what the flavour tests by itself is not in the way.
struct Pages : testing::Test {
  using Page = SoPage<SmallPerf>;

  Pages() {
    cls().owner = boxes_.owner(bin_);
    cls().max_partial = 2;
  }
  BinPages<SmallPerf>& cls() { return ctx_.bins[bin_.value()]; }
  Page& full_page() {
    Page* page = nullptr;
    do {
      page = hot_.page_to_take_from(bin_).page;
      hot_.take(*page, kEntryLive);
    } while (page->has_free_slot());
    return *page;
  }

  ColdSetUp<SmallPerf> boxes_;
  SoCtx<SmallPerf> ctx_;
  HotBox<SmallPerf, ColdBox<SmallPerf>> hot_{boxes_.arena, boxes_.cold, ctx_};
  const BinIndex bin_ = bin_of<SmallPerf>(256);
};
using PagesDeathTest = Pages;

TEST_F(PagesDeathTest, CarveWithAFreelist) {
  Page& page = *hot_.page_to_take_from(bin_).page;
  page.freelist = 1;
  EXPECT_DEATH(carve_owner_only(page, ctx_.rng), "carve");
}

TEST_F(PagesDeathTest, MoreUsedThanCarved) {
  Page& page = *hot_.page_to_take_from(bin_).page;
  hot_.take(page, kEntryLive);
  page.used = page.carved;
  EXPECT_DEATH(hot_.take(page, kEntryLive), "page-count");
}

TEST_F(PagesDeathTest, MoreGivenThanTaken) {
  Page& page = *hot_.page_to_take_from(bin_).page;
  hot_.take(page, kEntryLive);
  page.used = 0;
  EXPECT_DEATH(hot_.give(page, 0), "page-count");
}

TEST_F(PagesDeathTest, APageOfAnotherContext) {
  Page& page = full_page();
  page.owner.store_relaxed(nullptr);
  EXPECT_DEATH(hot_.give(page, 0), "page-owner");
}

TEST_F(PagesDeathTest, BrokenLinks) {
  Page& a = full_page();
  Page& b = full_page();
  full_page();
  hot_.give(a, 0);
  hot_.give(b, 0);  // now b, a are on the partial list
  ASSERT_EQ(a.links.prev, b.head);
  a.links.prev = a.head;
  const auto empty = [&](Page& page) {
    for (std::uint32_t slot = 1; slot < page.capacity; ++slot) hot_.give(page, slot);
  };
  cls().max_partial = 0;  // what is empty is unlinked
  EXPECT_DEATH(empty(a), "page-links");
}

TEST_F(PagesDeathTest, EmptyPagesThatWereNotCounted) {
  Page& a = full_page();
  full_page();
  for (std::uint32_t slot = 0; slot < a.capacity; ++slot) hot_.give(a, slot);
  ASSERT_EQ(cls().empty_count, 1u);
  cls().empty_count = 0;
  EXPECT_DEATH(full_page(), "empty-pages");
}

TEST_F(PagesDeathTest, MoreRetiredThanBorrowed) {
  Page& a = full_page();
  full_page();
  cls().max_partial = 0;
  cls().pages = 0;
  const auto empty = [&] {
    for (std::uint32_t slot = 0; slot < a.capacity; ++slot) hot_.give(a, slot);
  };
  EXPECT_DEATH(empty(), "retire");
}

TEST(MagazineDeathTest, Bounds) {
  Heap<Small> heap;
  void* const p = heap.take(256);
  const BinIndex bin = bin_of<Small>(256);
  Magazine<Small>& magazine = heap.magazine_of(256);
  EXPECT_DEATH(heap.ctx->ultra.open(bin), "magazine");
  heap.give(p);
  ASSERT_FALSE(magazine.empty());
  EXPECT_DEATH(heap.ctx->ultra.close(bin), "magazine");
  using Ultra = UltraBox<Small, ColdBox<Small>>;
  EXPECT_DEATH(Ultra::flush(magazine, magazine.size() + 1, [](const auto&) {}), "magazine");
  HotBox<Small, ColdBox<Small>> hot(heap.allocator->boxes().arena, heap.allocator->boxes().cold,
                                    heap.ctx->so);
  EXPECT_DEATH(Ultra::refill(hot, magazine, bin, 1), "magazine");
  EXPECT_DEATH(Ultra::fill(hot, heap.page_of(p), magazine, magazine.room() + 1), "magazine");
}

TEST(SlabsDeathTest, LinksAndCounts) {
  std::vector<Superslab> slabs(3);
  SlabList list;
  link_slab(slabs.data(), list, 0);
  link_slab(slabs.data(), list, 1);
  EXPECT_DEATH(link_slab(slabs.data(), list, 1), "slab-links");
  EXPECT_DEATH(unlink_slab(slabs.data(), list, 2), "slab-links");

  SlabTable<Small::Sizes> table;
  table.init(slabs.data());
  const std::uint32_t i = table.reserve_next(3);
  table.committed();
  const BinIndex bin = bin_of<Small>(256);
  slabs[i] = {};  // off the list of above
  table.serve(i, bin);
  EXPECT_DEATH(table.take_back(i, 0, 0), "slab-pages");
  const std::uint32_t k = table.lend(i);
  table.take_back(i, k, 0);
  EXPECT_TRUE(table.adds_up());
  EXPECT_DEATH(table.take_back(i, k, 0), "slab-pages");
  EXPECT_DEATH(table.look_later(2), "slab-links");
  slabs[i].warm_pages = 0;
  EXPECT_FALSE(table.adds_up());
}

TEST(LimitDeathTest, MoreRefundedThanCharged) {
  MemoryLimit<StdWorld> limit;
  ASSERT_TRUE(limit.charge(Holder::kPages, 100));
  EXPECT_DEATH(limit.refund(Holder::kPages, 101), "charge");
  EXPECT_DEATH(limit.refund(Holder::kChunks, 1), "charge");
}

TEST(LockDeathTest, LetGoOfTwice) {
  Lock<Small> lock;
  lock.lock();
  lock.unlock();
  EXPECT_DEATH(lock.unlock(), "lock");
}

#endif

}  // namespace
}  // namespace hakmem::test
