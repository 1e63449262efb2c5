// Threads that meet on contexts with no lock between them but the allocator's own: each workload is
// there for ThreadSanitizer, which sees a path that works on a context without its lock. Otherwise
// it is looked at only that all memory comes back.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "pal/linux.h"
#include "test_heap.h"

namespace hakmem::test {
namespace {

// FakePlatform has a lock in every call, which would order what the allocator does not.
class LockFreePlatform : public LinuxPlatform {
 public:
  static inline std::atomic<std::uint64_t> now{1000};
  std::uint64_t clock_ms() noexcept { return now.load(std::memory_order_relaxed); }
};
struct Meeting : Config<SmallGeometry, LockFreePlatform, StdWorld, kHardenedMitigations> {};

class MeetingThreads : public ::testing::Test {
 protected:
  using Ctx = Context<Meeting>;
  static constexpr int kThreads = 2;
  static constexpr std::uint32_t kSlots = 64;
  static constexpr int kMeetings = 200;

  MeetingThreads() { a_->init(default_policy()); }
  ~MeetingThreads() override {
    for (auto& slot : slots_) a_->deallocate_slow(nullptr, slot.exchange(nullptr), "free");
    a_->publish_policy(nullptr, default_policy());
    Ctx* const last = a_->attach_context();
    a_->trim(last);
    EXPECT_EQ(a_->boxes().cold.totals().lent_bytes, 0u);
    EXPECT_EQ(audit(*a_), laws::kHolds);
  }

  // `work(rng)` in each thread, once at least and until the others have been here often; meanwhile
  // `others` again and again in this thread, and time passes. Nothing of it orders the threads.
  template <class Work, class Others>
  void meet(Work&& work, Others&& others) {
    std::atomic<int> running{kThreads};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        Rng rng(static_cast<std::uint64_t>(t) + 1);
        do {
          work(rng);
        } while (meetings_.load(std::memory_order_relaxed) < kMeetings);
        running.fetch_sub(1, std::memory_order_relaxed);
      });
    }
    while (running.load(std::memory_order_relaxed) != 0) {
      others();
      meetings_.fetch_add(1, std::memory_order_relaxed);
      LockFreePlatform::now.fetch_add(200, std::memory_order_relaxed);
      std::this_thread::yield();
    }
    for (std::thread& thread : threads) thread.join();
  }
  // Until the others have gone round once more: they meet what this thread has just left behind.
  void wait_for_others() {
    const int now = meetings_.load(std::memory_order_relaxed);
    while (meetings_.load(std::memory_order_relaxed) - now < 2) {
      if (meetings_.load(std::memory_order_relaxed) >= kMeetings) return;
      std::this_thread::yield();
    }
  }

  // Takes `n` blocks and leaves each in a slot, whose last block it frees: another thread's, often.
  void exchange_blocks(Ctx* ctx, Rng& rng, int n, std::uint32_t bytes_max) {
    for (int i = 0; i < n; ++i) {
      void* const p = a_->allocate(ctx, 1 + rng.below(bytes_max));
      a_->deallocate(ctx, slots_[rng.below(kSlots)].exchange(p));
    }
  }
  // The same without taking any: only frees.
  void free_others_blocks(Ctx* ctx) {
    for (auto& slot : slots_) a_->deallocate(ctx, slot.exchange(nullptr));
  }

  std::unique_ptr<Allocator<Meeting>> a_ = std::make_unique<Allocator<Meeting>>();
  std::atomic<int> meetings_{0};
  std::array<std::atomic<void*>, kSlots> slots_{};
};

TEST_F(MeetingThreads, ThreadsComeAndGoWhileOthersPurge) {
  const auto live_for_a_moment = [&](Rng& rng) {
    for (int i = 0; i < 50; ++i) {
      Ctx* const ctx = a_->attach_context();
      exchange_blocks(ctx, rng, 12, 2000);
      a_->park_context(*ctx);
    }
  };
  meet(live_for_a_moment, [&] { a_->purge(); });
}

// Frees of others' blocks until the thread keeps nothing: that empties its magazines into pages
// which the visitor has in hand.
TEST_F(MeetingThreads, ThreadsThatOnlyFreeWhileOthersPurge) {
  Ctx* const maker = a_->attach_context();
  Rng sizes(5);
  const auto free_only = [&](Rng& rng) {
    Ctx* const ctx = a_->attach_context();
    for (int i = 0; i < 20; ++i) {
      std::array<void*, 24> own{};
      for (void*& p : own) p = a_->allocate(ctx, 1 + rng.below(600));
      for (void* p : own) a_->deallocate(ctx, p);
      for (int k = 0; k < 8; ++k) free_others_blocks(ctx);
    }
    a_->park_context(*ctx);
  };
  meet(free_only, [&] {
    exchange_blocks(maker, sizes, 64, 4000);
    a_->purge();
  });
  a_->park_context(*maker);
}

// C6 goes from v3 to v1 and back, with its magazines kept (HAKMEM_TINY_C6_HOT): a free of a v1
// block sends blocks of v3 back to their pages.
TEST_F(MeetingThreads, C6IsFlushedWhileOthersPurge) {
  const auto work = [&](Rng& rng) {
    Ctx* const ctx = a_->attach_context();
    std::array<void*, 24> held{};
    for (int i = 0; i < 20; ++i) {
      for (void*& p : held) {
        p = a_->allocate(ctx, 385 + rng.below(60));
        if (rng.below(24) == 0) wait_for_others();  // the route changes
      }
      for (void* p : held) a_->deallocate(ctx, p);
      wait_for_others();
    }
    a_->park_context(*ctx);
  };
  std::uint32_t flip = 0;
  meet(work, [&] {
    PolicySnapshot policy = default_policy();
    policy.c6_hot = true;
    policy.set_v3_mask(++flip / 3 % 2 == 0 ? 0xFFFFu : 0xFFBFu);
    a_->publish_policy(nullptr, policy);
    a_->purge();
  });
}

TEST_F(MeetingThreads, PolicyFlipsWhileOthersTrim) {
  Ctx* const mine = a_->attach_context();
  Rng flips(9);
  const auto work = [&](Rng& rng) {
    Ctx* const ctx = a_->attach_context();
    for (int i = 0; i < 20; ++i) {
      exchange_blocks(ctx, rng, 20, 2000);
      PolicySnapshot policy = default_policy();
      policy.set_v3_mask(static_cast<std::uint32_t>(rng.below(0x10000)));
      if (i % 10 == 0) a_->publish_policy(ctx, policy);
      if (i % 4 == 0) a_->trim(ctx);
    }
    a_->park_context(*ctx);
  };
  meet(work, [&] {
    exchange_blocks(mine, flips, 4, 500);
    a_->trim(mine);
  });
  a_->park_context(*mine);
}

// What a fork does in the parent, without the fork: every lock is taken and let go.
TEST_F(MeetingThreads, ForksWhileOthersWork) {
  const auto work = [&](Rng& rng) {
    for (int i = 0; i < 20; ++i) {
      Ctx* const ctx = a_->attach_context();
      exchange_blocks(ctx, rng, 40, 6000);
      a_->park_context(*ctx);
    }
  };
  meet(work, [&] {
    a_->fork_prepare();
    a_->fork_parent();
    a_->stats();
  });
}

}  // namespace
}  // namespace hakmem::test
