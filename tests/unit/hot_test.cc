// HotBox v3 in front of a scripted cold box: S5 (current, partial, refill), S6 (one page, carved
// here, refusal), S7 (where a page goes when a slot comes back), and that a full page is never
// stranded.
#include "hot/hot_box.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "test_heap.h"
#include "tests/support/scripted_cold.h"

namespace hakmem::test {
namespace {

class Hot : public ::testing::Test {
 protected:
  using Page = SoPage<Small>;
  using Cold = ScriptedCold<Small>;
  static constexpr std::uint32_t kPages = 1024;
  struct Block {
    Page* page;
    std::uint32_t slot;
  };
  static constexpr std::uint32_t kSlots = 4;

  Hot() {
    arena_.init(platform_);
    EXPECT_TRUE(Cold::open(arena_, platform_, kPages));
    cls().owner = {context_.get(), &context_->ultra.front[bin_.value()]};
    cls().max_partial = 2;
  }
  ~Hot() override { EXPECT_TRUE(cold_.wrong_retires.empty()); }
  BinPages<Small>& cls() { return ctx_.bins[bin_.value()]; }

  Block take(TakePath due) {
    const auto source = hot_.page_to_take_from(bin_);
    EXPECT_EQ(source.path, due);
    return {source.page, hot_.take(*source.page, kEntryLive)};
  }
  // All slots of a page, by whatever path.
  std::vector<Block> take_page() {
    std::vector<Block> blocks;
    for (std::uint32_t i = 0; i < kSlots; ++i) {
      const auto source = hot_.page_to_take_from(bin_);
      blocks.push_back({source.page, hot_.take(*source.page, kEntryLive)});
    }
    return blocks;
  }
  void give(const Block& block, GivePath due) {
    EXPECT_EQ(hot_.give(*block.page, block.slot), due);
  }
  void give_all(const std::vector<Block>& blocks) {
    for (const Block& block : blocks) hot_.give(*block.page, block.slot);
  }
  std::vector<Page*> partial() {
    std::vector<Page*> pages;
    for (std::uint32_t u = cls().partial.front(); u != Page::kNoPage;
         u = arena_.page(u).links.next) {
      pages.push_back(&arena_.page(u));
      if (pages.size() > 100) break;
    }
    EXPECT_EQ(pages.size(), cls().partial_count);
    return pages;
  }

  // All steps of it; returns how many.
  int purge_at_rest(std::uint32_t now) {
    PageCursor at;
    int steps = 0;
    while (hot_.purge_next_at_rest(now, at)) ++steps;
    return steps;
  }
  void purge_all() {
    if (cls().current != nullptr) hot_.purge_unused(*cls().current);
    for (Page* const page : partial()) hot_.purge_unused(*page);
  }

  FakePlatform platform_;
  Arena<Small> arena_;
  std::unique_ptr<Context<Small>> context_ = std::make_unique<Context<Small>>();  // an address
  Cold cold_{arena_, kPages};
  SoCtx<Small> ctx_;
  HotBox<Small, Cold> hot_{arena_, cold_, ctx_};
  const BinIndex bin_ = bin_of<Small>(256);
};

TEST_F(Hot, AClassHoldsNothingUntilToldByThePolicy) {
  EXPECT_EQ(BinPages<Small>{}.max_partial, 0u);
}

TEST_F(Hot, TheFirstTakeBorrowsExactlyOnePageAndMakesItCurrent) {
  const Block block = take(TakePath::kRefill);
  EXPECT_EQ(cold_.refills, 1);
  EXPECT_EQ(cls().current, block.page);
  EXPECT_EQ(block.page->flags, PageFlag::kCurrent);
  EXPECT_EQ(cls().pages, 1u);
}

TEST_F(Hot, TheCurrentPageServesUntilItIsFull) {
  const Block first = take(TakePath::kRefill);
  for (std::uint32_t i = 1; i < kSlots; ++i) EXPECT_EQ(take(TakePath::kCurrent).page, first.page);
  EXPECT_NE(take(TakePath::kRefill).page, first.page);
  EXPECT_EQ(first.page->flags, PageFlag::kFull);
  EXPECT_EQ(cls().pages, 2u);
}

TEST_F(Hot, ARefusalChangesNothing) {
  cold_.refuses = true;
  const auto source = hot_.page_to_take_from(bin_);
  EXPECT_EQ(source.page, nullptr);
  EXPECT_EQ(source.path, TakePath::kNone);
  EXPECT_EQ(cls().current, nullptr);
  EXPECT_EQ(cls().pages, 0u);
  cold_.refuses = false;
  take(TakePath::kRefill);
}

TEST_F(Hot, AfterARefusalAFullPageStillTakesItsSlotsBack) {
  const auto blocks = take_page();
  cold_.refuses = true;
  EXPECT_EQ(hot_.page_to_take_from(bin_).page, nullptr);
  EXPECT_EQ(cls().current, nullptr);
  give(blocks[2], GivePath::kCurrent);
  EXPECT_EQ(take(TakePath::kCurrent).slot, blocks[2].slot);
}

TEST_F(Hot, AFullPageThatGetsASlotBackJoinsPartialAndIsTakenFromNext) {
  const auto full = take_page();
  const auto current = take_page();
  EXPECT_TRUE(partial().empty());
  give(full[1], GivePath::kPartial);
  EXPECT_EQ(partial(), std::vector<Page*>{full[1].page});
  EXPECT_EQ(full[1].page->flags, PageFlag::kPartial);
  const Block again = take(TakePath::kPartial);
  EXPECT_EQ(again.page, full[1].page);
  EXPECT_EQ(again.slot, full[1].slot);
  EXPECT_EQ(cls().current, full[1].page);
  EXPECT_TRUE(partial().empty());
  EXPECT_EQ(current[0].page->flags, PageFlag::kFull);
}

TEST_F(Hot, PartialIsLastInFirstOut) {
  const auto a = take_page(), b = take_page(), c = take_page(), current = take_page();
  give(a[0], GivePath::kPartial);
  give(b[0], GivePath::kPartial);
  give(c[0], GivePath::kPartial);
  give(a[1], GivePath::kPartial);  // is on the list already
  EXPECT_EQ(partial(), (std::vector<Page*>{c[0].page, b[0].page, a[0].page}));
  EXPECT_EQ(take(TakePath::kPartial).page, c[0].page);
  EXPECT_EQ(take(TakePath::kPartial).page, b[0].page);
}

TEST_F(Hot, WithoutACurrentPageTheOneThatGetsASlotBackBecomesIt) {
  const auto blocks = take_page();
  const auto others = take_page();
  give_all(others);  // empty: to partial, and current becomes null
  EXPECT_EQ(cls().current, nullptr);
  give(blocks[0], GivePath::kCurrent);
  EXPECT_EQ(cls().current, blocks[0].page);
  EXPECT_EQ(blocks[0].page->flags, PageFlag::kCurrent);
}

TEST_F(Hot, WithoutACurrentPageAPartialOneLeavesTheListForIt) {
  const auto a = take_page(), b = take_page();
  give(a[0], GivePath::kPartial);
  give_all(b);
  ASSERT_EQ(cls().current, nullptr);
  EXPECT_EQ(partial().size(), 2u);
  give(a[1], GivePath::kCurrent);
  EXPECT_EQ(partial(), std::vector<Page*>{b[0].page});
}

TEST_F(Hot, ASlotOfTheCurrentPageStaysWithIt) {
  const auto blocks = take_page();
  give(blocks[3], GivePath::kCurrent);
  EXPECT_EQ(cls().current, blocks[0].page);
  EXPECT_EQ(take(TakePath::kCurrent).slot, blocks[3].slot);
}

TEST_F(Hot, AnEmptyCurrentPageIsKeptInPartial) {
  const Block block = take(TakePath::kRefill);
  give(block, GivePath::kPartial);
  EXPECT_EQ(cls().current, nullptr);
  EXPECT_EQ(partial(), std::vector<Page*>{block.page});
  EXPECT_TRUE(cold_.retired.empty());
  EXPECT_EQ(take(TakePath::kPartial).page, block.page);
  EXPECT_EQ(cold_.refills, 1);
}

TEST_F(Hot, EmptyPagesBeyondMaxPartialAreRetired) {
  const auto a = take_page(), b = take_page(), c = take_page();
  give_all(a);
  give_all(b);
  EXPECT_EQ(partial().size(), 2u);
  EXPECT_TRUE(cold_.retired.empty());
  give_all({c[0], c[1], c[2]});
  give(c[3], GivePath::kRetire);
  EXPECT_EQ(cold_.retired, std::vector<Page*>{c[0].page});
  EXPECT_EQ(cls().current, nullptr);
  EXPECT_EQ(cls().pages, 2u);
}

// The page itself does not count against max_partial.
TEST_F(Hot, AListedPageThatBecomesEmptyStaysWhileThereIsRoom) {
  const auto a = take_page(), b = take_page(), current = take_page();
  give(a[0], GivePath::kPartial);
  give(b[0], GivePath::kPartial);
  give_all({a[1], a[2]});
  give(a[3], GivePath::kPartial);
  EXPECT_EQ(partial().size(), 2u);
  EXPECT_TRUE(cold_.retired.empty());
}

TEST_F(Hot, AListedPageThatBecomesEmptyIsRetiredWhenThereIsNone) {
  const auto a = take_page(), b = take_page(), c = take_page(), current = take_page();
  for (const auto& page : {a, b, c}) give(page[0], GivePath::kPartial);
  give_all({b[1], b[2]});
  give(b[3], GivePath::kRetire);
  EXPECT_EQ(partial(), (std::vector<Page*>{c[0].page, a[0].page})) << "from the middle";
}

TEST_F(Hot, MaxPartialZeroKeepsNothing) {
  cls().max_partial = 0;
  give(take(TakePath::kRefill), GivePath::kRetire);
  EXPECT_EQ(cls().pages, 0u);
  take(TakePath::kRefill);
}

TEST_F(Hot, RetireEmptyPagesLeavesTheOthers) {
  const auto a = take_page(), b = take_page(), c = take_page(), d = take_page();
  give_all(d);  // the current page: empty, partial
  give_all(a);  // empty, partial
  give(b[0], GivePath::kCurrent);
  give(c[0], GivePath::kPartial);
  std::vector<const Page*> told;
  hot_.retire_empty_pages([&](const Page& page) { told.push_back(&page); });
  EXPECT_EQ(cold_.retired.size(), 2u);
  EXPECT_EQ(told.size(), 2u);
  EXPECT_EQ(partial(), std::vector<Page*>{c[0].page});
  EXPECT_EQ(cls().current, b[0].page);
  EXPECT_EQ(cls().pages, 2u);
}

// d is current; c, a and b are partial, the newest first, and a is empty.
TEST_F(Hot, RetireBeyondMaxPartialKeepsAsManyAsItMay) {
  cls().max_partial = 3;
  const auto a = take_page(), b = take_page(), c = take_page(), d = take_page();
  give(b[0], GivePath::kPartial);
  give_all(a);
  give(c[0], GivePath::kPartial);
  EXPECT_EQ(partial(), (std::vector<Page*>{c[0].page, a[0].page, b[0].page}));
  int told = 0;
  const auto retiring = [&](const Page& page) { told += page.used == 0 ? 1 : 100; };
  hot_.retire_beyond_max_partial(retiring);
  EXPECT_EQ(told, 0) << "three may stay";
  cls().max_partial = 2;
  hot_.retire_beyond_max_partial(retiring);
  EXPECT_EQ(cold_.retired, std::vector<Page*>{a[0].page});
  EXPECT_EQ(partial(), (std::vector<Page*>{c[0].page, b[0].page}));
  EXPECT_EQ(told, 1);
  EXPECT_EQ(cls().pages, 3u);
  cls().max_partial = 0;
  hot_.retire_beyond_max_partial(retiring);
  EXPECT_EQ(told, 1) << "pages with blocks stay";
  EXPECT_EQ(partial().size(), 2u);
}

TEST_F(Hot, ACurrentPageThatServedNobodyIsRetiredToo) {
  Page* const page = hot_.page_to_take_from(bin_).page;
  int told = 0;
  hot_.retire_empty_pages([&](const Page& retiring) { told += &retiring == page ? 1 : 0; });
  EXPECT_EQ(told, 1);
  EXPECT_EQ(cold_.retired, std::vector<Page*>{page});
  EXPECT_EQ(cls().current, nullptr);
  EXPECT_EQ(cls().pages, 0u);
}

// What is given out is distinct, and everything comes back, whatever the order.
TEST_F(Hot, MemoryGoesOfPagesThatNothingWasTakenFromForTwoPeriods) {
  ctx_.period.store_relaxed(7);
  const auto a = take_page(), b = take_page();
  ctx_.period.store_relaxed(8);
  const Block current = take(TakePath::kRefill);
  give(a[0], GivePath::kPartial);
  purge_at_rest(8);
  EXPECT_TRUE(cold_.purged.empty());
  purge_at_rest(9);
  EXPECT_EQ(cold_.purged, std::vector{a[0].page}) << "b is full";
  purge_at_rest(10);
  EXPECT_EQ(cold_.purged, (std::vector{a[0].page, current.page})) << "a has not changed";
  give(a[1], GivePath::kPartial);
  give(b[0], GivePath::kPartial);
  purge_at_rest(10);
  EXPECT_EQ(cold_.purged.size(), 4u);
}

TEST_F(Hot, APageThatIsTakenFromIsNotAtRest) {
  const auto a = take_page(), current = take_page();
  give(a[0], GivePath::kPartial);
  purge_at_rest(2);
  EXPECT_EQ(cold_.purged, std::vector{a[0].page});
  ctx_.period.store_relaxed(3);
  a[0].page->purged.store_relaxed(1);
  EXPECT_EQ(take(TakePath::kPartial).page, a[0].page);
  EXPECT_EQ(a[0].page->purged.load_relaxed(), 0u) << "its memory may be needed again";
  give(a[1], GivePath::kCurrent);
  purge_at_rest(4);
  EXPECT_EQ(cold_.purged.size(), 1u);
  purge_at_rest(5);
  EXPECT_EQ(cold_.purged.size(), 2u);
}

TEST_F(Hot, AWalkInStepsEndsWhereOthersHaveMovedThePage) {
  cls().max_partial = 8;
  const auto a = take_page(), b = take_page(), c = take_page();
  take(TakePath::kRefill);
  for (const auto& page : {a, b, c}) give(page[0], GivePath::kPartial);
  PageCursor at;
  ASSERT_TRUE(hot_.purge_next_at_rest(2, at)) << "the current one";
  ASSERT_TRUE(hot_.purge_next_at_rest(2, at)) << "c";
  for (std::size_t i = 1; i < b.size(); ++i) hot_.give(*b[i].page, b[i].slot);
  cls().max_partial = 0;
  hot_.retire_empty_pages([](const Page&) {});
  ASSERT_EQ(b[0].page->flags, PageFlag::kRetired);
  EXPECT_FALSE(hot_.purge_next_at_rest(2, at));
  EXPECT_EQ(purge_at_rest(2), 1) << "a, at the next walk";
}

// A link that leads nowhere: whoever followed it would crash.
TEST_F(Hot, WhereNoPageIsEmptyNoneIsLookedAtForOne) {
  cls().max_partial = 8;
  const auto a = take_page(), b = take_page();
  take(TakePath::kRefill);
  give(a[0], GivePath::kPartial);
  give(b[0], GivePath::kPartial);
  const std::uint32_t next = b[0].page->links.next;
  b[0].page->links.next = 0x7FFFFFFF;
  hot_.retire_empty_pages([](const Page&) { ADD_FAILURE(); });
  b[0].page->links.next = next;
  for (std::size_t i = 1; i < a.size(); ++i) hot_.give(*a[i].page, a[i].slot);
  ASSERT_EQ(cls().empty_count, 1u);
  int retired = 0;
  hot_.retire_empty_pages([&](const Page& page) {
    EXPECT_EQ(&page, a[0].page);
    ++retired;
  });
  EXPECT_EQ(retired, 1);
  EXPECT_EQ(cls().empty_count, 0u);
}

// Small's lists are long from two pages on.
TEST_F(Hot, LongListsAreLookedAtInTurns) {
  cls().max_partial = 8;
  const auto a = take_page(), b = take_page(), c = take_page();
  const Block current = take(TakePath::kRefill);
  for (const auto& page : {a, b, c}) give(page[0], GivePath::kPartial);
  ASSERT_EQ(cls().partial_count, 3u);
  const std::uint32_t bin = bin_.value();
  const std::uint32_t due = 100 + (bin + 100) % 2;  // one in two
  hot_.purge_at_rest_in_turns(due + 1);
  EXPECT_TRUE(cold_.purged.empty());
  hot_.purge_at_rest_in_turns(due);
  EXPECT_EQ(cold_.purged.size(), 4u) << "the current one, too";
  EXPECT_EQ(current.page->used_at_purge, 1);
}

TEST_F(Hot, PurgeAllDoesNotAskForRest) {
  const auto a = take_page();
  const Block current = take(TakePath::kRefill);
  give(a[0], GivePath::kPartial);
  purge_all();
  EXPECT_EQ(cold_.purged, (std::vector{current.page, a[0].page}));
  purge_all();
  EXPECT_EQ(cold_.purged.size(), 2u);
}

TEST_F(Hot, ARetiredPageWasInUseWhenItsContextWasLastAtWork) {
  cls().max_partial = 0;
  ctx_.period.store_relaxed(5);
  const auto a = take_page();
  ctx_.period.store_relaxed(9);
  give_all(a);
  EXPECT_EQ(cold_.last_used_in, 9u);
}

TEST_F(Hot, RandomStepsLoseNothing) {
  Rng rng(20240507);
  std::vector<Block> out;
  std::uint32_t most = 0;
  for (int step = 0; step < 20000; ++step) {
    const bool grow = rng.below(1000) < 500 + (step / 2000 % 2 == 0 ? 30u : 0u);
    if (out.empty() || grow) {
      const auto source = hot_.page_to_take_from(bin_);
      ASSERT_NE(source.page, nullptr);
      ASSERT_TRUE(source.page->has_free_slot());
      out.push_back({source.page, hot_.take(*source.page, kEntryLive)});
    } else {
      std::swap(out[rng.below(static_cast<std::uint32_t>(out.size()))], out.back());
      hot_.give(*out.back().page, out.back().slot);
      out.pop_back();
    }
    std::uint32_t used = 0;
    for (const Page* page : partial()) used += page->used;
    ASSERT_LE(used, out.size());
    most = std::max(most, cls().pages);
    ASSERT_GE(cls().pages * kSlots, out.size());
  }
  EXPECT_GT(most, 10u);
  give_all(out);
  hot_.retire_empty_pages([](const Page&) {});
  EXPECT_EQ(cls().pages, 0u);
  EXPECT_EQ(cold_.lent(), 0u);
}

// The owner's free and another thread's raced for the page's last block: it is told before the page
// is another's.
TEST_F(Hot, APageWithARacedFreeIsNotRetired) {
  cls().max_partial = 0;
  const Block block = take(TakePath::kRefill);
  block.page->remote_head.store_relaxed(block.slot);
  EXPECT_DEATH(hot_.give(*block.page, block.slot), "double-free: retire");
}

}  // namespace
}  // namespace hakmem::test
