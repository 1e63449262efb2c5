// The learner: what it decides from what it has seen, who decides and when, and that a whole
// allocator borrows fewer pages for it and gives them back when the program has become calm.
#include "learn/learn_box.h"

#include <gtest/gtest.h>

#include <array>
#include <thread>
#include <vector>

#include "laws/learn_laws.h"
#include "test_heap.h"

namespace hakmem::test {
namespace {

// ---- the decision

constexpr LearnRule kRule{10, 4, 3};
constexpr ClassBounds kBounds{4, 24, 16, 64};

constexpr ClassPolicy limits(std::uint16_t max_partial, std::uint16_t warm_cap) {
  return {true, max_partial, warm_cap, false};
}
constexpr Learned decided(const ClassPolicy& policy, const ClassDeltas& deltas,
                          std::uint16_t calm = 0, std::uint32_t periods = 1) {
  return decide({policy, calm}, periods, deltas, kBounds, kRule);
}

TEST(LearnDecision, DoublesWhatGoesBackAndForth) {
  EXPECT_EQ(decided(limits(4, 16), {10, 10, 0}).policy, limits(8, 32));
  EXPECT_EQ(decided(limits(4, 16), {9, 1000, 0}).policy, limits(4, 16)) << "the heap shrinks";
  EXPECT_EQ(decided(limits(4, 16), {1000, 9, 0}).policy, limits(4, 16)) << "the heap grows";
}

TEST(LearnDecision, StopsAtTheBounds) {
  EXPECT_EQ(decided(limits(16, 64), {10, 10, 0}).policy, limits(24, 64));
  EXPECT_EQ(decided(limits(24, 32), {10, 10, 0}).policy, limits(24, 64));
  EXPECT_EQ(decided(limits(24, 64), {99, 99, 99}).policy, limits(24, 64));
  EXPECT_EQ(decided(limits(0, 0), {10, 10, 0}).policy, limits(1, 1));
}

TEST(LearnDecision, HalvesAfterCalmPeriodsOnly) {
  EXPECT_EQ(decided(limits(8, 32), {0, 0, 0}).policy, limits(8, 32));
  EXPECT_EQ(decided(limits(8, 32), {0, 0, 0}).calm, 1);
  EXPECT_EQ(decided(limits(8, 32), {500, 1, 2}, 1).calm, 2) << "refills alone do not disturb";
  EXPECT_EQ(decided(limits(8, 32), {0, 0, 0}, 2).policy, limits(4, 16));
  EXPECT_EQ(decided(limits(8, 32), {0, 0, 0}, 2).calm, 0) << "the next step waits again";
  EXPECT_EQ(decided(limits(8, 32), {0, 0, 0}, 0, 3).policy, limits(4, 16)) << "three at once";
  EXPECT_EQ(decided(limits(8, 32), {0, 0, 0}, 0, 0xFFFFFFFF).policy, limits(4, 16));
}

TEST(LearnDecision, PagesThatAreKeptForUseKeepTheLimits) {
  EXPECT_EQ(decided(limits(8, 32), {0, 0, 4}, 2).policy, limits(8, 32));
  EXPECT_EQ(decided(limits(8, 32), {0, 0, 4}, 2).calm, 0);
  EXPECT_EQ(decided(limits(8, 32), {0, 2, 2}, 2).policy, limits(8, 32)) << "retires count, too";
  EXPECT_EQ(decided(limits(8, 32), {0, 0, 3}, 2).policy, limits(4, 16));
}

TEST(LearnDecision, ComesBackToTheDefaultsExactly) {
  EXPECT_EQ(decided(limits(24, 64), {0, 0, 0}, 2).policy, limits(12, 32));
  EXPECT_EQ(decided(limits(6, 17), {0, 0, 0}, 2).policy, limits(4, 16));
  EXPECT_EQ(decided(limits(4, 16), {0, 0, 0}, 2).policy, limits(4, 16));
  EXPECT_EQ(decided(limits(2, 3), {0, 0, 0}, 2).policy, limits(2, 3)) << "never up for calm";
}

TEST(LearnDecision, WhatTheProgramHasSetStays) {
  ClassPolicy set = limits(1, 2);
  set.pinned = true;
  EXPECT_EQ(decided(set, {99, 99, 99}).policy, set);
  EXPECT_EQ(decided(set, {0, 0, 0}, 2).policy, set);
  EXPECT_EQ(decided(set, {0, 0, 0}, 2).calm, 0);
}

TEST(LearnDecision, BoundsOfProductionAreBytes) {
  constexpr std::array<std::uint16_t, kClassesMax> held{64, 64, 64, 64, 64, 64, 64, 64,
                                                        64, 64, 32, 16, 8,  4,  2,  2};
  constexpr std::array<std::uint16_t, kClassesMax> warm{128, 128, 128, 128, 128, 128, 128, 128,
                                                        128, 128, 64,  32,  16,  8,   4,   4};
  for (std::size_t c = 0; c < kClassesMax; ++c) {
    const ClassBounds bounds = learn_bounds<Full>(c);
    EXPECT_EQ(bounds.max_partial_least, default_policy().classes[c].max_partial) << c;
    EXPECT_EQ(bounds.max_partial_most, held[c]) << c;
    EXPECT_EQ(bounds.warm_cap_least, default_policy().classes[c].warm_cap) << c;
    EXPECT_EQ(bounds.warm_cap_most, warm[c]) << c;
  }
  EXPECT_EQ(learn_bounds<Small>(12).max_partial_most, 1) << "no such class: the default";
  EXPECT_EQ(learn_bounds<Small>(9).max_partial_most, 4);
  const LearnRule rule = learn_rule<Full>();
  EXPECT_EQ(rule.churn_pages, 32);
  EXPECT_EQ(rule.calm_pages, 8);
  EXPECT_EQ(rule.calm_periods, 4);
}

// ---- laws

TEST(LearnLaws, L1) {
  EXPECT_EQ(laws::l1_limits_are_within_bounds(limits(4, 64), kBounds), laws::kHolds);
  EXPECT_EQ(laws::l1_limits_are_within_bounds(limits(24, 16), kBounds), laws::kHolds);
  for (const ClassPolicy& off : {limits(3, 16), limits(25, 16), limits(4, 15), limits(4, 65)}) {
    EXPECT_STREQ(laws::l1_limits_are_within_bounds(off, kBounds), "L1");
    ClassPolicy set = off;
    set.pinned = true;
    EXPECT_EQ(laws::l1_limits_are_within_bounds(set, kBounds), laws::kHolds);
  }
}

TEST(LearnLaws, L2) {
  const PolicySnapshot before = default_policy();
  PolicySnapshot after = before;
  after.classes[3].max_partial = 8;
  after.classes[3].warm_cap = 9;
  EXPECT_EQ(laws::l2_only_limits_change(before, after), laws::kHolds);
  PolicySnapshot other = after;
  other.classes[5].v3 = false;
  EXPECT_STREQ(laws::l2_only_limits_change(before, other), "L2");
  other = after;
  other.count = true;
  EXPECT_STREQ(laws::l2_only_limits_change(before, other), "L2");
  PolicySnapshot set = before;
  set.classes[3].pinned = after.classes[3].pinned = true;
  EXPECT_STREQ(laws::l2_only_limits_change(set, after), "L2");
}

TEST(LearnLaws, L3) {
  const auto step = [](const ClassPolicy& to) {
    return laws::l3_one_step(limits(8, 32), to, {4, 24, 16, 48});
  };
  EXPECT_EQ(step(limits(8, 32)), laws::kHolds);
  EXPECT_EQ(step(limits(16, 48)), laws::kHolds) << "as far as the bound";
  EXPECT_EQ(step(limits(4, 16)), laws::kHolds);
  for (const ClassPolicy& off : {limits(9, 32), limits(24, 32), limits(8, 64), limits(7, 32),
                                 limits(16, 16), limits(4, 48)}) {
    EXPECT_STREQ(step(off), "L3") << off.max_partial << " " << off.warm_cap;
  }
}

TEST(LearnLaws, AuditSeesLimitsOutOfBounds) {
  Heap<Small> heap;
  PolicySnapshot policy = default_policy();
  policy.classes[4].warm_cap = 1;
  heap.allocator->publish_policy(heap.ctx, policy);
  EXPECT_EQ(heap.audit(), laws::kHolds) << "the learner is off";
  policy.learn = true;
  heap.allocator->publish_policy(heap.ctx, policy);
  EXPECT_STREQ(heap.audit(), "L1");
}

// ---- the box

struct LearnBoxTest : ::testing::Test {
  LearnBox<Small> box;  // churn 2, calm 1 in 2 periods
  PolicySnapshot policy = default_policy();
  int asked = 0;

  LearnBoxTest() { policy.learn = true; }
  void decide_in(std::uint32_t period, Published result = Published::kDone) {
    box.decide_in(period, [&](auto&& edit) {
      ++asked;
      edit(policy);
      return result;
    });
  }
  void churn(std::uint8_t c, int pages) {
    for (int i = 0; i < pages; ++i) {
      box.note_refill(SizeClass(c));
      box.note_retire(SizeClass(c));
    }
  }
};

TEST_F(LearnBoxTest, DecidesOncePerPeriod) {
  EXPECT_FALSE(box.due(0));
  EXPECT_TRUE(box.due(1));
  decide_in(1);
  EXPECT_FALSE(box.due(1));
  decide_in(1);
  EXPECT_EQ(asked, 1);
  decide_in(0);  // a thread that read the clock before another
  EXPECT_EQ(asked, 1);
  EXPECT_FALSE(box.due(1)) << "time does not go back";
  decide_in(2);
  EXPECT_EQ(asked, 2);
}

TEST_F(LearnBoxTest, EachClassByItsOwnEvents) {
  churn(3, 2);
  churn(5, 1);
  decide_in(1);
  PolicySnapshot due = default_policy();
  due.learn = true;
  due.classes[3] = limits(8, 32);
  EXPECT_EQ(policy, due);
}

TEST_F(LearnBoxTest, EventsCountForOneDecision) {
  churn(3, 1);
  decide_in(1);
  churn(3, 1);
  decide_in(2);
  EXPECT_EQ(policy.classes[3], limits(4, 16)) << "one in each period";
}

TEST_F(LearnBoxTest, SparesPostponeTheCalm) {
  churn(3, 2);
  decide_in(1);
  decide_in(2);
  box.note_spare(SizeClass(3));
  decide_in(3);
  decide_in(4);
  EXPECT_EQ(policy.classes[3], limits(8, 32));
  decide_in(5);
  EXPECT_EQ(policy.classes[3], limits(4, 16));
}

TEST_F(LearnBoxTest, PeriodsWithoutADecisionCountAsCalm) {
  churn(3, 2);
  decide_in(1);
  decide_in(3);
  EXPECT_EQ(policy.classes[3], limits(4, 16));
}

TEST_F(LearnBoxTest, LeavesAPolicyAloneThatDoesNotLearn) {
  policy.learn = false;
  churn(3, 2);
  decide_in(1);
  EXPECT_EQ(policy, default_policy());
}

TEST_F(LearnBoxTest, NobodyWaitsForADecision) {
  box.lock_for_fork();
  decide_in(1);
  EXPECT_EQ(asked, 0);
  EXPECT_TRUE(box.due(1));
  box.unlock_after_fork();
  decide_in(1);
  EXPECT_EQ(asked, 1);
}

TEST_F(LearnBoxTest, SaysOnceThatItIsFull) {
  testing::internal::CaptureStderr();
  decide_in(1, Published::kNoMemory);
  decide_in(2, Published::kUnchanged);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  testing::internal::CaptureStderr();
  decide_in(3, Published::kFull);
  decide_in(4, Published::kFull);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "hakmem: warning: HAKMEM_LEARN has made as many policies as it may; it goes on with "
            "those\n");
}

// ---- a whole allocator

PolicySnapshot learning_policy() {
  PolicySnapshot policy = counting_policy();
  policy.learn = true;
  return policy;
}

// A heap whose program fills and empties 1.5 MiB of 1024-byte blocks, four times in each decay
// period.
template <class C>
struct Churning : Heap<C> {
  static constexpr std::size_t kBlocks = 1500, kSize = 1024;

  explicit Churning(const PolicySnapshot& policy) : Heap<C>(policy) {}
  void churning_period() {
    for (int times = 0; times < 4; ++times) {
      std::vector<void*> blocks;
      for (std::size_t i = 0; i < kBlocks; ++i) blocks.push_back(this->take(kSize));
      for (void* const p : blocks) this->give(p);
    }
    this->platform().advance_clock_ms(ColdBox<C>::kDecayPeriodMs);
  }
  // A period in which other sizes are used: 300 blocks of 64 bytes more than before.
  void calm_period() {
    for (int i = 0; i < 300; ++i) this->take(64);
    this->platform().advance_clock_ms(ColdBox<C>::kDecayPeriodMs);
  }
  std::uint64_t refills_of_periods(int periods) {
    const std::uint64_t before = refills();
    for (int i = 0; i < periods; ++i) churning_period();
    return refills() - before;
  }
  std::uint64_t refills() { return this->allocator->stats().by_class[7].alloc_refill; }
  ClassPolicy c7() { return this->allocator->policy().classes[7]; }
};

TEST(Learner, CutsTheRefillsOfAChurningProgram) {
  Churning<Full> plain(counting_policy());
  Churning<Full> learning(learning_policy());
  const std::uint64_t without = plain.refills_of_periods(20);
  const std::uint64_t with = learning.refills_of_periods(20);
  EXPECT_EQ(without, 1052u);
  EXPECT_EQ(with, 184u);
  EXPECT_EQ(learning.refills_of_periods(20), 80u) << "settled, at one page a time too few";
  EXPECT_EQ(plain.c7(), limits(4, 16));
  EXPECT_EQ(learning.audit(), nullptr);
}

TEST(Learner, ComesBackAndGivesPagesBackWhenTheProgramIsCalm) {
  Churning<Full> heap(learning_policy());
  heap.refills_of_periods(10);
  const ClassPolicy learned = heap.c7();
  ASSERT_GT(learned.max_partial, 4);
  const std::uint32_t held = heap.class_of(1024).pages;
  for (int i = 0; i < 3; ++i) heap.calm_period();
  EXPECT_EQ(heap.c7(), learned) << "not at once";
  for (int i = 0; i < 40; ++i) heap.calm_period();
  EXPECT_EQ(heap.c7(), limits(4, 16));
  EXPECT_LE(heap.class_of(1024).partial_count, 4u);
  EXPECT_LT(heap.class_of(1024).pages, held);
  EXPECT_EQ(heap.audit(), nullptr);
}

TEST(Learner, WhatTheProgramHasSetWins) {
  PolicySnapshot policy = learning_policy();
  policy.classes[7].max_partial = 1;
  policy.classes[7].pinned = true;
  Churning<Full> heap(policy);
  heap.refills_of_periods(10);
  EXPECT_EQ(heap.allocator->policy(), policy);
}

TEST(Learner, SeesNothingWhileItIsOff) {
  Churning<Full> heap(counting_policy());
  heap.refills_of_periods(10);
  heap.allocator->update_policy(heap.ctx, [](PolicySnapshot& p) { p.learn = true; });
  heap.calm_period();
  EXPECT_EQ(heap.c7(), limits(4, 16)) << "the past is not learned from";
  heap.refills_of_periods(3);
  EXPECT_GT(heap.c7().max_partial, 4);
  heap.allocator->update_policy(heap.ctx, [](PolicySnapshot& p) { p.learn = false; });
  const ClassPolicy kept = heap.c7();
  for (int i = 0; i < 20; ++i) heap.calm_period();
  EXPECT_EQ(heap.c7(), kept) << "turned off, limits stay as they are";
}

// A context in release mode gives everything back whatever the limits are: nothing to be learned.
TEST(Learner, AProgramThatOnlyFreesIsNoChurn) {
  Heap<Full> heap(learning_policy());
  for (int round = 0; round < 5; ++round) {
    std::vector<void*> blocks;
    for (int i = 0; i < 40000; ++i) blocks.push_back(heap.take(1024));
    const std::uint64_t before = heap.allocator->stats().by_class[7].free_retire;
    for (void* const p : blocks) heap.give(p);
    EXPECT_GT(heap.allocator->stats().by_class[7].free_retire - before, 500u);
    heap.platform().advance_clock_ms(ColdBox<Full>::kDecayPeriodMs);
  }
  EXPECT_LE(heap.allocator->policy().classes[7].max_partial, 64);
  EXPECT_EQ(heap.audit(), nullptr);
}

TEST(Learner, GoesOnAfterAFork) {
  Churning<Full> heap(learning_policy());
  heap.allocator->fork_prepare();
  heap.allocator->fork_parent();
  heap.refills_of_periods(2);
  EXPECT_EQ(heap.c7().max_partial, 8) << "in the parent";
  heap.allocator->fork_prepare();
  heap.allocator->fork_child(heap.ctx);
  heap.refills_of_periods(1);
  EXPECT_EQ(heap.c7().max_partial, 16) << "in the child";
}

// A snapshot that the system has no memory for is not taken up, and is tried again.
TEST(Learner, WithoutMemoryForASnapshotEverythingStays) {
  Churning<Full> heap(learning_policy());
  heap.churning_period();
  heap.platform().fail_after(Call::kMap, 0);
  heap.refills_of_periods(3);
  EXPECT_EQ(heap.allocator->policy(), learning_policy());
  heap.platform().stop_failing();
  heap.refills_of_periods(1);
  EXPECT_EQ(heap.c7().max_partial, 8);
  EXPECT_EQ(heap.audit(), nullptr);
}

// The cold box is told of a learned warm_cap, too.
TEST(Learner, LearnedWarmCapsReachTheColdBox) {
  Churning<Full> heap(learning_policy());
  heap.refills_of_periods(4);
  ASSERT_EQ(heap.c7().warm_cap, 64);
  std::vector<void*> blocks;
  for (int i = 0; i < 6000; ++i) blocks.push_back(heap.take(1024));
  for (void* const p : blocks) heap.give(p);
  heap.platform().advance_clock_ms(2 * ColdBox<Full>::kDecayPeriodMs);
  age(heap.allocator->boxes().cold);
  const std::size_t warm =
      heap.allocator->boxes().cold.totals().warm_bytes / Full::Sizes::kUnitBytes;
  EXPECT_GT(warm, 16u);
  EXPECT_LE(warm, 64u);
}

// As many pages as the learned limit allows, none of them empty, and each period some blocks of
// theirs come and go: the limit is not what keeps them.
TEST(Learner, PagesInUseAreNoSpares) {
  Churning<Full> heap(learning_policy());
  heap.refills_of_periods(10);
  const std::size_t learned = heap.c7().max_partial;
  ASSERT_GT(learned, 4u);
  std::vector<void*> blocks;
  while (heap.class_of(1024).pages < learned) blocks.push_back(heap.take(1024));
  for (std::size_t i = 0; i < blocks.size(); i += 2) heap.give(std::exchange(blocks[i], nullptr));
  ASSERT_GT(heap.class_of(1024).partial_count, learned / 2);
  for (int period = 0; period < 40; ++period) {
    std::vector<void*> some;
    for (int i = 0; i < 300; ++i) some.push_back(heap.take(1024));
    for (void* const p : some) heap.give(p);
    heap.calm_period();
  }
  EXPECT_EQ(heap.c7(), limits(4, 16));
  EXPECT_EQ(heap.audit(), nullptr);
}

// A program that goes on filling and emptying its pages within the limits has use for them.
TEST(Learner, ManySparesAre) {
  Churning<Full> heap(learning_policy());
  heap.refills_of_periods(10);
  const ClassPolicy learned = heap.c7();
  heap.refills_of_periods(40);
  EXPECT_EQ(heap.c7(), learned);
}

// Threads churn while time goes by: decisions are made by whoever comes, limits stay in bounds.
TEST(Learner, ThreadsAndTime) {
  Heap<Full> heap(learning_policy());
  std::array<std::thread, 3> threads;
  for (std::size_t t = 0; t < threads.size(); ++t) {
    threads[t] = std::thread([&heap, t] {
      Context<Full>* const ctx = heap.allocator->attach_context();
      std::vector<void*> blocks;
      for (int round = 0; round < 8; ++round) {
        for (int i = 0; i < 900; ++i) blocks.push_back(heap.allocator->allocate(ctx, 900 + t));
        for (void* const p : blocks) heap.allocator->deallocate(ctx, p);
        blocks.clear();
        heap.platform().advance_clock_ms(100);
      }
      heap.allocator->park_context(*ctx);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(heap.audit(), nullptr);
}

}  // namespace
}  // namespace hakmem::test
