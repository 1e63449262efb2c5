// The cold box where mutation testing found nobody looking: which pages a visit and a purge name,
// what may be borrowed while others are purged, the first decay period, guards of fresh memory.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

constexpr std::uint64_t kPeriod = ColdBox<Full>::kDecayPeriodMs;
constexpr std::size_t kFullPage = 65536;
constexpr std::uint32_t kFullPages = 32;

// The clock is the test's from zero on, and a purge lets somebody else use the box meanwhile.
class EarlyPlatform : public FakePlatform {
 public:
  std::uint64_t now = 0;
  std::function<void()> meanwhile;
  std::function<void()> at_each_call;  // that may take long
  std::set<const void*> purged;        // page by page
  std::uint64_t clock_ms() noexcept { return now; }
  bool purge(void* at, std::size_t bytes) noexcept {
    for (std::size_t i = 0; i < bytes; i += 4096) purged.insert(static_cast<char*>(at) + i);
    if (meanwhile) std::exchange(meanwhile, nullptr)();
    say();
    return FakePlatform::purge(at, bytes);
  }
  bool commit(void* at, std::size_t bytes) noexcept {
    say();
    return FakePlatform::commit(at, bytes);
  }
  bool guard(void* at, std::size_t bytes) noexcept {
    say();
    return FakePlatform::guard(at, bytes);
  }
  bool unguard(void* at, std::size_t bytes) noexcept {
    say();
    return FakePlatform::unguard(at, bytes);
  }

 private:
  void say() {
    if (at_each_call) at_each_call();
  }
};
template <class G>
struct Early : Config<G, EarlyPlatform, StdWorld, kHardenedMitigations> {};
using EarlySmall = Early<SmallGeometry>;
using EarlyFull = Early<ProductionGeometry>;

template <class C>
struct Box {
  EarlyPlatform platform;
  Arena<C> arena;
  LimitOf<C> limit;
  MappingBudget<C> mappings;
  ColdBox<C> cold;
  std::unique_ptr<Context<C>> context = std::make_unique<Context<C>>();

  Box() {
    arena.init(platform);
    mappings.init(platform);
    cold.init(platform, arena, limit, mappings);
  }
  SoPage<C>* borrow(std::size_t n) {
    return refill(cold, bin_of<C>(n), PageOwner<C>{context.get(), nullptr});
  }
  std::vector<SoPage<C>*> borrow_many(std::size_t n, std::size_t count) {
    std::vector<SoPage<C>*> pages;
    for (std::size_t i = 0; i < count; ++i) pages.push_back(borrow(n));
    return pages;
  }
  std::size_t warm() { return cold.totals().warm_bytes; }
};

TEST(ColdVisit, NamesEveryLentPageAndNoOther) {
  Box<EarlyFull> box;
  auto pages = box.borrow_many(64, kFullPages);
  const auto others = box.borrow_many(300, 3);
  for (const std::size_t back : {0u, 1u, 7u}) retire(box.cold, *pages[back]);
  std::set<const void*> due, seen;
  for (const std::size_t i : {2u, 3u, 4u, 5u, 6u}) due.insert(pages[i]->entries);
  for (std::size_t i = 8; i < kFullPages; ++i) due.insert(pages[i]->entries);
  for (const auto* page : others) due.insert(page->entries);
  std::size_t visits = 0, of_300 = 0;
  box.cold.for_each_lent_page([&](const SoPage<EarlyFull>& page) {
    seen.insert(page.entries);
    ++visits;
    of_300 += page.bin == bin_of<EarlyFull>(300).value() ? 1 : 0;
  });
  EXPECT_EQ(seen, due);
  EXPECT_EQ(visits, due.size());
  EXPECT_EQ(of_300, others.size());
}

TEST(ColdPurge, EveryRunOfFreePagesTheLastOneTooAndNoneBetween) {
  Box<EarlyFull> box;
  const auto pages = box.borrow_many(64, kFullPages);
  const std::vector<std::size_t> back{0, 2, 3, 28, 30, 31};
  for (const std::size_t i : back) retire(box.cold, *pages[i]);
  EXPECT_EQ(box.cold.trim(), back.size() * kFullPage);
  std::set<const void*> due;
  for (const std::size_t i : back) {
    for (std::size_t k = 0; k < kFullPage; k += 4096) {
      due.insert(reinterpret_cast<const void*>(pages[i]->base + k));
    }
  }
  EXPECT_EQ(box.platform.purged, due);
}

TEST(ColdPurge, AWholeSuperslabIsOneCall) {
  Box<EarlyFull> box;
  for (SoPage<EarlyFull>* page : box.borrow_many(64, kFullPages)) retire(box.cold, *page);
  EXPECT_EQ(box.cold.trim(), kFullPages * kFullPage);
  EXPECT_EQ(box.platform.calls(Call::kPurge), 2u) << "and one for the slots' entries";
}

TEST(ColdPurge, SuperslabsNotInUseAreNotLookedAt) {
  Box<EarlyFull> box;
  retire(box.cold, *box.borrow(64));
  Superslab& unused = box.cold.record_for_test(SlabIndex(box.cold.superslabs_used()));
  unused.warm_pages = unused.pages = 1;
  EXPECT_EQ(box.cold.trim(), kFullPage);
  EXPECT_EQ(unused.warm_pages, 1u);
  int visits = 0;
  box.cold.for_each_lent_page([&](const auto&) { ++visits; });
  EXPECT_EQ(visits, 0);
}

// The record of another bin's superslab leads nowhere: whoever followed it would crash.
TEST(ColdFree, ASuperslabThatServedTheBinIsFoundWithoutLookingAtOthers) {
  Box<EarlySmall> box;
  SoPage<EarlySmall>* const mine = box.borrow(64);
  const auto others = box.borrow_many(256, 20);
  retire(box.cold, *mine);
  for (SoPage<EarlySmall>* page : others) retire(box.cold, *page);
  const SlabIndex newest = others.back()->slab_ref;
  ASSERT_EQ(box.cold.tier_of(newest), Tier::kFree);
  box.cold.record_for_test(newest).in_tier.next = 0x7FFFFFFF;
  EXPECT_EQ(box.borrow(64)->slab_ref, mine->slab_ref);
}

// Superslabs without warm pages are none of its business, however many there are.
TEST(ColdPurge, LooksOnlyAtSuperslabsWithWarmPages) {
  Box<EarlySmall> box;
  const auto pages = box.borrow_many(64, 40);
  retire(box.cold, *pages[20]);
  const SlabIndex cold = pages[30]->slab_ref;
  box.cold.record_for_test(cold).warm_pages = 3;  // which it is not: nobody was told
  EXPECT_EQ(box.cold.trim(), 4096u);
  EXPECT_EQ(box.cold.record_for_test(cold).warm_pages, 3u);
  box.cold.record_for_test(cold).warm_pages = 0;
}

#ifdef _GLIBCXX_ASSERTIONS  // with debug checks
TEST(ColdDeathTest, OnceInAPeriodTheRecordsAreAddedUp) {
  Box<EarlySmall> box;
  const auto pages = box.borrow_many(64, 2);
  box.cold.record_for_test(pages[0]->slab_ref).warm_pages = 3;
  box.platform.now += ColdBox<EarlySmall>::kDecayPeriodMs;
  EXPECT_DEATH(age(box.cold), "slab-bytes");
  box.cold.record_for_test(pages[0]->slab_ref).warm_pages = 0;
}
#endif

// Whoever wants a page meanwhile does not wait for the system.
TEST(ColdLock, IsNotHeldWhileTheSystemIsAsked) {
  Box<EarlyFull> box;
  int asked = 0;
  const auto look = [&] {
    ++asked;
    ASSERT_TRUE(box.cold.try_lock());
    box.cold.unlock();
  };
  const auto retire_all = [&](const auto& pages) {
    for (SoPage<EarlyFull>* page : pages) retire(box.cold, *page);
  };
  box.platform.at_each_call = look;
  retire_all(box.borrow_many(64, kFullPages));
  EXPECT_GT(std::exchange(asked, 0), 0) << "a new superslab";
  retire_all(box.borrow_many(48 * 1024, 2));
  EXPECT_GT(std::exchange(asked, 0), 0) << "another bin's, with its guards";
  box.cold.trim();
  EXPECT_GT(std::exchange(asked, 0), 0) << "trim";
  box.limit.set({1, LimitBytes::kNone});
  const auto pages = box.borrow_many(64, 3);
  asked = 0;
  retire_all(pages);
  EXPECT_GT(std::exchange(asked, 0), 0) << "what comes back above the soft limit";
  box.limit.set({LimitBytes::kNone, LimitBytes::kNone});
  retire_all(box.borrow_many(64, 3));
  box.limit.set({1, LimitBytes::kNone});
  asked = 0;
  box.borrow(80);
  EXPECT_GT(std::exchange(asked, 0), 0) << "the refill that crosses it";
}

TEST(ColdPurge, MoreSuperslabsThanOneBatchHolds) {
  for (const std::size_t slabs : {15u, 16u, 17u, 32u, 40u}) {
    Box<EarlySmall> box;
    for (SoPage<EarlySmall>* page : box.borrow_many(64, 2 * slabs)) retire(box.cold, *page);
    box.platform.now = 3 * kPeriod;
    age(box.cold);
    EXPECT_EQ(box.warm(), 0u);
    EXPECT_EQ(box.platform.purged.size(), 2 * slabs);
    EXPECT_NE(box.borrow_many(64, 2 * slabs).back(), nullptr);
    EXPECT_EQ(box.cold.superslabs_used(), slabs);
  }
}

TEST(ColdPurge, TheRestOfTheSuperslabCanBeBorrowedMeanwhile) {
  Box<EarlyFull> box;
  SoPage<EarlyFull>* const a = box.borrow(64);
  SoPage<EarlyFull>* const b = box.borrow(64);
  box.borrow(64);
  retire(box.cold, *a);
  retire(box.cold, *b);
  SoPage<EarlyFull>* meanwhile = nullptr;
  box.platform.meanwhile = [&] { meanwhile = box.borrow(64); };
  box.platform.now = 3 * kPeriod;
  age(box.cold);
  ASSERT_NE(meanwhile, nullptr);
  EXPECT_EQ(meanwhile->slab_ref, a->slab_ref);
  EXPECT_TRUE(meanwhile != a && meanwhile != b);
}

TEST(ColdPurge, ASuperslabWithNothingLeftIsPassedOverMeanwhile) {
  Box<EarlySmall> box;
  const auto pages = box.borrow_many(64, 2);
  retire(box.cold, *pages[0]);
  SoPage<EarlySmall>* meanwhile = nullptr;
  box.platform.meanwhile = [&] { meanwhile = box.borrow(64); };
  box.platform.now = 3 * kPeriod;
  age(box.cold);
  ASSERT_NE(meanwhile, nullptr);
  EXPECT_NE(meanwhile->slab_ref, pages[0]->slab_ref);
  EXPECT_EQ(box.borrow(64), pages[0]) << "the purged one is back";
  EXPECT_EQ(box.borrow(64)->slab_ref, meanwhile->slab_ref);
}

// By another thread, in a later period. It is off its list then; what the second purge took comes
// back with the rest.
TEST(ColdPurge, TheRestOfAFreeSuperslabCanBePurgedMeanwhile) {
  Box<EarlyFull> box;
  const std::uint8_t size_class = EarlyFull::Sizes::info(bin_of<EarlyFull>(64)).size_class;
  auto pages = box.borrow_many(64, kFullPages + 1);
  retire(box.cold, *pages.back());
  pages.pop_back();
  box.cold.trim();
  for (SoPage<EarlyFull>* const page : pages) retire(box.cold, *page);
  box.cold.set_warm_cap(size_class, 2);
  std::size_t left = 0;
  box.platform.meanwhile = [&] {
    left = box.warm();
    box.cold.set_warm_cap(size_class, 0);
    box.platform.now += kPeriod;
    age(box.cold);
  };
  box.platform.now = 3 * kPeriod;
  age(box.cold);
  EXPECT_EQ(left, 2 * kFullPage) << "what the cap had left";
  EXPECT_EQ(box.warm(), 0u);
  // And the entries of the other superslab, of which all was there; here some was away.
  const BinInfo& info = EarlyFull::Sizes::info(bin_of<EarlyFull>(64));
  const std::size_t entries = std::size_t{info.entry_stride} * kFullPages * sizeof(EntryBits);
  EXPECT_EQ(box.platform.purged.size(), ((kFullPages + 1) * kFullPage + entries) / 4096);
  box.borrow_many(64, 2 * kFullPages);
  EXPECT_EQ(box.cold.superslabs_used(), 2u);
}

TEST(ColdDecay, BeginsWithTheFirstPeriod) {
  for (const std::uint64_t start : {0u, 1u, 7u}) {
    Box<EarlyFull> box;
    box.platform.now = start * kPeriod;
    retire(box.cold, *box.borrow(64));
    box.platform.now = (start + 2) * kPeriod - 1;
    age(box.cold);
    EXPECT_EQ(box.warm(), kFullPage) << start;
    box.platform.now = (start + 2) * kPeriod;
    age(box.cold);
    EXPECT_EQ(box.warm(), 0u) << start;
  }
}

TEST(ColdTiers, ADrainingSuperslabDrainsOnWhenTheOtherHasBecomeFull) {
  Box<EarlyFull> box;
  const auto first = box.borrow_many(64, kFullPages);
  box.borrow(64);
  for (std::uint32_t i = 0; i < 24; ++i) retire(box.cold, *first[i]);
  ASSERT_EQ(box.cold.tier_of(SlabIndex(0)), Tier::kDraining);
  box.borrow_many(64, kFullPages - 1);  // the other one is full now
  retire(box.cold, *first[24]);
  EXPECT_EQ(box.cold.tier_of(SlabIndex(0)), Tier::kDraining);
}

// A fresh superslab holds no guard that had to go, one whose pages change their size does.
TEST(ColdGuards, GoWhenPagesChangeTheirSizeAndOnlyThen) {
  Box<EarlyFull> box;
  const BinInfo& small = EarlyFull::Sizes::info(bin_of<EarlyFull>(64));
  const BinInfo& great = EarlyFull::Sizes::info(bin_of<EarlyFull>(65536));
  ASSERT_NE(small.page_shift, great.page_shift);
  SoPage<EarlyFull>* const fresh = box.borrow(65536);
  EXPECT_EQ(box.platform.calls(Call::kUnguard), 0u);
  retire(box.cold, *fresh);
  SoPage<EarlyFull>* const page = box.borrow(64);
  EXPECT_EQ(page->slab_ref, fresh->slab_ref);
  EXPECT_EQ(box.platform.calls(Call::kUnguard), 1u);
  EXPECT_EQ(box.platform.calls(Call::kGuard), 2u) << "a new one at the new end";
  retire(box.cold, *page);
  EXPECT_EQ(box.borrow(65536), fresh);
  EXPECT_EQ(box.platform.calls(Call::kUnguard), 2u);
  EXPECT_EQ(box.mappings.guard_mappings(), 0u) << "these cost none";
  const auto* const first_end = reinterpret_cast<const char*>(page->base + kFullPage - 1);
  EXPECT_TRUE(FakePlatform::is_readable(first_end));
}

// Each is given back once, when its superslab changes its pages, and not again at the next change.
TEST(ColdGuards, ProtectedGuardsAreGivenBackOnce) {
  Box<EarlyFull> box;
  box.platform.fail_nth(Call::kGuard, 1);
  retire(box.cold, *box.borrow(65536));
  EXPECT_EQ(box.mappings.guard_mappings(), 2u) << "one guard";
  for (const std::size_t size : {64u, 65536u, 64u}) {
    retire(box.cold, *box.borrow(size));
    EXPECT_EQ(box.mappings.guard_mappings(), 0u);
  }
  EXPECT_EQ(box.cold.superslabs_used(), 1u);
}

}  // namespace
}  // namespace hakmem::test
