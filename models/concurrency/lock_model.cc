// The lock under the model checker: one holder at a time, what one did is seen by the next (L1), no
// wake-up is lost: a thread that sleeps for ever is a deadlock to the checker.
#include "models/concurrency/checked_platform.h"
#include "models/concurrency/explore.h"

#include "pal/lock.h"

namespace hakmem::checked {
namespace {

// `kThreads` threads take the lock `kRounds` times each.
template <class C, unsigned kThreads, int kRounds>
struct Contend : rl::test_suite<Contend<C, kThreads, kRounds>, kThreads> {
  Iteration iteration;
  Lock<C> lock;
  Payload guarded;
  int inside = 0;
  void before() { guarded.write(0); }
  void thread(unsigned) {
    for (int i = 0; i < kRounds; ++i) {
      const LockGuard<C> guard(lock);
      RL_ASSERT(++inside == 1);
      guarded.write(guarded.read() + 1);
      --inside;
    }
  }
  void after() {
    RL_ASSERT(guarded.read() == static_cast<int>(kThreads) * kRounds);
    RL_ASSERT(lock.try_lock());
  }
};

// A thread that only tries, against two that wait.
struct Try : rl::test_suite<Try, 3> {
  Iteration iteration;
  Lock<Tiny> lock;
  Payload guarded;
  int taken = 0;
  void before() { guarded.write(0); }
  void thread(unsigned index) {
    if (index == 0 && !lock.try_lock()) return;
    if (index != 0) lock.lock();
    guarded.write(guarded.read() + 1);
    ++taken;
    lock.unlock();
  }
  void after() { RL_ASSERT(taken >= 2 && guarded.read() == taken); }
};

// A kernel that wakes nobody: the checker must see the sleepers.
struct DeafPlatform : CheckedPlatform {
  static void futex_wake(std::uint32_t*) noexcept {}
};
struct Deaf : Config<TinyGeometry, DeafPlatform, CheckedWorld, kPerfMitigations, TinyTuning> {};

}  // namespace
}  // namespace hakmem::checked

int main(int argc, char** argv) {
  using namespace hakmem::checked;
  Runner run(argc, argv);
  run.every<Contend<Tiny, 2, 2>>("2 threads, twice each", 5);
  run.every<Contend<Tiny, 3, 1>>("3 threads", 4);
  run.every<Try>("2 threads wait, 1 tries", 4);
  run.random<Contend<Tiny, 4, 3>>("4 threads, three times each", 20000);
  run.needs<Contend<Tiny, 2, 2>>("L1", Side::kRelease, 2);
  run.needs<Contend<Tiny, 2, 2>>("L1", Side::kAcquire, 2);
  run.fails<Contend<Deaf, 2, 2>>("2 threads, and no wake-up ever comes", 2);
  return run.status();
}
