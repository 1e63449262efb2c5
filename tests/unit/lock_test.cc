// The lock: exclusion under real threads, sleepers are woken and keep their errno, and what fork
// needs.
#include "pal/lock.h"

#include <errno.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
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

// Tells when a thread is about to sleep.
struct WatchedPlatform : FakePlatform {
  static inline std::atomic<int> sleeps{0}, wakes{0};
  static void futex_wait(std::uint32_t* word, std::uint32_t expected) noexcept {
    ++sleeps;
    LinuxPlatform::futex_wait(word, expected);
  }
  static void futex_wake(std::uint32_t* word) noexcept {
    ++wakes;
    LinuxPlatform::futex_wake(word);
  }
};
struct Watched : Config<SmallGeometry, WatchedPlatform, StdWorld, kHardenedMitigations> {};

TEST(Lock, UnlockWakesASleeper) {
  Lock<Watched> lock;
  WatchedPlatform::sleeps = WatchedPlatform::wakes = 0;
  lock.lock();
  std::thread sleeper([&] {
    errno = 4711;
    {
      const LockGuard<Watched> guard(lock);
    }
    EXPECT_EQ(errno, 4711);
  });
  while (WatchedPlatform::sleeps == 0) std::this_thread::yield();
  // Most likely it sleeps by now; if not, unlock comes first and the test holds as well.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  lock.unlock();
  sleeper.join();
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
  EXPECT_GE(WatchedPlatform::wakes, 1);
}

// A system call for each would be felt everywhere.
TEST(Lock, WithoutSleepersNobodyIsWoken) {
  Lock<Watched> lock;
  WatchedPlatform::sleeps = WatchedPlatform::wakes = 0;
  for (int i = 0; i < 3; ++i) {
    const LockGuard<Watched> guard(lock);
  }
  lock.lock();
  lock.unlock();
  ASSERT_TRUE(lock.try_lock());
  lock.unlock();
  EXPECT_EQ(WatchedPlatform::sleeps, 0);
  EXPECT_EQ(WatchedPlatform::wakes, 0);
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
