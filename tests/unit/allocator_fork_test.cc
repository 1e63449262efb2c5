// Fork: every lock is held while the process is copied and free afterwards, and the child's free
// blocks are the parent's in another order.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

class ForkLocks : public ::testing::Test {
 protected:
  ForkLocks() { allocator_->init(default_policy()); }

  // `work` wants a lock: it must wait between prepare and parent, and come to its end after that.
  // `meanwhile` is looked at while it waits.
  void expect_waits(const std::function<void()>& work, const std::function<void()>& meanwhile) {
    allocator_->fork_prepare();
    EXPECT_TRUE(waits(work, [&] {
      meanwhile();
      allocator_->fork_parent();
    }));
  }

  std::unique_ptr<Allocator<Watched>> allocator_ = std::make_unique<Allocator<Watched>>();
};

TEST_F(ForkLocks, OfTheRegistry) {
  expect_waits([&] { allocator_->attach_context(); }, [] {});
}
TEST_F(ForkLocks, OfThePolicy) {
  PolicySnapshot policy = default_policy();
  policy.count = true;
  expect_waits([&] { allocator_->publish_policy(nullptr, policy); },
               [&] { EXPECT_FALSE(allocator_->policy().count); });
  EXPECT_TRUE(allocator_->policy().count);
}
TEST_F(ForkLocks, OfTheColdBox) {
  expect_waits([&] { allocator_->boxes().cold.totals(); }, [] {});
}
TEST_F(ForkLocks, OfV1) {
  expect_waits([&] { allocator_->boxes().v1.allocate(bin_of<Watched>(64)); }, [] {});
}
TEST_F(ForkLocks, OfLarge) {
  expect_waits([&] { allocator_->boxes().large.allocate(1 << 20, 16); }, [] {});
}

TEST(Shuffle, EveryOrderOccurs) {
  Rng rng(7);
  std::set<std::array<int, 4>> orders;
  for (int i = 0; i < 1000; ++i) {
    std::array<int, 4> items{1, 2, 3, 4};
    shuffle(std::span<int>(items), rng);
    orders.insert(items);
  }
  EXPECT_EQ(orders.size(), 24u);
}

template <class C>
class ForkedHeap : public ::testing::Test {
 public:
  using Blocks = std::vector<const void*>;

  Blocks cached(BinIndex bin) {
    const Magazine<C>& m = heap.ctx->ultra.magazine(bin);
    Blocks blocks;
    for (std::size_t i = 0; i < m.size(); ++i) blocks.push_back(m.base[i].block);
    return blocks;
  }
  static Blocks free_on(const SoPage<C>& page) {
    Blocks blocks;
    for (std::uint16_t s = page.freelist; s != kNoSlot;) {
      blocks.push_back(page.slot_address(s));
      s = entry_link(page.entries[s].load_relaxed());
    }
    return blocks;
  }
  void fork() {
    heap.allocator->fork_prepare();
    heap.allocator->fork_child(heap.ctx);
  }
  // In a few forks at most, for a short list may come out as it was.
  template <class Read>
  void expect_shuffled(Read&& read) {
    const Blocks before = read();
    ASSERT_GE(before.size(), 2u);
    Blocks now = before;
    for (int i = 0; i < 40 && now == before; ++i) {
      fork();
      now = read();
    }
    EXPECT_NE(now, before);
    EXPECT_TRUE(std::is_permutation(now.begin(), now.end(), before.begin(), before.end()));
    EXPECT_EQ(heap.audit(), nullptr);
  }
  std::vector<void*> take(std::size_t n, std::size_t count) {
    std::vector<void*> blocks;
    for (std::size_t i = 0; i < count; ++i) blocks.push_back(heap.take(n));
    return blocks;
  }

  Heap<C> heap;
};
using Forked = ForkedHeap<Full>;

TEST_F(Forked, MagazinesOfEveryBinComeInAnotherOrder) {
  for (std::size_t b = 0; b < Full::Sizes::kBins; ++b) {
    // Two bins have blocks of 16 bytes: the first serves up to 8.
    for (void* p : take(b == 0 ? 8 : Full::Sizes::kBinTable[b].block_size, 2)) heap.give(p);
  }
  for (std::size_t b = 0; b < Full::Sizes::kBins; ++b) {
    expect_shuffled([&] { return cached(BinIndex(static_cast<std::uint8_t>(b))); });
  }
}

// Longer than one piece; the magazines are filled again so that they hold none of it. A page's turn
// comes when it is next taken from: a fork itself costs the same for any number of pages.
TEST_F(Forked, FreelistsOfPagesWhenTheyAreNextTakenFrom) {
  const std::size_t slots = Full::Sizes::info(bin_of<Full>(64)).capacity;
  const auto blocks = take(64, 3 * slots);
  for (void* p : blocks) heap.give(p);
  heap.allocator->fork_prepare();
  heap.allocator->fork_parent();
  BinPages<Full>& cls = heap.class_of(64);
  ASSERT_NE(cls.current, nullptr);
  ASSERT_FALSE(cls.partial.empty());
  SoPage<Full>& partial = heap.allocator->boxes().arena.page(cls.partial.front());
  ASSERT_GT(free_on(partial).size(), 256u);
  const Blocks before = free_on(partial);
  HotBox<Full, ColdBox<Full>> hot(heap.allocator->boxes().arena, heap.allocator->boxes().cold,
                                  heap.ctx->so);
  expect_shuffled([&] {
    EXPECT_EQ(hot.page_to_take_from(bin_of<Full>(64)).page, cls.current);
    return free_on(*cls.current);
  });
  EXPECT_EQ(free_on(partial), before) << "nobody has taken from it";
  while (cls.current != &partial) heap.allocator->allocate_slow(heap.ctx, 64);
  fork();
  hot.page_to_take_from(bin_of<Full>(64));
  const Blocks now = free_on(partial);
  ASSERT_LE(now.size(), before.size());
  ASSERT_GE(now.size(), 512u);
  for (const std::size_t piece : {std::size_t{0}, std::size_t{256}}) {
    const std::size_t end = std::min(piece + 256, now.size());
    EXPECT_FALSE(std::equal(now.begin() + static_cast<std::ptrdiff_t>(piece),
                            now.begin() + static_cast<std::ptrdiff_t>(end),
                            before.begin() + static_cast<std::ptrdiff_t>(piece)));
  }
}

// The end of a list is no slot: nothing is written there.
TEST_F(Forked, AnEmptyFreelistStaysEmpty) {
  heap.take(1024);
  const SoPage<Full>& page = *heap.class_of(1024).current;
  while (page.freelist != kNoSlot) heap.take(1024);
  const EntryBits beyond = page.entries[kNoSlot].load_relaxed();
  fork();
  EXPECT_EQ(page.freelist, kNoSlot);
  EXPECT_EQ(page.entries[kNoSlot].load_relaxed(), beyond);
}

TEST_F(Forked, FreshSecretsForEveryContext) {
  Context<Full>* const parked = heap.allocator->attach_context();
  Context<Full>* const lost = heap.allocator->attach_context();
  heap.allocator->park_context(*parked);
  const Rng mine = heap.ctx->so.rng, theirs = parked->so.rng, gone = lost->so.rng;
  fork();
  EXPECT_EQ(lost->state, ContextState::kOrphaned);
  EXPECT_NE(Rng(heap.ctx->so.rng).next(), Rng(mine).next());
  EXPECT_NE(Rng(parked->so.rng).next(), Rng(theirs).next());
  EXPECT_NE(Rng(lost->so.rng).next(), Rng(gone).next());
}

TEST_F(Forked, AThreadWithoutAContextMayFork) {
  heap.allocator->fork_prepare();
  heap.allocator->fork_child(nullptr);
  EXPECT_EQ(heap.ctx->state, ContextState::kOrphaned);
  EXPECT_EQ(heap.allocator->attach_context(), heap.ctx) << "parked for its thread, and adopted";
}

// Contexts of threads that a fork has lost, with blocks in their magazines, on pages, and sent to
// them by others.
template <class C>
class Lost : public ::testing::Test {
 protected:
  void SetUp() override {
    lost = heap.allocator->attach_context();
    for (int i = 0; i < 40; ++i) live.push_back(heap.allocator->allocate(lost, 500));
    for (int i = 0; i < 20; ++i) {
      heap.allocator->deallocate(i % 2 == 0 ? lost : heap.ctx, live.back());
      live.pop_back();
    }
  }
  void fork() {
    heap.allocator->fork_prepare(heap.ctx);
    heap.allocator->fork_child(heap.ctx);
  }
  std::size_t lent() { return heap.allocator->boxes().cold.totals().lent_bytes; }
  void expect_nothing_is_lost() {
    for (void* const p : live) heap.give(p);
    heap.allocator->trim(heap.ctx);
    EXPECT_EQ(lost->state, ContextState::kParked);
    EXPECT_EQ(heap.audit(), nullptr);
    EXPECT_EQ(lent(), 0u);
  }
  SoPage<C>& page() { return heap.page_of(live.back()); }

  Heap<C> heap;
  Context<C>* lost = nullptr;
  std::vector<void*> live;
};
using LostConfigs = ::testing::Types<Small, SmallPerf, Full, FullPerf>;
TYPED_TEST_SUITE(Lost, LostConfigs);

TYPED_TEST(Lost, TheChildGetsAllOfTheirMemoryBack) {
  this->fork();
  this->expect_nothing_is_lost();
}

TYPED_TEST(Lost, GenerationsOfForksAdoptTheSameContexts) {
  for (int i = 0; i < 5; ++i) {
    this->fork();
    EXPECT_EQ(this->heap.allocator->attach_context(), this->lost);
    this->heap.allocator->deallocate(this->lost, this->heap.allocator->allocate(this->lost, 500));
  }
  this->heap.allocator->park_context(*this->lost);
  this->expect_nothing_is_lost();
}

// Whoever borrows a page next parks them, as it looks after parked ones.
TYPED_TEST(Lost, ARefillIsEnough) {
  this->fork();
  EXPECT_EQ(this->lost->state, ContextState::kOrphaned);
  this->heap.take(3000);
  EXPECT_EQ(this->lost->state, ContextState::kParked);
}

// The thread that posts is lost, after each of its steps.
TYPED_TEST(Lost, InTheMiddleOfAPost) {
  for (int steps = 0; steps < 3; ++steps) {
    Context<TypeParam>* const poster = this->heap.allocator->attach_context();
    void* const p = this->live.back();
    SoPage<TypeParam>& page = this->page();
    const std::uint32_t slot = this->heap.slot_of(p);
    poster->posting.store_relaxed(this->heap.allocator->boxes().arena.unit_of(page));
    std::uint32_t head = kNoSlot;
    if (steps > 0) {
      ASSERT_TRUE(mark_remote(page, slot, &head));
      this->live.pop_back();
    }
    if (steps > 1) page.remote_head.store_relaxed(slot);
    this->fork();
    EXPECT_EQ(poster->posting.load_relaxed(), SoPage<TypeParam>::kNoPage);
    EXPECT_EQ(this->heap.audit(), nullptr);
    this->heap.allocator->trim(this->heap.ctx);
  }
  this->expect_nothing_is_lost();
}

// A page that waits already is not put on the list a second time.
TYPED_TEST(Lost, InTheMiddleOfASecondPost) {
  Context<TypeParam>* const poster = this->heap.allocator->attach_context();
  SoPage<TypeParam>& page = this->page();
  this->heap.give(this->live.back());
  this->live.pop_back();
  poster->posting.store_relaxed(this->heap.allocator->boxes().arena.unit_of(page));
  this->fork();
  EXPECT_EQ(this->heap.audit(), nullptr);
  this->expect_nothing_is_lost();
}

TYPED_TEST(Lost, InTheMiddleOfAPop) {
  if constexpr (TypeParam::kMitigations.check_frees) {
    Magazine<TypeParam>& magazine = this->lost->ultra.magazine(bin_of<TypeParam>(500));
    ASSERT_FALSE(magazine.empty());
    magazine.top[-1].entry->store_relaxed(kEntryLive);  // the program has not got it yet
  }
  this->fork();
  this->expect_nothing_is_lost();
}

TYPED_TEST(Lost, InTheMiddleOfAPopTheOtherWayRound) {
  if constexpr (TypeParam::kMitigations.check_frees) {
    Magazine<TypeParam>& magazine = this->lost->ultra.magazine(bin_of<TypeParam>(500));
    ASSERT_FALSE(magazine.empty());
    --magazine.top;
  }
  this->fork();
  this->expect_nothing_is_lost();
}

TYPED_TEST(Lost, WhenItHadClaimedABlockAndWaitedForItsLock) {
  if constexpr (TypeParam::kMitigations.check_frees) {
    SoPage<TypeParam>& page = this->page();
    ASSERT_EQ(page.owner.load_relaxed(), this->lost);
    this->lost->claiming.store_relaxed(this->live.back());
    page.entries[this->heap.slot_of(this->live.back())].store_relaxed(kEntryCached);
    this->live.pop_back();
  }
  this->fork();
  this->expect_nothing_is_lost();
}

}  // namespace
}  // namespace hakmem::test
