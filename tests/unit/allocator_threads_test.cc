// The allocator with several contexts: blocks freed by others, thread exit (park, scavenge, adopt),
// and fork. Threads here are real, but every outcome is fixed.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

template <class C>
class Threads : public ::testing::Test {
 protected:
  Context<C>* attach() { return heap_.allocator->attach_context(); }
  void* take(Context<C>* ctx, std::size_t n) { return heap_.allocator->allocate(ctx, n); }
  void give(Context<C>* ctx, void* p) { heap_.allocator->deallocate(ctx, p); }
  void park(Context<C>* ctx) { heap_.allocator->park_context(*ctx); }
  std::size_t lent() { return heap_.allocator->boxes().cold.totals().lent_bytes; }
  void expect_all_given_back() {
    heap_.allocator->trim(heap_.ctx);
    EXPECT_EQ(heap_.audit(), laws::kHolds);
    EXPECT_EQ(lent(), 0u);
  }
  Heap<C> heap_;
};
using Configs = ::testing::Types<Small, SmallPerf, Full>;
TYPED_TEST_SUITE(Threads, Configs);

TYPED_TEST(Threads, ABlockFreedElsewhereComesBackToItsOwner) {
  Context<TypeParam>* const other = this->attach();
  void* const p = this->take(this->heap_.ctx, 1000);
  this->give(other, p);
  EXPECT_EQ(this->heap_.state_of(p), SlotState::kRemote);
  EXPECT_EQ(this->heap_.audit(), laws::kHolds);
  this->heap_.allocator->allocate_slow(this->heap_.ctx, 16);  // any slow path drains
  EXPECT_EQ(this->heap_.state_of(p), SlotState::kFree);
  EXPECT_EQ(this->heap_.audit(), laws::kHolds);
}

TYPED_TEST(Threads, AnExitedThreadsEmptyPagesAreGivenBackAtOnce) {
  Context<TypeParam>* const ctx = this->attach();
  for (const std::size_t n : {16u, 100u, 1000u, 4000u}) this->give(ctx, this->take(ctx, n));
  EXPECT_GT(this->lent(), 0u);
  this->park(ctx);
  EXPECT_EQ(this->lent(), 0u);
  EXPECT_EQ(this->heap_.audit(), laws::kHolds);
}

TYPED_TEST(Threads, BlocksOutliveTheirThreadAndTheNextOneAdoptsThem) {
  Context<TypeParam>* const ctx = this->attach();
  auto* const p = static_cast<char*>(this->take(ctx, 1000));
  std::memset(p, 'x', 1000);
  this->park(ctx);
  EXPECT_EQ(this->heap_.state_of(p), SlotState::kLive);
  EXPECT_EQ(this->attach(), ctx) << "adopted whole";
  EXPECT_EQ(p[999], 'x');
  this->give(ctx, p);
  EXPECT_NE(this->heap_.state_of(p), SlotState::kRemote) << "the adopter is the owner";
  this->park(ctx);
  EXPECT_EQ(this->lent(), 0u);
}

// What is sent to a parked context is looked after by whoever borrows a page next.
TYPED_TEST(Threads, ParkedContextsAreScavenged) {
  this->take(this->heap_.ctx, 16);  // it has looked at the time, so it visits nobody below
  Context<TypeParam>* const ctx = this->attach();
  void* const p = this->take(ctx, 1000);
  this->park(ctx);
  this->give(this->heap_.ctx, p);
  EXPECT_EQ(this->heap_.state_of(p), SlotState::kRemote);
  EXPECT_EQ(this->heap_.audit(), laws::kHolds);
  const std::size_t before = this->lent();
  this->take(this->heap_.ctx, 64);
  EXPECT_EQ(this->heap_.state_of(p), SlotState::kFree);
  EXPECT_EQ(this->heap_.page_of(p).flags, PageFlag::kRetired);
  const std::size_t page = std::size_t{1}
                           << TypeParam::Sizes::info(bin_of<TypeParam>(64)).page_shift;
  const std::size_t old = std::size_t{1}
                          << TypeParam::Sizes::info(bin_of<TypeParam>(1000)).page_shift;
  EXPECT_EQ(this->lent(), before + page - old);
}

TYPED_TEST(Threads, AnAdoptedContextTakesUpTheCurrentPolicy) {
  Context<TypeParam>* const ctx = this->attach();
  this->park(ctx);
  PolicySnapshot policy = default_policy();
  policy.set_v3_mask(0);
  policy.classes[7].max_partial = 3;
  this->heap_.allocator->publish_policy(nullptr, policy);
  ASSERT_EQ(this->attach(), ctx);
  EXPECT_FALSE(ctx->ultra.is_open(bin_of<TypeParam>(100)));
  EXPECT_EQ(ctx->so.bins[bin_of<TypeParam>(1024).value()].max_partial, 3u);
  EXPECT_STREQ(this->heap_.allocator->locate(this->take(ctx, 100)).heap, "v1");
}

// Each thread writes its own mark into its blocks, hands them to the next one, frees what it gets.
TYPED_TEST(Threads, RingOfThreads) {
  constexpr int kThreads = 3, kRounds = 3000;
  struct Mailbox {
    std::atomic<void*> block{nullptr};
  };
  std::vector<Mailbox> boxes(kThreads);
  std::atomic<int> errors{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Context<TypeParam>* const ctx = this->attach();
      Rng rng(static_cast<std::uint64_t>(t));
      for (int i = 0; i < kRounds; ++i) {
        const std::size_t n = 8 + rng.below(1500);
        auto* const p = static_cast<std::size_t*>(this->take(ctx, n));
        *p = n;
        void* const got = boxes[static_cast<std::size_t>((t + 1) % kThreads)].block.exchange(p);
        if (got == nullptr) continue;
        const std::size_t size = *static_cast<std::size_t*>(got);
        if (size < 8 || size > 1508) ++errors;
        this->give(ctx, got);
      }
      this->park(ctx);
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(errors, 0);
  EXPECT_EQ(this->heap_.audit(), laws::kHolds);
  for (Mailbox& box : boxes) {
    if (box.block.load() != nullptr) this->give(this->heap_.ctx, box.block.load());
  }
  this->expect_all_given_back();
}

// Many threads that live for a moment and leave a block behind; all memory comes back in the end.
TYPED_TEST(Threads, ShortLivedThreads) {
  constexpr int kWaves = 40, kThreads = 4;
  std::atomic<void*> left[kThreads] = {};
  for (int wave = 0; wave < kWaves; ++wave) {
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([this, &slot = left[t]] {
        Context<TypeParam>* const ctx = this->attach();
        std::vector<void*> blocks;
        for (std::size_t n = 1; n < 1200; n += 37) blocks.push_back(this->take(ctx, n));
        void* const old = slot.exchange(blocks.back());
        blocks.back() = old;
        for (void* p : blocks) {
          if (p != nullptr) this->give(ctx, p);
        }
        this->park(ctx);
      });
    }
    for (std::thread& t : threads) t.join();
  }
  for (std::atomic<void*>& slot : left) this->give(this->heap_.ctx, slot.load());
  this->expect_all_given_back();
  int contexts = 0;
  this->heap_.allocator->boxes().contexts.for_each([&](auto&) { ++contexts; });
  EXPECT_LE(contexts, kThreads + 1) << "contexts are reused";
}

// A flip by one thread while others allocate: they take it up on their own slow paths.
TYPED_TEST(Threads, PolicyFlipsWhileOthersWork) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      Context<TypeParam>* const ctx = this->attach();
      Rng rng(static_cast<std::uint64_t>(t));
      std::vector<void*> set(50, nullptr);
      while (!stop) {
        void*& p = set[rng.below(50)];
        if (p != nullptr) this->give(ctx, p);
        p = this->take(ctx, 1 + rng.below(2000));
        std::memset(p, 0x5A, 1);
      }
      for (void* p : set) {
        if (p != nullptr) this->give(ctx, p);
      }
      this->park(ctx);
    });
  }
  for (std::uint32_t i = 0; i < 300; ++i) {
    PolicySnapshot policy = i % 3 == 0 ? counting_policy() : default_policy();
    policy.set_v3_mask(i * 2654435761u >> 16);
    policy.c6_hot = i % 2 == 0;
    this->heap_.allocator->publish_policy(nullptr, policy);
    std::this_thread::yield();
  }
  stop = true;
  for (std::thread& t : threads) t.join();
  this->heap_.allocator->publish_policy(this->heap_.ctx, default_policy());
  this->expect_all_given_back();
}

TYPED_TEST(Threads, TheForkHooksLeaveBothSidesWorking) {
  Allocator<TypeParam>& a = *this->heap_.allocator;
  Context<TypeParam>* const mine = this->heap_.ctx;
  Context<TypeParam>* const other = this->attach();  // of a thread that the child will not have
  void* const of_mine = this->take(mine, 100);
  void* const of_other = this->take(other, 100);
  for (int i = 0; i < 20; ++i) this->give(mine, this->take(mine, 700));
  a.fork_prepare();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    a.fork_child(mine);
    bool good = this->heap_.audit() == laws::kHolds && other->state == ContextState::kOrphaned;
    this->give(mine, of_mine);
    this->give(mine, of_other);
    for (std::size_t n = 1; n < 3000; n += 50) {
      void* const p = this->take(mine, n);
      good = good && p != nullptr;
      std::memset(p, 0x5A, n);
      this->give(mine, p);
    }
    good = good && this->attach() != nullptr && this->heap_.audit() == laws::kHolds;
    _exit(good ? 0 : 1);
  }
  a.fork_parent();
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(other->state, ContextState::kActive);
  this->give(mine, of_mine);
  this->give(other, of_other);
  this->park(other);
  this->expect_all_given_back();
}

TEST(NoContextLeft, V1Serves) {
  Heap<Small> heap;
  for (std::size_t i = 1; i < SmallGeometry::kContextsMax; ++i) {
    ASSERT_NE(heap.allocator->attach_context(), nullptr);
  }
  ASSERT_EQ(heap.allocator->attach_context(), nullptr);
  void* const p = heap.allocator->allocate_slow(nullptr, 100);
  EXPECT_STREQ(heap.allocator->locate(p).heap, "v1");
  heap.allocator->deallocate_slow(nullptr, p, "free");
}

// Threads allocate, hand blocks on and pause, while time passes and others work on whatever looks
// idle, at rest or not: every block keeps its contents, and nothing is lost.
TYPED_TEST(Threads, OthersWorkOnTheirContextsMeanwhile) {
  constexpr int kThreads = 3, kRounds = 1500;
  std::vector<std::atomic<unsigned char*>> slots(64);
  std::atomic<int> errors{0}, running{kThreads};
  const auto give_checked = [&](Context<TypeParam>* ctx, unsigned char* p) {
    if (p == nullptr) return;
    const std::size_t n = p[0] * std::size_t{8};
    for (std::size_t i = 1; i < n; ++i) errors += p[i] == p[0] ? 0 : 1;
    this->give(ctx, p);
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Rng rng(static_cast<std::uint64_t>(t));
      Context<TypeParam>* const ctx = this->attach();
      for (int i = 0; i < kRounds; ++i) {
        const auto mark = static_cast<unsigned char>(2 + rng.below(250));
        auto* const p = static_cast<unsigned char*>(this->take(ctx, mark * std::size_t{8}));
        std::memset(p, mark, mark * std::size_t{8});
        give_checked(ctx, slots[rng.below(64)].exchange(p));
        if (i % 300 == 299) this->heap_.platform().advance_clock_ms(600);
      }
      this->park(ctx);
      --running;
    });
  }
  while (running != 0) this->heap_.allocator->purge();
  for (std::thread& thread : threads) thread.join();
  for (auto& slot : slots) give_checked(this->heap_.ctx, slot.exchange(nullptr));
  EXPECT_EQ(errors, 0);
  this->expect_all_given_back();
}

}  // namespace
}  // namespace hakmem::test
