// The lock: exclusion under real threads, sleepers are woken, and what fork needs.
#include "pal/lock.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

TEST(Lock, TryLockSaysWhetherItIsHeld) {
  Lock<Small> lock;
  ASSERT_TRUE(lock.try_lock());
  EXPECT_FALSE(lock.try_lock());
  lock.unlock();
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

TEST(Lock, GuardUnlocks) {
  Lock<Small> lock;
  {
    const LockGuard<Small> guard(lock);
    EXPECT_FALSE(lock.try_lock());
  }
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

TEST(Lock, OneAtATimeAndNobodySleepsForEver) {
  Lock<Small> lock;
  long count = 0;  // plain: only the lock orders it
  constexpr int kThreads = 4, kRounds = 20000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) {
        const LockGuard<Small> guard(lock);
        ++count;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(count, long{kThreads} * kRounds);
}

TEST(Lock, TheChildOfAForkForgetsTheHolder) {
  Lock<Small> lock;
  ASSERT_TRUE(lock.try_lock());
  lock.reset_in_child();
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

}  // namespace
}  // namespace hakmem::test
