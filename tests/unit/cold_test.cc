// The cold box: what a lent page looks like, the tiers HOT -> DRAINING -> FREE -> reuse, warm
// pages, limit, trim, guards, and refusal by the system; in both geometries where it matters.
#include "cold/cold_box.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

constexpr std::size_t kFullPage = 65536;  // of the bins used below, in Full
constexpr std::uint32_t kFullPages = 32;  // of a superslab then

template <class C>
struct Cold : ColdSetUp<C> {
  std::vector<SoPage<C>*> borrow_many(BinIndex bin, std::size_t n) {
    std::vector<SoPage<C>*> pages;
    for (std::size_t i = 0; i < n; ++i) pages.push_back(this->borrow(bin));
    return pages;
  }
  Tier tier(std::uint32_t slab) { return this->cold.tier_of(SlabIndex(slab)); }
};

std::size_t blocks_bytes(const auto& page) { return std::size_t{page.capacity} * page.block_size; }
char* bytes_of(const auto& page) { return reinterpret_cast<char*>(page.base); }
bool is_zero(const char* at, std::size_t n) {
  return at[0] == 0 && std::memcmp(at, at + 1, n - 1) == 0;
}
bool guards_work() {
  FakePlatform platform;
  void* const at = platform.map(4096, 4096);
  return platform.guard(at, 4096);
}

template <class C>
class EveryBin : public ::testing::Test {};
using Configs = ::testing::Types<Small, Full, FullPerf>;
TYPED_TEST_SUITE(EveryBin, Configs);

TYPED_TEST(EveryBin, ALentPageIsEmptyNotCarvedAndOwnedInEveryUnit) {
  using Sizes = typename TypeParam::Sizes;
  Cold<TypeParam> box;
  std::set<std::uintptr_t> bases;
  for (std::size_t b = 0; b < Sizes::kBins; ++b) {
    const BinIndex bin(static_cast<std::uint8_t>(b));
    const SoPage<TypeParam>& page = *box.borrow(bin);
    EXPECT_EQ(page.used, 0);
    EXPECT_EQ(page.carved, 0);
    EXPECT_EQ(page.freelist, kNoSlot);
    EXPECT_EQ(page.capacity, Sizes::info(bin).capacity);
    EXPECT_EQ(page.block_size, Sizes::info(bin).block_size);
    EXPECT_TRUE(bases.insert(page.base).second);
    const std::uint32_t units = 1u
                                << (Sizes::info(bin).page_shift - TypeParam::Geometry::kUnitShift);
    for (std::uint32_t u = page.head; u < page.head + units; ++u) {
      const SoPage<TypeParam>& unit = box.arena.page(u);
      EXPECT_EQ(unit.owner.load_relaxed(), box.context.get());
      EXPECT_EQ(unit.magazine, &box.context->ultra.front[b]);
      EXPECT_EQ(unit.base, page.base);
      EXPECT_EQ(unit.entries, page.entries);
    }
    std::memset(bytes_of(page), 0x5A, blocks_bytes(page));
  }
  EXPECT_EQ(box.platform.foreign_calls(), 0u);
}

TYPED_TEST(EveryBin, ARetiredPageHasNoOwnerInAnyUnit) {
  using Sizes = typename TypeParam::Sizes;
  Cold<TypeParam> box;
  for (std::size_t b = 0; b < Sizes::kBins; ++b) {
    SoPage<TypeParam>& page = *box.borrow(BinIndex(static_cast<std::uint8_t>(b)));
    retire(box.cold, page);
    EXPECT_EQ(page.flags, PageFlag::kRetired);
    const std::uint32_t units =
        1u << (Sizes::kBinTable[b].page_shift - TypeParam::Geometry::kUnitShift);
    for (std::uint32_t u = page.head; u < page.head + units; ++u) {
      EXPECT_EQ(box.arena.page(u).owner.load_relaxed(), nullptr);
      EXPECT_EQ(box.arena.page(u).magazine, nullptr);
    }
  }
  EXPECT_EQ(box.cold.totals().lent_bytes, 0u);
}

// One superslab goes through all bins: after each change every byte of every block can be written,
// wherever the guards of the last layout were.
TYPED_TEST(EveryBin, ASuperslabIsReusedByEveryOtherBin) {
  using Sizes = typename TypeParam::Sizes;
  Cold<TypeParam> box;
  for (std::size_t step = 0; step < 2 * Sizes::kBins; ++step) {
    // From both ends in turns, so that the page size changes often and both ways.
    const std::size_t b = step % 2 == 0 ? step / 2 : Sizes::kBins - 1 - step / 2;
    const BinInfo& info = Sizes::kBinTable[b];
    const auto pages =
        box.borrow_many(BinIndex(static_cast<std::uint8_t>(b)), info.pages_per_superslab);
    for (SoPage<TypeParam>* page : pages) {
      std::memset(bytes_of(*page), 0x5A, blocks_bytes(*page));
    }
    EXPECT_EQ(box.cold.superslabs_used(), 1u);
    for (SoPage<TypeParam>* page : pages) retire(box.cold, *page);
    EXPECT_EQ(box.tier(0), Tier::kFree);
  }
}

TEST(ColdTiers, HotUntilFullThenTheNextSuperslab) {
  Cold<Small> box;
  const BinIndex bin = bin_of<Small>(64);
  EXPECT_EQ(box.tier(0), Tier::kUnused);
  const auto pages = box.borrow_many(bin, 3);
  EXPECT_EQ(box.cold.superslabs_used(), 2u);
  EXPECT_EQ(pages[0]->slab_ref, pages[1]->slab_ref);
  EXPECT_NE(pages[0]->slab_ref, pages[2]->slab_ref);
  EXPECT_FALSE(box.cold.record_for_test(SlabIndex(0)).listed) << "HOT, without a free page";
  retire(box.cold, *pages[1]);
  EXPECT_TRUE(box.cold.record_for_test(SlabIndex(0)).listed);
  EXPECT_EQ(box.tier(0), Tier::kHot);
}

TEST(ColdTiers, BinsDoNotShareASuperslab) {
  Cold<Full> box;
  EXPECT_NE(box.borrow(bin_of<Full>(64))->slab_ref, box.borrow(bin_of<Full>(80))->slab_ref);
}

// HOT -> DRAINING -> HOT, and DRAINING -> FREE.
TEST(ColdTiers, ASparseSuperslabDrainsWhileAnotherCanServe) {
  Cold<Full> box;
  const BinIndex bin = bin_of<Full>(64);
  auto first = box.borrow_many(bin, kFullPages);
  auto second = box.borrow_many(bin, 1);
  for (std::uint32_t i = 0; i < 23; ++i) retire(box.cold, *first[i]);
  EXPECT_EQ(box.tier(0), Tier::kHot) << "23 of 32 pages are free: not sparse yet";
  retire(box.cold, *first[23]);
  EXPECT_EQ(box.tier(0), Tier::kDraining);

  for (std::uint32_t i = 1; i < kFullPages; ++i) {
    second.push_back(box.borrow(bin));
    EXPECT_EQ(second.back()->slab_ref, SlabIndex(1)) << "the HOT one serves";
  }
  EXPECT_EQ(box.borrow(bin)->slab_ref, SlabIndex(0)) << "then the DRAINING one, before a new one";
  EXPECT_EQ(box.tier(0), Tier::kHot);
  EXPECT_EQ(box.cold.superslabs_used(), 2u);
}

TEST(ColdTiers, ADrainingSuperslabEmptiesToFree) {
  Cold<Full> box;
  const BinIndex bin = bin_of<Full>(64);
  const auto first = box.borrow_many(bin, kFullPages);
  box.borrow(bin);
  for (std::uint32_t i = 0; i < kFullPages; ++i) {
    retire(box.cold, *first[i]);
    const Tier due = i < 23 ? Tier::kHot : (i < 31 ? Tier::kDraining : Tier::kFree);
    EXPECT_EQ(box.tier(0), due) << i;
  }
  const auto by_tier = box.cold.totals().superslabs_by_tier;
  EXPECT_EQ(by_tier[static_cast<std::size_t>(Tier::kHot)], 1u);
  EXPECT_EQ(by_tier[static_cast<std::size_t>(Tier::kDraining)], 0u);
  EXPECT_EQ(by_tier[static_cast<std::size_t>(Tier::kFree)], 1u);
}

TEST(ColdTiers, ASparseSuperslabStaysHotWhenItIsTheOnlyOne) {
  Cold<Full> box;
  const auto pages = box.borrow_many(bin_of<Full>(64), kFullPages);
  for (std::uint32_t i = 0; i < 31; ++i) retire(box.cold, *pages[i]);
  EXPECT_EQ(box.tier(0), Tier::kHot);
}

TEST(ColdTiers, AFreeSuperslabGoesToItsOldBinFirst) {
  Cold<Small> box;
  SoPage<Small>* const a = box.borrow(bin_of<Small>(64));
  SoPage<Small>* const b = box.borrow(bin_of<Small>(512));
  retire(box.cold, *a);
  retire(box.cold, *b);  // FREE list: b's, then a's
  EXPECT_EQ(box.borrow(bin_of<Small>(64))->slab_ref, SlabIndex(0));
  EXPECT_EQ(box.borrow(bin_of<Small>(32))->slab_ref, SlabIndex(1)) << "else any";
}

// Moves the clock to the next decay period and lets the box see it, through another class.
template <class C>
void next_period(Cold<C>& box) {
  box.platform.advance_clock_ms(ColdBox<C>::kDecayPeriodMs);
  retire(box.cold, *box.borrow(bin_of<C>(16)));
}

TEST(ColdWarm, ARetiredPageKeepsItsMemoryAndIsLentFirst) {
  Cold<Full> box;
  const BinIndex bin = bin_of<Full>(64);
  const auto pages = box.borrow_many(bin, 5);
  std::memset(bytes_of(*pages[3]), 0x5A, 64);
  retire(box.cold, *pages[3]);
  EXPECT_EQ(box.cold.totals().warm_bytes, kFullPage);
  EXPECT_EQ(box.borrow(bin), pages[3]);
  EXPECT_EQ(bytes_of(*pages[3])[0], 0x5A);
  EXPECT_EQ(box.cold.totals().warm_bytes, 0u);
}

TEST(ColdWarm, AfterTwoPeriodsWhatIsBeyondTheCapIsPurged) {
  Cold<Full> box;
  box.cold.set_warm_cap(3, 2);
  const auto pages = box.borrow_many(bin_of<Full>(64), 5);
  for (SoPage<Full>* page : pages) std::memset(bytes_of(*page), 0x5A, 64);
  next_period(box);
  for (SoPage<Full>* page : pages) retire(box.cold, *page);
  next_period(box);
  EXPECT_EQ(box.cold.totals().warm_bytes, 6 * kFullPage) << "one period is not enough";
  next_period(box);
  std::size_t zeroed = 0;
  for (SoPage<Full>* page : pages) zeroed += is_zero(bytes_of(*page), 64) ? 1u : 0u;
  EXPECT_EQ(zeroed, 3u);
  EXPECT_EQ(box.cold.totals().warm_bytes, 3 * kFullPage) << "two of C3, one of C1";
  EXPECT_EQ(box.tier(0), Tier::kFree);
}

TEST(ColdWarm, AReturningPageStartsItsSuperslabsTimeAnew) {
  Cold<Full> box;
  const auto pages = box.borrow_many(bin_of<Full>(64), 3);
  retire(box.cold, *pages[0]);
  next_period(box);
  retire(box.cold, *pages[1]);
  next_period(box);
  EXPECT_EQ(box.cold.totals().warm_bytes, 3 * kFullPage);
  next_period(box);
  EXPECT_EQ(box.cold.totals().warm_bytes, kFullPage) << "that of the other class";
}

TEST(ColdWarm, TimeStartsWhenThePageComesNotWhenTheBoxLastLooked) {
  Cold<Full> box;
  SoPage<Full>* const page = box.borrow(bin_of<Full>(64));
  box.platform.advance_clock_ms(10 * ColdBox<Full>::kDecayPeriodMs);
  retire(box.cold, *page);
  EXPECT_EQ(box.cold.totals().warm_bytes, kFullPage);
}

TEST(ColdWarm, TheCapIsPerClass) {
  Cold<Full> box;
  box.cold.set_warm_cap(3, 1);
  SoPage<Full>* const other = box.borrow(bin_of<Full>(16));  // its superslab serves next_period
  SoPage<Full>* const c3 = box.borrow(bin_of<Full>(64));
  SoPage<Full>* const c4 = box.borrow(bin_of<Full>(128));
  retire(box.cold, *c3);
  retire(box.cold, *c4);
  for (int i = 0; i < 3; ++i) next_period(box);
  EXPECT_EQ(box.cold.totals().warm_bytes, 2 * kFullPage) << "C3 keeps one, C4 none, C1's is new";
  retire(box.cold, *other);
}

// A system call is made without the lock; another thread may use the box meanwhile.
class MeanwhilePlatform : public FakePlatform {
 public:
  std::function<void()> meanwhile;
  bool purge(void* at, std::size_t bytes) noexcept {
    if (meanwhile) std::exchange(meanwhile, nullptr)();
    return FakePlatform::purge(at, bytes);
  }
};
struct Meanwhile : Config<ProductionGeometry, MeanwhilePlatform, StdWorld, kHardenedMitigations> {};

TEST(ColdWarm, PagesThatAreBeingPurgedCannotBeBorrowed) {
  MeanwhilePlatform platform;
  Arena<Meanwhile> arena;
  arena.init(platform);
  LimitOf<Meanwhile> limit;
  MappingBudget<Meanwhile> mappings;
  mappings.init(platform);
  ColdBox<Meanwhile> cold;
  cold.init(platform, arena, limit, mappings);
  cold.set_warm_cap(3, 1);  // some pages stay warm: the superslab is purged in part
  auto context = std::make_unique<Context<Meanwhile>>();
  const auto borrow = [&](std::size_t size) {
    return refill(cold, bin_of<Meanwhile>(size), PageOwner<Meanwhile>{context.get(), nullptr});
  };
  SoPage<Meanwhile>* const a = borrow(64);
  SoPage<Meanwhile>* const b = borrow(64);
  std::vector<SoPage<Meanwhile>*> borrowed{borrow(1024)};
  retire(cold, *a);
  retire(cold, *b);
  platform.meanwhile = [&] {
    for (const std::size_t size : {64u, 512u}) {
      for (std::uint32_t i = 0; i < kFullPages; ++i) {
        borrowed.push_back(borrow(size));
        bytes_of(*borrowed.back())[0] = 0x5A;
      }
    }
  };
  platform.advance_clock_ms(3 * ColdBox<Meanwhile>::kDecayPeriodMs);
  borrowed.push_back(borrow(1024));
  ASSERT_EQ(platform.meanwhile, nullptr) << "the purge happened";
  for (std::size_t i = 1; i + 1 < borrowed.size(); ++i) {
    EXPECT_EQ(bytes_of(*borrowed[i])[0], 0x5A) << i;
  }
  for (std::uint32_t i = 0; i < 2 * kFullPages; ++i) borrowed.push_back(borrow(64));
  const std::set<SoPage<Meanwhile>*> distinct(borrowed.begin(), borrowed.end());
  EXPECT_EQ(distinct.size(), borrowed.size());
}

// No block of the new bin starts with what a block of the old one held.
TEST(ColdWarm, MemoryThatChangesItsBinIsZero) {
  Cold<Full> box;
  SoPage<Full>& page = *box.borrow(bin_of<Full>(64));
  std::memset(bytes_of(page), 0x5A, blocks_bytes(page));
  retire(box.cold, page);
  EXPECT_EQ(bytes_of(page)[0], 0x5A) << "warm";
  SoPage<Full>& other = *box.borrow(bin_of<Full>(96));
  ASSERT_EQ(other.base, page.base);
  EXPECT_TRUE(is_zero(bytes_of(other), blocks_bytes(other)));
}

TEST(ColdWarm, TrimGivesBackEveryFreePage) {
  Cold<Full> box;
  const auto pages = box.borrow_many(bin_of<Full>(64), 3);
  for (SoPage<Full>* page : pages) std::memset(bytes_of(*page), 0x5A, 64);
  retire(box.cold, *pages[0]);
  retire(box.cold, *pages[2]);
  EXPECT_EQ(box.cold.trim(), 2 * kFullPage);
  EXPECT_TRUE(is_zero(bytes_of(*pages[0]), 64));
  EXPECT_EQ(bytes_of(*pages[1])[0], 0x5A) << "lent: not touched";
  EXPECT_EQ(box.cold.totals().warm_bytes, 0u);
  EXPECT_EQ(box.cold.trim(), 0u);
}

// Another thread's free reached the page's stack only when its owner, who had freed the block too,
// had given the page up: it is told before the record is another page's.
TEST(Cold, APageWithAFreeThatCameTooLateIsNotLent) {
  Cold<Small> box;
  const BinIndex bin = bin_of<Small>(64);
  SoPage<Small>* const page = box.borrow(bin);
  ASSERT_NE(page, nullptr);
  retire(box.cold, *page);
  page->remote_head.store_relaxed(0);
  EXPECT_DEATH(
      {
        while (box.borrow(bin) != nullptr) {
        }
      },
      "double-free: lend");
}

TEST(ColdLimit, HoldsForWhatContextsBorrow) {
  Cold<Full> box;
  const BinIndex bin = bin_of<Full>(64);
  box.limit.set({.hard = 2 * kFullPage});
  SoPage<Full>* const a = box.borrow(bin);
  ASSERT_NE(a, nullptr);
  ASSERT_NE(box.borrow(bin), nullptr);
  EXPECT_EQ(box.borrow(bin), nullptr);
  EXPECT_EQ(box.cold.totals().lent_bytes, 2 * kFullPage);
  retire(box.cold, *a);
  EXPECT_NE(box.borrow(bin), nullptr) << "a returned page may be borrowed again";
  box.limit.set({});
  EXPECT_NE(box.borrow(bin), nullptr) << "no limit";
}

TEST(ColdRefusal, NoMemoryForASuperslab) {
  Cold<Small> box;
  box.platform.fail_after(Call::kCommit, 0);
  EXPECT_EQ(box.borrow(bin_of<Small>(64)), nullptr);
  EXPECT_EQ(box.cold.superslabs_used(), 0u);
  EXPECT_EQ(box.cold.totals().committed_bytes, 0u);
  box.platform.stop_failing();
  EXPECT_NE(box.borrow(bin_of<Small>(64)), nullptr);
}

TEST(ColdRefusal, NoMemoryForItsRecords) {
  for (const std::uint64_t nth : {1u, 2u, 3u}) {  // superslabs, pages, entries
    Cold<Full> box;
    box.platform.fail_nth(Call::kOpen, nth);
    EXPECT_EQ(box.borrow(bin_of<Full>(64)), nullptr);
    EXPECT_EQ(box.cold.superslabs_used(), 0u);
    EXPECT_FALSE(box.arena.contains(ClientPtr(box.arena.base())));
    EXPECT_NE(box.borrow(bin_of<Full>(64)), nullptr);
    EXPECT_TRUE(box.arena.contains(ClientPtr(box.arena.base())));
    EXPECT_EQ(box.platform.foreign_calls(), 0u);
  }
}

TEST(ColdRefusal, TheArenaIsFull) {
  Cold<Small> box;
  const std::size_t pages = std::size_t{box.arena.superslabs()} * 2;
  const auto all = box.borrow_many(bin_of<Small>(64), pages);
  EXPECT_NE(all.back(), nullptr);
  EXPECT_EQ(box.borrow(bin_of<Small>(64)), nullptr);
  EXPECT_EQ(box.borrow(bin_of<Small>(512)), nullptr);
  retire(box.cold, *all[5]);
  EXPECT_EQ(box.borrow(bin_of<Small>(512)), nullptr) << "its superslab is not empty";
  EXPECT_EQ(box.borrow(bin_of<Small>(64)), all[5]);
  EXPECT_EQ(box.platform.foreign_calls(), 0u) << "nothing is said of what lies behind it";
}

TEST(ColdRefusal, NoTableNoBox) {
  FakePlatform platform;
  Arena<Small> arena;
  arena.init(platform);
  platform.fail_after(Call::kTable, 0);
  LimitOf<Small> limit;
  MappingBudget<Small> mappings;
  mappings.init(platform);
  ColdBox<Small> cold;
  EXPECT_FALSE(cold.init(platform, arena, limit, mappings));
}

TEST(ColdGuards, EveryPageEndsInOneAndTheyOutliveRetirement) {
  Cold<Full> box;
  const BinIndex bin = bin_of<Full>(64);
  const auto pages = box.borrow_many(bin, 2);
  const std::uint64_t guards = box.platform.calls(Call::kGuard);
  EXPECT_EQ(guards, 2u);
  for (SoPage<Full>* page : pages) {
    const char* const end = bytes_of(*page) + kFullPage;
    EXPECT_TRUE(FakePlatform::is_readable(end - 4097));
    EXPECT_EQ(FakePlatform::is_readable(end - 4096), !guards_work());
    EXPECT_EQ(FakePlatform::is_readable(end - 1), !guards_work());
  }
  for (SoPage<Full>* page : pages) retire(box.cold, *page);
  box.borrow_many(bin_of<Full>(80), 2);  // another bin, the same page size
  EXPECT_EQ(box.platform.calls(Call::kGuard), guards) << "still there";
  EXPECT_EQ(FakePlatform::is_readable(bytes_of(*pages[0]) + kFullPage - 1), !guards_work());
}

bool readable_before(std::uintptr_t end) {
  return FakePlatform::is_readable(reinterpret_cast<const char*>(end - 4096)) ||
         FakePlatform::is_readable(reinterpret_cast<const char*>(end - 1));
}

// Where the system has no guards that cost nothing, protection does it, within the budget.
TEST(ColdGuards, ByProtectionWhereTheSystemHasNone) {
  ColdSetUp<Full> box;
  box.platform.fail_after(Call::kGuard, 0);
  const auto bin = bin_of<Full>(64);
  SoPage<Full>* const page = box.borrow(bin);
  ASSERT_NE(page, nullptr);
  EXPECT_FALSE(readable_before(page->base + kFullPage));
  EXPECT_TRUE(
      FakePlatform::is_readable(reinterpret_cast<const char*>(page->base + kFullPage - 4097)));
  EXPECT_EQ(box.mappings.guard_mappings(), 2u);
  retire(box.cold, *page);
  EXPECT_EQ(box.borrow(bin), page);
  EXPECT_EQ(box.platform.calls(Call::kProtect), 1u) << "it was still there";
  retire(box.cold, *page);
  // Pages of another size: the guard would lie in the middle of one.
  SoPage<Full>* const great = box.borrow(bin_of<Full>(65536));
  ASSERT_EQ(great->slab_ref, page->slab_ref);
  EXPECT_TRUE(
      FakePlatform::is_readable(reinterpret_cast<const char*>(great->base + kFullPage - 1)));
  EXPECT_EQ(box.platform.calls(Call::kUnguard), 0u) << "there was none of that sort";
  EXPECT_EQ(box.mappings.guard_mappings(), 2u) << "one back, one for the new page";
}

TEST(ColdGuards, ThoseThatCostMappingsAreCountedPageByPage) {
  ColdSetUp<Full> box;
  box.platform.fail_after(Call::kGuard, 0);
  SoPage<Full>* const first = box.borrow(bin_of<Full>(64));
  SoPage<Full>* const second = box.borrow(bin_of<Full>(64));
  ASSERT_EQ(first->slab_ref, second->slab_ref);
  EXPECT_EQ(box.mappings.guard_mappings(), 4u);
  retire(box.cold, *first);
  retire(box.cold, *second);
  box.borrow(bin_of<Full>(65536));
  EXPECT_EQ(box.mappings.guard_mappings(), 2u) << "two back, one for the new page";
  retire(box.cold, *first);
  box.borrow(bin_of<Full>(64));
  EXPECT_EQ(box.mappings.guard_mappings(), 2u) << "one back, one for the new page";
}

TEST(ColdGuards, BeyondTheBudgetPagesGoWithoutAndGetTheirsLater) {
  ColdSetUp<Full> box;
  box.platform.fail_after(Call::kGuard, 0);
  box.platform.set_mappings_max(16);
  ASSERT_TRUE(box.mappings.take_guard());  // it reads how many there are
  box.mappings.give_guards(1);
  box.platform.set_mappings_max(FakeAreas::kNoMax);  // the budget alone is what runs short
  testing::internal::CaptureStderr();
  std::vector<SoPage<Full>*> pages;
  for (int i = 0; i < 4; ++i) pages.push_back(box.borrow(bin_of<Full>(64)));
  EXPECT_NE(testing::internal::GetCapturedStderr(), "");
  EXPECT_FALSE(readable_before(pages[1]->base + kFullPage));
  EXPECT_TRUE(readable_before(pages[2]->base + kFullPage));
  EXPECT_TRUE(readable_before(pages[3]->base + kFullPage));
  box.mappings.give_guards(1);
  retire(box.cold, *pages[2]);
  ASSERT_EQ(box.borrow(bin_of<Full>(64)), pages[2]);
  EXPECT_FALSE(readable_before(pages[2]->base + kFullPage));
}

TEST(ColdGuards, ARefusedProtectionCostsNoBudget) {
  ColdSetUp<Full> box;
  box.platform.fail_after(Call::kGuard, 0);
  box.platform.fail_after(Call::kProtect, 0);
  SoPage<Full>* const page = box.borrow(bin_of<Full>(64));
  ASSERT_NE(page, nullptr);
  EXPECT_TRUE(readable_before(page->base + kFullPage));
  EXPECT_EQ(box.mappings.guard_mappings(), 0u);
  retire(box.cold, *page);
  box.borrow(bin_of<Full>(65536));
  EXPECT_EQ(box.mappings.guard_mappings(), 0u) << "none was there to be given back";
}

TEST(ColdRefusal, ForWantOfMappingsEndsTheGuards) {
  ColdSetUp<Full> box;
  box.platform.set_mappings_max(12);
  for (int i = 0; i < 3; ++i) box.platform.sparse(4096);
  box.platform.fail_after(Call::kCommit, 0);
  testing::internal::CaptureStderr();
  EXPECT_EQ(box.borrow(bin_of<Full>(64)), nullptr);
  EXPECT_NE(testing::internal::GetCapturedStderr(), "");
  EXPECT_FALSE(box.mappings.take_guard());
}

// A guard of the old layout that the system will not take away would lie in the middle of a page.
TEST(ColdGuards, ThatCannotBeRemovedKeepTheSuperslabFromOtherPages) {
  for (const bool cheap : {false, true}) {
    ColdSetUp<Full> box;
    if (!cheap) box.platform.fail_after(Call::kGuard, 0);
    SoPage<Full>* const page = box.borrow(bin_of<Full>(64));
    retire(box.cold, *page);
    box.platform.fail_nth(cheap ? Call::kUnguard : Call::kCommit, 1);
    EXPECT_EQ(box.borrow(bin_of<Full>(65536)), nullptr);
    EXPECT_EQ(box.cold.tier_of(page->slab_ref), Tier::kFree);
    SoPage<Full>* const great = box.borrow(bin_of<Full>(65536));
    ASSERT_NE(great, nullptr) << "the next try succeeds";
    EXPECT_EQ(great->slab_ref, page->slab_ref);
    EXPECT_EQ(box.cold.tier_of(page->slab_ref), Tier::kHot);
  }
}

// All superslabs together are one mapping, so that there is always one more for the next.
TEST(ColdMappings, SuperslabsSideBySideAreOne) {
  ColdSetUp<Full> box;
  // The first one cuts arena and tables in what is open and what is not yet.
  ASSERT_NE(box.borrow(bin_of<Full>(64)), nullptr);
  const std::size_t before = box.platform.mappings();
  for (std::uint32_t i = 1; i < 40 * 32; ++i) ASSERT_NE(box.borrow(bin_of<Full>(64)), nullptr);
  EXPECT_EQ(box.cold.superslabs_used(), 40u);
  EXPECT_EQ(box.platform.mappings(), before);
  box.platform.set_mappings_max(before);
  for (std::uint32_t i = 0; i < 40 * 32; ++i) ASSERT_NE(box.borrow(bin_of<Full>(64)), nullptr);
  EXPECT_EQ(box.platform.short_of_mappings(), 0u);
}

TEST(ColdGuards, NoneWhereTheFlavourHasNone) {
  Cold<FullPerf> box;
  const SoPage<FullPerf>& page = *box.borrow(bin_of<FullPerf>(64));
  EXPECT_EQ(box.platform.calls(Call::kGuard), 0u);
  EXPECT_TRUE(FakePlatform::is_readable(bytes_of(page) + kFullPage - 1));
  EXPECT_EQ(page.capacity, kFullPage / 64);
}

// ---- memory of lent pages

TEST(ColdPurgeUnused, GivesBackWhatNoBlockLiesOnAndCountsIt) {
  Cold<Full> box;
  SoPage<Full>& page = *box.borrow(bin_of<Full>(4096));
  page.carved = page.capacity;
  std::memset(bytes_of(page), 0x5A, blocks_bytes(page));
  page.entries[3].store_relaxed(kEntryLive);
  EXPECT_EQ(box.cold.purge_unused(page), (page.capacity - 1) * std::size_t{4096});
  EXPECT_EQ(page.purged.load_relaxed(), page.capacity - 1u);
  EXPECT_TRUE(is_zero(bytes_of(page), 3 * 4096));
  EXPECT_EQ(bytes_of(page)[3 * 4096], 0x5A);
  EXPECT_EQ(bytes_of(page)[4 * 4096 - 1], 0x5A);
  EXPECT_TRUE(is_zero(bytes_of(page) + 4 * 4096, (page.capacity - 4u) * 4096));
  EXPECT_EQ(box.cold.purge_unused(page), 0u) << "nothing new";
  page.entries[3].store_relaxed(free_entry(kNoSlot));
  EXPECT_EQ(box.cold.purge_unused(page), 4096u);
}

TEST(ColdPurgeUnused, WhatTheSystemRefusesIsNotCounted) {
  Cold<Full> box;
  SoPage<Full>& page = *box.borrow(bin_of<Full>(4096));
  page.carved = page.capacity;
  page.entries[3].store_relaxed(kEntryLive);
  box.platform.fail_nth(Call::kPurge, 1);
  EXPECT_EQ(box.cold.purge_unused(page), (page.capacity - 4u) * std::size_t{4096});
}

// What is not carved has no memory where the page had none when it was lent.
TEST(ColdPurgeUnused, WhatWasNeverTouchedIsNotAskedFor) {
  Cold<Full> box;
  SoPage<Full>& page = *box.borrow(bin_of<Full>(4096));
  page.carved = 8;
  page.entries[3].store_relaxed(kEntryLive);
  page.entries[7].store_relaxed(kEntryLive);
  EXPECT_EQ(box.cold.purge_unused(page), (page.capacity - 2u) * std::size_t{4096});
  EXPECT_EQ(box.platform.calls(Call::kPurge), 2u) << "0 to 2, 4 to 6";
}

TEST(ColdPurgeUnused, APageThatIsLentAnewHasAllOfItsMemory) {
  Cold<Full> box;
  SoPage<Full>* const page = box.borrow(bin_of<Full>(4096));
  box.cold.purge_unused(*page);
  retire(box.cold, *page);
  ASSERT_EQ(box.borrow(bin_of<Full>(4096)), page);
  EXPECT_EQ(page->purged.load_relaxed(), 0u);
  EXPECT_EQ(page->used_at_purge, SoPage<Full>::kNever);
}

TEST(ColdPurgeUnused, NotWhereMemoryIsToStayWhole) {
  for (const MemoryOptions options : {MemoryOptions{HugePages::kMadvise, Prefault::kNo},
                                      MemoryOptions{HugePages::kAlways, Prefault::kNo},
                                      MemoryOptions{HugePages::kSystem, Prefault::kYes}}) {
    Cold<Full> box;
    box.cold.set_options(options);
    EXPECT_EQ(box.cold.purge_unused(*box.borrow(bin_of<Full>(4096))), 0u);
    EXPECT_EQ(box.platform.calls(Call::kPurge), 0u);
  }
}

TEST(ColdPeriod, EndsByTheClockOrByGrowth) {
  Cold<Full> box;
  const std::uint32_t first = box.cold.period();
  box.platform.advance_clock_ms(ColdBox<Full>::kDecayPeriodMs);
  EXPECT_EQ(box.cold.period(), first + 1);
  const std::size_t pages = Full::Tuning::kGrowthMin / kFullPage;
  std::vector<SoPage<Full>*> lent = box.borrow_many(bin_of<Full>(1024), pages - 1);
  EXPECT_EQ(box.cold.period(), first + 1);
  lent.push_back(box.borrow(bin_of<Full>(1024)));
  EXPECT_EQ(box.cold.period(), first + 2);
  for (SoPage<Full>* const page : lent) retire(box.cold, *page);
  box.borrow_many(bin_of<Full>(1024), pages);
  EXPECT_EQ(box.cold.period(), first + 2) << "warm pages are nothing new";
}

// Threads that use a little of many sizes take many large pages, and touch little of each.
TEST(ColdPeriod, ALargePageCountsAsAUnit) {
  Cold<Full> box;
  const BinIndex bin = bin_of<Full>(200000);
  ASSERT_GT(std::size_t{1} << Full::Sizes::info(bin).page_shift, Full::Sizes::kUnitBytes);
  const std::uint32_t first = box.cold.period();
  const std::size_t pages = Full::Tuning::kGrowthMin / Full::Sizes::kUnitBytes;
  for (std::size_t i = 1; i < pages / 8; ++i) box.borrow(bin);
  EXPECT_EQ(box.cold.period(), first);
}

TEST(ColdPeriod, AGreatHeapGrowsByAnEighth) {
  Cold<Full> box;
  const std::uint32_t first = box.cold.period();
  std::size_t bytes = 0;
  while (bytes < std::size_t{512} << 20) bytes += (box.borrow(bin_of<Full>(1024)), kFullPage);
  const std::uint32_t half = box.cold.period();
  EXPECT_LE(half - first, 8u + 16u) << "8 of 16 MiB, then by an eighth each, 16 times 1.125 is 6.6";
  EXPECT_GE(half - first, 8u + 10u);
  for (int i = 0; i < 63 << 4; ++i) box.borrow(bin_of<Full>(1024));
  EXPECT_LE(box.cold.period() - half, 2u);
}

// A page that comes back has been out of use for as long as its context.
TEST(ColdDecay, CountsFromWhenThePageWasLastInUse) {
  Cold<Full> box;
  const BinIndex bin = bin_of<Full>(1024);
  SoPage<Full>* const a = box.borrow(bin);
  SoPage<Full>* const b = box.borrow(bin);
  const std::uint32_t then = box.cold.period();
  box.platform.advance_clock_ms(2 * ColdBox<Full>::kDecayPeriodMs);
  box.cold.retire_page(*a, then);
  ASSERT_EQ(box.cold.totals().warm_bytes, kFullPage);
  age(box.cold);
  EXPECT_EQ(box.cold.totals().warm_bytes, 0u);
  box.cold.retire_page(*b, box.cold.period());
  SoPage<Full>* const c = box.borrow(bin);
  box.cold.retire_page(*c, then);  // a superslab is as warm as its warmest page
  box.platform.advance_clock_ms(ColdBox<Full>::kDecayPeriodMs);
  age(box.cold);
  EXPECT_EQ(box.cold.totals().warm_bytes, kFullPage);
  box.platform.advance_clock_ms(ColdBox<Full>::kDecayPeriodMs);
  age(box.cold);
  EXPECT_EQ(box.cold.totals().warm_bytes, 0u);
}

}  // namespace
}  // namespace hakmem::test
