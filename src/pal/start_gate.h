// Lets everybody wait for one start: the first caller does the work, the others wait for it, later
// ones only look. Edge B1: start's release pairs with is_open's acquire and carries all that was
// set up. Model: models/concurrency/start_model.cc.
#pragma once

#include "pal/lock.h"

namespace hakmem {

template <class C>
class StartGate {
 public:
  constexpr StartGate() noexcept = default;

  bool is_open() const noexcept { return open_.load_acquire(); }  // B1

  // Runs `start()` unless somebody has. True for the caller whose `start` it was.
  template <class Start>
  bool open(Start&& start) noexcept {
    const LockGuard<C> guard(lock_);
    if (open_.load_relaxed()) return false;  // relaxed: under the lock
    start();
    open_.store_release(true);  // B1
    return true;
  }

  // Around fork(): not in the middle of a start.
  void lock_for_fork() noexcept HAKMEM_ACQUIRE(lock_) { lock_.lock(); }
  void unlock_after_fork() noexcept HAKMEM_RELEASE(lock_) { lock_.unlock(); }

 private:
  Lock<C> lock_;
  typename C::World::template atomic<bool> open_{false};
};

}  // namespace hakmem
