// Two threads free one block at the same moment. The world's atomics let the test act as the other
// thread before any access to a slot's entry: for each access of the first thread's free, the other
// one frees the same block, and a third perhaps gives up what is free (purge drains and retires in
// another thread's stead). Whatever the place, a report must come before the block is handed out a
// second time. Each trial is a process of its own.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

// Before the access that `left` counts down to, `act` runs once.
struct Window {
  static inline std::function<void()> act;
  static inline int left = -1;
  static void pass() {
    if (left < 0 || left-- != 0) return;
    std::exchange(act, nullptr)();
  }
};

class WatchedEntry : public StdAtomic<EntryBits> {
 public:
  using StdAtomic::StdAtomic;
  EntryBits load_relaxed() const noexcept {
    Window::pass();
    return StdAtomic::load_relaxed();
  }
  void store_relaxed(EntryBits value) noexcept {
    Window::pass();
    StdAtomic::store_relaxed(value);
  }
  bool cas_relaxed(EntryBits& expected, EntryBits desired) noexcept {
    Window::pass();
    return StdAtomic::cas_relaxed(expected, desired);
  }
};
struct WatchedWorld : StdWorld {
  template <class T>
  using atomic = std::conditional_t<std::is_same_v<T, EntryBits>, WatchedEntry, StdAtomic<T>>;
};

// Sleeping on a lock is another place where a thread stands still.
class SleepyPlatform : public FakePlatform {
 public:
  SleepyPlatform() noexcept = default;
  static inline std::function<void()> on_sleep;
  static void futex_wait(std::uint32_t* word, std::uint32_t expected) noexcept {
    if (on_sleep) return std::exchange(on_sleep, nullptr)();
    FakePlatform::futex_wait(word, expected);
  }
};

struct Racing : Config<SmallGeometry, SleepyPlatform, WatchedWorld, kHardenedMitigations> {};
using Racers = Heap<Racing>;

constexpr std::size_t kSize = 100;

enum class First { kOwnersFast, kOwnersSlow, kOwnersReleasing, kRemote };
enum class Visitor { kNone, kPurges };
enum class Outcome { kReported, kUnnoticed, kHandedOutTwice, kOther };

// The first free with the second one in its midst, before the access number `at`.
bool race(Racers& heap, void* p, First first, Visitor visitor, int at) {
  Context<Racing>* const other = heap.allocator->attach_context();
  const bool others_first = first == First::kRemote;
  Context<Racing>* const one = others_first ? other : heap.ctx;
  Context<Racing>* const two = others_first ? heap.ctx : other;
  if (first == First::kOwnersReleasing) heap.ctx->release.allocations_left = 8;
  bool acted = false;
  Window::act = [&] {
    acted = true;
    heap.allocator->deallocate_slow(two, p, "free");
    if (visitor == Visitor::kPurges) heap.allocator->purge();
  };
  Window::left = at;
  if (first == First::kOwnersFast) {
    heap.allocator->deallocate(one, p);
  } else {
    heap.allocator->deallocate_slow(one, p, "free");
  }
  Window::left = -1;
  return acted;
}

// Everything that could hand the block out, and everything that looks at it on its way home.
Outcome go_on(Racers& heap) {
  std::set<void*> out;
  for (int i = 0; i < 64; ++i) {
    if (!out.insert(heap.allocator->allocate_slow(heap.ctx, kSize)).second) {
      return Outcome::kHandedOutTwice;
    }
  }
  for (void* const p : out) heap.give(p);
  heap.allocator->trim(heap.ctx);
  return Outcome::kUnnoticed;
}

Outcome outcome_of(const std::function<Outcome()>& trial) {
  const pid_t child = fork();
  if (child == 0) {
    close(2);
    _exit(static_cast<int>(trial()));
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) return Outcome::kReported;
  return WIFEXITED(status) ? static_cast<Outcome>(WEXITSTATUS(status)) : Outcome::kOther;
}

class EntryRaces : public ::testing::TestWithParam<std::tuple<First, Visitor, int>> {};

TEST_P(EntryRaces, EveryPlaceEndsInAReport) {
  // Copies: Clang lets no lambda capture a structured binding.
  const First first = std::get<0>(GetParam());
  const Visitor visitor = std::get<1>(GetParam());
  const int neighbours = std::get<2>(GetParam());
  for (int at = 0;; ++at) {
    bool acted = true;
    const Outcome outcome = outcome_of([&] {
      Racers heap;
      std::vector<void*> live;
      for (int i = 0; i <= neighbours; ++i) live.push_back(heap.take(kSize));
      return race(heap, live.back(), first, visitor, at) ? go_on(heap) : Outcome::kOther;
    });
    if (outcome == Outcome::kOther) {
      EXPECT_GE(at, 2) << "nothing was tried";
      acted = false;
    } else {
      EXPECT_EQ(outcome, Outcome::kReported) << "before access " << at;
    }
    if (!acted) break;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, EntryRaces,
    ::testing::Combine(::testing::Values(First::kOwnersFast, First::kOwnersSlow,
                                         First::kOwnersReleasing, First::kRemote),
                       ::testing::Values(Visitor::kNone, Visitor::kPurges),
                       ::testing::Values(0, 1, 5)));

// The owner has looked, and sleeps on its lock: whoever holds that drains the other's free.
TEST(Races, ASecondLookAfterTheLock) {
  for (const bool releasing : {false, true}) {
    const Outcome outcome = outcome_of([&] {
      Racers heap;
      heap.take(kSize);
      void* const p = heap.take(kSize);
      Context<Racing>* const other = heap.allocator->attach_context();
      if (releasing) heap.ctx->release.allocations_left = 8;
      heap.ctx->lock.lock();
      SleepyPlatform::on_sleep = [&] {
        heap.allocator->deallocate_slow(other, p, "free");
        heap.ctx->lock.unlock();
        heap.allocator->purge();
      };
      heap.allocator->deallocate_slow(heap.ctx, p, "free");
      return go_on(heap);
    });
    EXPECT_EQ(outcome, Outcome::kReported) << releasing;
  }
}

}  // namespace
}  // namespace hakmem::test
