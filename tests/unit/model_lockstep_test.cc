// That lockstep can fail: the model, or the allocator behind its back, is tampered with in every
// way that is compared, and the difference has to be named. And traces that once differed.
#include "models/lockstep/lockstep.h"

#include <gtest/gtest.h>

#include <string>

#include "models/lockstep/lockstep_configs.h"

namespace hakmem::model {
namespace {

using SmallRun = Lockstep<SmallHardened>;

constexpr Op kMalloc40{OpKind::kMalloc, 0, 0, 40, 0};
constexpr Op kFreeNewest{OpKind::kFree, 0, 0, 0, 0};
constexpr Op kFreeByOther{OpKind::kFree, 1, 0, 0, 0};

class Tampered : public testing::Test {
 protected:
  Tampered() : run_({}) {
    for (int i = 0; i < 6; ++i) EXPECT_TRUE(run_.step(kMalloc40));
    EXPECT_TRUE(run_.step(kFreeNewest));
    EXPECT_TRUE(run_.step(kFreeByOther));
    EXPECT_TRUE(run_.step({OpKind::kFree, 1, 3, 0, 0}));
    EXPECT_EQ(run_.failure(), "");
    for (Context& ctx : run_.model().contexts()) {
      if (!ctx.pending.empty()) page_ = &run_.model().cold().page(ctx.pending.back());
    }
  }
  std::string difference() {
    run_.finish();
    return run_.difference();
  }
  Context& first() { return run_.model().contexts()[0]; }
  std::size_t bin() { return run_.model().shape().bin_of(40); }
  void expect_named(const char* part) {
    const std::string found = difference();
    EXPECT_NE(found.find(part), std::string::npos) << found;
  }

  SmallRun run_;
  Page* page_ = nullptr;
};

TEST_F(Tampered, NothingIsWrongUntouched) { EXPECT_EQ(difference(), ""); }

TEST_F(Tampered, Counter) {
  ++first().stats.by_class[3].alloc_refill;
  expect_named("counter alloc_refill[C3] of context 0");
}
TEST_F(Tampered, TotalCounter) {
  ++first().stats.page_of_fail;
  expect_named("counter page_of_fail");
}
TEST_F(Tampered, Life) {
  first().life = Life::kParked;
  expect_named("life of context 0");
}
TEST_F(Tampered, PolicyTakenUp) {
  first().policy.c6_hot = true;
  expect_named("policy taken up");
}
TEST_F(Tampered, MaxPartial) {
  ++first().bins[bin()].max_partial;
  expect_named("max_partial");
}
TEST_F(Tampered, PartialCount) {
  first().bins[bin()].partial.push_back(0);
  expect_named("partial_count");
}
TEST_F(Tampered, PagesOwned) {
  ++first().bins[bin()].pages;
  expect_named("pages (context 0");
}
TEST_F(Tampered, PeriodOfTheContext) {
  ++first().period;
  expect_named("decay period of context 0");
}
TEST_F(Tampered, Attended) {
  first().attended = !first().attended;
  expect_named("attended context 0");
}
TEST_F(Tampered, Watched) {
  first().watched = !first().watched;
  expect_named("watched context 0");
}
TEST_F(Tampered, Called) {
  first().called = !first().called;
  expect_named("called context 0");
}
TEST_F(Tampered, OutOfView) {
  first().out_of_view = !first().out_of_view;
  expect_named("out of view is context 0");
}
TEST_F(Tampered, PeriodOfTheMagazine) {
  ++first().bins[bin()].used_in;
  expect_named("decay period of the magazine (context 0");
}
TEST_F(Tampered, PeriodOfThePage) {
  ++page_->taken_in;
  expect_named("decay period in which a slot was taken from page");
}
TEST_F(Tampered, SystemPagesThatWereNotGivenBack) {
  page_->purged_min = page_->purged_max = 1;
  expect_named("system pages given back of page");
}
TEST_F(Tampered, SystemPagesGivenBackBehindItsBack) {
  run_.real().boxes().arena.page(static_cast<std::uint32_t>(page_->head)).purged.store_relaxed(1);
  expect_named("system pages given back of page");
}
TEST_F(Tampered, Current) {
  first().bins[bin()].current = kNone;
  expect_named("current");
}
TEST_F(Tampered, MagazineClosed) {
  first().magazines[bin()].open = false;
  expect_named("magazine capacity");
}
TEST_F(Tampered, MagazineSize) {
  first().magazines[bin()].blocks.pop_back();
  expect_named("magazine size");
}
TEST_F(Tampered, MagazinePlace) {
  ASSERT_FALSE(first().magazines[bin()].blocks.empty());
  first().magazines[bin()].blocks[0] = {kNone, 0, 4096};
  expect_named("magazine place");
}
TEST_F(Tampered, Pending) {
  first().pending.pop_back();
  expect_named("pending page of context 0");
}
TEST_F(Tampered, RemoteStack) {
  ASSERT_NE(page_, nullptr);
  page_->remote.back() = page_->remote.back() == 0 ? 1 : 0;
  expect_named("remote stack");
}
TEST_F(Tampered, SlotState) {
  ASSERT_NE(page_, nullptr);
  page_->slots[page_->remote.back()] = Slot::kLive;
  expect_named("state of slot");
}
TEST_F(Tampered, Used) {
  ++page_->used;
  expect_named("used of page");
}
TEST_F(Tampered, Place) {
  page_->place = page_->place == Place::kFull ? Place::kCurrent : Place::kFull;
  expect_named("place of page");
}
TEST_F(Tampered, TierAndTotals) {
  run_.model().cold().slabs[0].tier = SlabTier::kDraining;
  expect_named("tier of superslab 0");
}
TEST_F(Tampered, BytesLent) {
  ++run_.model().cold().lent_bytes;
  expect_named("bytes lent");
}
TEST_F(Tampered, LiveBlocksOfV1) {
  ++run_.model().v1_live[0];
  expect_named("blocks of v1 in bin 0");
}
TEST_F(Tampered, LargeBlocks) {
  ++run_.model().large_live;
  expect_named("large blocks");
}
TEST_F(Tampered, Refills) {
  ++run_.model().learner().seen[3].refills;
  expect_named("pages borrowed since the learner's decision, class 3");
}
TEST_F(Tampered, Retires) {
  ++run_.model().learner().seen[3].retires;
  expect_named("pages retired since the learner's decision, class 3");
}
TEST_F(Tampered, Spares) {
  ++run_.model().learner().seen[3].spares;
  expect_named("pages kept empty since the learner's decision, class 3");
}
TEST_F(Tampered, Contents) {
  run_.blocks().at(0).bytes()[5] ^= 1;
  expect_named("contents of a live block");
}
TEST_F(Tampered, LawOfTheRealStructure) {
  // A live slot written FREE behind everybody's back.
  const Block& block = run_.blocks().at(0);
  auto& page = run_.real().boxes().arena.page(static_cast<std::uint32_t>(block.owned.page));
  page.entries[block.owned.slot].store_relaxed(kEntryFree);
  EXPECT_NE(difference(), "");
}
TEST_F(Tampered, VerdictOnAStalePointer) {
  run_.model().cold().page(run_.blocks().at(0).owned.page).carved = 0;
  EXPECT_FALSE(run_.step({OpKind::kInterior, 0, 4, 0, 0}));
}

// A large block of few bytes at a large alignment was said to have another size.
TEST(Regression, FreeSizedOfASmallSizeAtALargeAlignment) {
  EXPECT_EQ(
      run_trace<SmallHardened>({{OpKind::kAligned, 0, 0, 0, 14}, {OpKind::kFreeSized, 0, 0, 0, 0}}),
      "");
  EXPECT_EQ(run_trace<ProductionHardened>({{OpKind::kAligned, 0, 0, 100, 14},
                                           {OpKind::kFreeSized, 0, 0, 0, 0},
                                           {OpKind::kMalloc, 0, 0, 700000, 0},
                                           {OpKind::kRealloc, 0, 0, 600000, 0},
                                           {OpKind::kFreeSized, 0, 0, 0, 0}}),
            "");
}

// Pages that come back by drain, and those given back at thread exit, are counted as retired.
TEST(Regression, RetiredPagesAreCountedHoweverTheyGo) {
  SmallRun run({});
  ASSERT_TRUE(run.step({OpKind::kCount, 0, 0, 0, 1}));
  ASSERT_TRUE(run.step({OpKind::kMalloc, 0, 0, 4096, 0}));
  ASSERT_TRUE(run.step(kFreeByOther));
  ASSERT_TRUE(run.step({OpKind::kThreadExit, 0, 0, 0, 0}));
  EXPECT_TRUE(run.finish()) << run.failure();
  EXPECT_GE(run.real().stats().by_class[9].free_retire, 1u);
}

}  // namespace
}  // namespace hakmem::model
