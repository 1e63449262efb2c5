// The registry: attach, park, adopt; what scavenging visits; when there is none left; fork.
#include "heap/context_registry.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

class Registry : public ::testing::Test {
 protected:
  using Ctx = Context<Small>;
  void SetUp() override { ASSERT_TRUE(registry_.init(platform_)); }
  // As if a block of the context's had been freed from elsewhere, on the page of unit 0.
  void send_something(Ctx& ctx) {
    const std::uint32_t before = ctx.pending.head.exchange_acquire(0);
    if (before == PendingPages<Small>::kOutOfView) registry_.call(ctx);
  }
  static void drain(Ctx& ctx) { ctx.pending.head.exchange_acquire(PendingPages<Small>::kInView); }
  // Its thread is on a slow path.
  void work(Ctx& ctx, std::uint32_t period) {
    const LockGuard<Small> working(ctx.lock);
    registry_.attend(ctx);
    ctx.so.period.store_relaxed(period);
  }
  // How many contexts that visits.
  std::size_t visit_idle(std::uint32_t now, ContextRegistry<Small>::Looks looks = {}) {
    std::size_t visits = 0;
    registry_.visit_idle(now, looks, [&](Ctx& ctx, std::uint32_t) {
      drain(ctx);
      ++visits;
      return false;
    });
    return visits;
  }
  // Which contexts are drained.
  std::set<Ctx*> scavenge(std::size_t most) {
    std::set<Ctx*> drained;
    registry_.scavenge(most, [&](Ctx& ctx) {
      EXPECT_FALSE(ctx.lock.try_lock()) << "held meanwhile";
      drain(ctx);
      EXPECT_TRUE(drained.insert(&ctx).second);
    });
    return drained;
  }
  FakePlatform platform_;
  ContextRegistry<Small> registry_;
};

TEST_F(Registry, AFreshContextIsReadyAndItsOwn) {
  EXPECT_EQ(registry_.bytes_used(), 0u);
  Ctx* const a = registry_.attach();
  Ctx* const b = registry_.attach();
  ASSERT_TRUE(a != nullptr && b != nullptr);
  EXPECT_NE(a, b);
  EXPECT_EQ(a->number, 1u);
  EXPECT_EQ(b->number, 2u);
  EXPECT_EQ(a->state, ContextState::kActive);
  EXPECT_NE(a->so.rng.next(), b->so.rng.next()) << "seeded apart";
  for (std::size_t bin = 0; bin < Small::Sizes::kBins; ++bin) {
    EXPECT_EQ(a->so.bins[bin].owner.context, a);
    EXPECT_EQ(a->so.bins[bin].owner.magazine, &a->ultra.front[bin]);
    EXPECT_FALSE(a->ultra.is_open(BinIndex(static_cast<std::uint8_t>(bin))));
  }
}

TEST_F(Registry, AContextThatStandsForNoneHasNumberZero) {
  EXPECT_EQ(std::make_unique<Ctx>()->number, 0u);
}

TEST_F(Registry, MagazineStorageOfContextsDoesNotOverlap) {
  Ctx* const a = registry_.attach();
  Ctx* const b = registry_.attach();
  const auto end =
      reinterpret_cast<std::uintptr_t>(a->ultra.storage + Small::Sizes::kMagazineEntries);
  EXPECT_GE(reinterpret_cast<std::uintptr_t>(a->ultra.storage),
            reinterpret_cast<std::uintptr_t>(a + 1));
  EXPECT_LE(end, reinterpret_cast<std::uintptr_t>(b));
  for (std::size_t i = 0; i < Small::Sizes::kMagazineEntries; ++i) b->ultra.storage[i] = {};
}

TEST_F(Registry, AParkedContextIsAdoptedWhole) {
  Ctx* const a = registry_.attach();
  a->so.bins[3].partial_count = 7;
  registry_.park(*a);
  EXPECT_EQ(a->state, ContextState::kParked);
  EXPECT_EQ(registry_.attach(), a);
  EXPECT_EQ(a->state, ContextState::kActive);
  EXPECT_EQ(a->so.bins[3].partial_count, 7u);
  EXPECT_EQ(a->number, 1u);
}

TEST_F(Registry, EveryParkedContextComesBackOnce) {
  std::set<Ctx*> all;
  for (int i = 0; i < 5; ++i) all.insert(registry_.attach());
  for (Ctx* ctx : all) registry_.park(*ctx);
  std::set<Ctx*> again;
  for (int i = 0; i < 5; ++i) again.insert(registry_.attach());
  EXPECT_EQ(again, all);
  EXPECT_FALSE(all.contains(registry_.attach()));
}

TEST_F(Registry, AContextIsIdleWhenItsThreadWasOnNoSlowPathForTwoPeriods) {
  Ctx* const ctx = registry_.attach();
  work(*ctx, 5);
  EXPECT_EQ(visit_idle(5), 0u);
  EXPECT_EQ(visit_idle(6), 0u);
  EXPECT_EQ(visit_idle(4), 0u) << "its thread may have noticed a later period";
  EXPECT_EQ(visit_idle(7), 1u);
}

TEST_F(Registry, OneVisitIsEnoughUntilSomethingIsSentOrItsThreadWasAtWork) {
  Ctx* const ctx = registry_.attach();
  work(*ctx, 0);
  ASSERT_EQ(visit_idle(2), 1u);
  EXPECT_EQ(visit_idle(3), 0u);
  send_something(*ctx);
  send_something(*ctx);
  EXPECT_EQ(visit_idle(3), 1u);
  EXPECT_EQ(visit_idle(4), 0u);
  work(*ctx, 4);
  EXPECT_EQ(visit_idle(5), 0u);
  EXPECT_EQ(visit_idle(6), 1u);
}

TEST_F(Registry, AContextThatNeverWorkedWithPagesIsNotVisited) {
  registry_.attach();
  EXPECT_EQ(visit_idle(9), 0u);
}

TEST_F(Registry, AParkedContextIsVisitedOnceAllOfItIsAtRest) {
  Ctx* const ctx = registry_.attach();
  work(*ctx, 5);
  registry_.park(*ctx);
  EXPECT_EQ(visit_idle(6), 0u);
  EXPECT_EQ(visit_idle(7), 1u);
  EXPECT_EQ(visit_idle(8), 0u);
}

TEST_F(Registry, WhatIsSentDuringAVisitIsFoundByTheNext) {
  Ctx* const ctx = registry_.attach();
  work(*ctx, 0);
  registry_.visit_idle(5, {1, 1}, [&](Ctx& idle, std::uint32_t) {
    drain(idle);
    send_something(idle);
    return false;
  });
  EXPECT_EQ(visit_idle(5), 1u);
  EXPECT_EQ(visit_idle(5), 0u);
}

TEST_F(Registry, AVisitLetsGoOfTheLockBetweenStepsAndEndsWhenTheThreadIsBack) {
  Ctx* const ctx = registry_.attach();
  work(*ctx, 0);
  std::vector<std::uint32_t> steps;
  registry_.visit_idle(5, {1, 1}, [&](Ctx& idle, std::uint32_t step) {
    EXPECT_FALSE(idle.lock.try_lock());
    steps.push_back(step);
    if (step == 2) idle.so.period.store_relaxed(5);
    return true;
  });
  EXPECT_EQ(steps, (std::vector<std::uint32_t>{0, 1, 2}));
  EXPECT_EQ(visit_idle(6), 0u);
  EXPECT_EQ(visit_idle(7), 1u) << "it was not done with";
}

TEST_F(Registry, AVisitLeavesOutWhatIsInUseOrLost) {
  Ctx* const mine = registry_.attach();
  Ctx* const busy = registry_.attach();
  work(*mine, 0);
  work(*busy, 0);
  ASSERT_TRUE(busy->lock.try_lock());
  std::vector<Ctx*> visited;
  registry_.visit_all([&](Ctx& ctx) {
    visited.push_back(&ctx);
    EXPECT_FALSE(ctx.lock.try_lock()) << "held during a visit";
  });
  EXPECT_EQ(visited, std::vector{mine});
  EXPECT_EQ(visit_idle(9, {4, 4}), 1u);
  busy->lock.unlock();
  registry_.orphan_all_but(mine);
  registry_.call_again_in_child();
  EXPECT_EQ(visit_idle(20), 0u);
  registry_.visit_all([&](Ctx& ctx) { EXPECT_EQ(&ctx, mine); });
}

TEST_F(Registry, WhoIsInUseDoesNotHoldUpTheOthersForLong) {
  std::vector<Ctx*> ctxs;
  for (int i = 0; i < 6; ++i) ctxs.push_back(registry_.attach());
  for (Ctx* ctx : ctxs) work(*ctx, ctx == ctxs.back() ? 0 : 9);
  std::size_t visits = 0;
  for (int i = 0; i < 3; ++i) visits += visit_idle(9, {1, 2});
  EXPECT_EQ(visits, 1u) << "two in use are passed by each time";
}

// Cost follows what there is to do: looks, not how many contexts there are.
TEST_F(Registry, WhoLooksTouchesNoContextThatWantsNothing) {
  std::vector<Ctx*> ctxs;
  for (std::size_t i = 0; i < SmallGeometry::kContextsMax; ++i) ctxs.push_back(registry_.attach());
  for (Ctx* ctx : ctxs) work(*ctx, 0);
  for (std::size_t i = 1; i < ctxs.size(); ++i) registry_.park(*ctxs[i]);
  EXPECT_EQ(visit_idle(5), ctxs.size());
  const std::size_t each = registry_.bytes_used() / ctxs.size();
  const std::size_t page = platform_.page_bytes();
  for (std::size_t i = 2; i < ctxs.size(); ++i) {
    ASSERT_TRUE(platform_.protect(ctxs[i], each / page * page))
        << "a look at one would end the test";
  }
  send_something(*ctxs[1]);
  EXPECT_EQ(scavenge(100), std::set<Ctx*>{ctxs[1]});
  EXPECT_EQ(visit_idle(9), 1u);
  EXPECT_EQ(visit_idle(9), 0u);
}

TEST_F(Registry, NoneIsLeftAfterTheLast) {
  std::set<Ctx*> all;
  for (std::size_t i = 0; i < SmallGeometry::kContextsMax; ++i) all.insert(registry_.attach());
  EXPECT_EQ(all.size(), SmallGeometry::kContextsMax);
  EXPECT_FALSE(all.contains(nullptr));
  EXPECT_EQ(registry_.attach(), nullptr);
  registry_.park(**all.begin());
  EXPECT_EQ(registry_.attach(), *all.begin());
}

TEST_F(Registry, WithoutMemoryThereIsNone) {
  FakePlatform platform;
  platform.fail_after(Call::kTable, 0);
  ContextRegistry<Small> registry;
  EXPECT_FALSE(registry.init(platform));
  EXPECT_EQ(registry.attach(), nullptr);
}

TEST_F(Registry, AContextThatTheSystemRefusesIsHadLater) {
  Ctx* const first = registry_.attach();
  platform_.fail_nth(Call::kOpen, 1);
  EXPECT_EQ(registry_.attach(), nullptr);
  EXPECT_EQ(registry_.attach()->number, 2u) << "nothing is lost";
  registry_.park(*first);
  platform_.fail_after(Call::kOpen, 0);
  EXPECT_EQ(registry_.attach(), first) << "one that is there needs nothing";
}

// A mapping that could be written to is charged whole, used or not.
TEST_F(Registry, OnlyContextsThatWereUsedAreAccessible) {
  auto* const first = reinterpret_cast<char*>(registry_.attach());
  const std::size_t each = registry_.bytes_used();
  EXPECT_TRUE(FakePlatform::is_readable(first + each - 1));
  EXPECT_FALSE(FakePlatform::is_readable(first + each));
  registry_.attach();
  EXPECT_TRUE(FakePlatform::is_readable(first + each));
  EXPECT_FALSE(FakePlatform::is_readable(first + 2 * each));
}

// Refuses everything above so many bytes.
class ShortPlatform : public FakePlatform {
 public:
  std::size_t most = 0;
  std::size_t granted = 0;
  void* table(std::size_t bytes) noexcept {
    if (bytes > most) return nullptr;
    granted = bytes;
    return FakePlatform::table(bytes);
  }
};
struct Short : Config<ProductionGeometry, ShortPlatform, StdWorld, kHardenedMitigations> {};

TEST_F(Registry, TakesFewerContextsWhereAddressSpaceIsShortDownToEight) {
  ShortPlatform enough;
  enough.most = ~std::size_t{0};
  ContextRegistry<Short> all;
  ASSERT_TRUE(all.init(enough));
  const std::size_t each = enough.granted / ProductionGeometry::kContextsMax;
  for (const std::size_t few : {std::size_t{8}, std::size_t{32}}) {
    ShortPlatform platform;
    platform.most = few * each;
    ContextRegistry<Short> registry;
    ASSERT_TRUE(registry.init(platform));
    for (std::size_t i = 0; i < few; ++i) EXPECT_NE(registry.attach(), nullptr);
    EXPECT_EQ(registry.attach(), nullptr);
  }
  ShortPlatform platform;
  platform.most = 8 * each - 1;
  ContextRegistry<Short> registry;
  EXPECT_FALSE(registry.init(platform));
}

TEST_F(Registry, ScavengingVisitsParkedContextsThatWereSentSomething) {
  std::vector<Ctx*> ctxs;
  for (int i = 0; i < 4; ++i) ctxs.push_back(registry_.attach());
  for (int i : {1, 2, 3}) registry_.park(*ctxs[static_cast<std::size_t>(i)]);
  send_something(*ctxs[0]);
  send_something(*ctxs[1]);
  send_something(*ctxs[3]);
  EXPECT_EQ(scavenge(1).size(), 1u);
  EXPECT_EQ(scavenge(1).size(), 1u);
  EXPECT_TRUE(ctxs[1]->pending.empty() && ctxs[3]->pending.empty());
  EXPECT_TRUE(scavenge(100).empty()) << "0 is active, 2 has nothing";
  send_something(*ctxs[3]);
  EXPECT_EQ(scavenge(100), std::set<Ctx*>{ctxs[3]});
}

TEST_F(Registry, WhatWasSentToAContextBeforeItIsParkedIsFound) {
  Ctx* const ctx = registry_.attach();
  send_something(*ctx);
  registry_.park(*ctx);
  EXPECT_EQ(scavenge(1), std::set<Ctx*>{ctx});
}

TEST_F(Registry, AParkedContextThatWasSentSomethingMayBeAdoptedFirst) {
  Ctx* const ctx = registry_.attach();
  registry_.park(*ctx);
  send_something(*ctx);
  ASSERT_EQ(registry_.attach(), ctx);
  drain(*ctx);
  EXPECT_TRUE(scavenge(1).empty());
  registry_.park(*ctx);
  send_something(*ctx);
  EXPECT_EQ(scavenge(1), std::set<Ctx*>{ctx});
}

TEST_F(Registry, ScavengingDoesNotWaitForWhoeverWorksOnTheContext) {
  Ctx* const ctx = registry_.attach();
  registry_.park(*ctx);
  send_something(*ctx);
  ASSERT_TRUE(ctx->lock.try_lock());
  EXPECT_TRUE(scavenge(3).empty());
  ctx->lock.unlock();
  EXPECT_EQ(scavenge(1), std::set<Ctx*>{ctx}) << "it is not forgotten";
}

TEST_F(Registry, TheChildOfAForkForgetsNobodyWhoWasCalled) {
  Ctx* const mine = registry_.attach();
  Ctx* const sent = registry_.attach();
  Ctx* const half_sent = registry_.attach();
  registry_.park(*sent);
  registry_.park(*half_sent);
  send_something(*sent);
  EXPECT_TRUE(scavenge(0).empty());
  half_sent->pending.head.exchange_acquire(0);  // and no call, its thread is gone
  registry_.lock_for_fork(mine);
  registry_.orphan_all_but(mine);
  registry_.call_again_in_child();
  registry_.unlock_in_child();
  EXPECT_EQ(scavenge(9), (std::set<Ctx*>{sent, half_sent}));
}

TEST_F(Registry, ForEachVisitsEveryContextEverUsed) {
  Ctx* const a = registry_.attach();
  Ctx* const b = registry_.attach();
  registry_.park(*a);
  std::vector<Ctx*> visited;
  registry_.for_each([&](Ctx& ctx) { visited.push_back(&ctx); });
  EXPECT_EQ(visited, (std::vector<Ctx*>{a, b}));
}

TEST_F(Registry, InTheChildOfAForkTheOthersAreOrphaned) {
  Ctx* const mine = registry_.attach();
  Ctx* const other = registry_.attach();
  Ctx* const parked = registry_.attach();
  registry_.park(*parked);
  registry_.lock_for_fork(mine);
  registry_.orphan_all_but(mine);
  registry_.unlock_in_child();
  EXPECT_EQ(mine->state, ContextState::kActive);
  EXPECT_EQ(other->state, ContextState::kOrphaned);
  EXPECT_EQ(parked->state, ContextState::kParked);
  EXPECT_EQ(registry_.attach(), parked);
  EXPECT_EQ(registry_.attach()->number, 4u) << "an orphan is handed out once it was salvaged";
  registry_.salvage(1, [&](Ctx& lost) { EXPECT_EQ(&lost, other); });
  EXPECT_EQ(other->state, ContextState::kParked);
  registry_.salvage(1, [](Ctx&) { ADD_FAILURE() << "there is no other"; });
  EXPECT_EQ(registry_.attach(), other);
}

// Edge X1: a context that for_each visits has been constructed, as another thread sees it.
TEST_F(Registry, ForEachSeesContextsWhole) {
  std::thread attacher([this] {
    for (std::size_t i = 0; i < SmallGeometry::kContextsMax; ++i) registry_.attach();
  });
  std::uint32_t seen = 0;
  while (seen < SmallGeometry::kContextsMax) {
    seen = 0;
    registry_.for_each([&](Ctx& ctx) { ASSERT_EQ(ctx.number, ++seen); });  // plain
  }
  attacher.join();
}

TEST_F(Registry, ThreadsNeverShareAContext) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 2000; ++i) {
        Ctx* const ctx = registry_.attach();
        if (ctx == nullptr) std::abort();
        ++ctx->so.bins[0].pages;  // plain: the registry's lock orders it (L1)
        registry_.park(*ctx);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  std::uint32_t sum = 0, contexts = 0;
  registry_.for_each([&](Ctx& ctx) {
    sum += ctx.so.bins[0].pages;
    ++contexts;
  });
  EXPECT_EQ(sum, 4u * 2000);
  EXPECT_LE(contexts, 4u);
}

}  // namespace
}  // namespace hakmem::test
