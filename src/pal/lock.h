// A one-word lock for slow paths: spins briefly, then sleeps in the kernel. 0 free, 1 held, 2 held
// with sleepers (Drepper, "Futexes are tricky", third mutex). Edge L1: unlock's release pairs with
// lock's acquire.
#pragma once

#include <cstdint>

#include "base/attributes.h"
#include "base/check.h"

// Clang's thread-safety annotations; other compilers see nothing.
#if defined(__clang__)
#define HAKMEM_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define HAKMEM_THREAD_ANNOTATION(x)
#endif
#define HAKMEM_CAPABILITY HAKMEM_THREAD_ANNOTATION(capability("mutex"))
#define HAKMEM_SCOPED_CAPABILITY HAKMEM_THREAD_ANNOTATION(scoped_lockable)
#define HAKMEM_GUARDED_BY(x) HAKMEM_THREAD_ANNOTATION(guarded_by(x))
#define HAKMEM_REQUIRES(...) HAKMEM_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define HAKMEM_ACQUIRE(...) HAKMEM_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define HAKMEM_RELEASE(...) HAKMEM_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define HAKMEM_TRY_ACQUIRE(...) HAKMEM_THREAD_ANNOTATION(try_acquire_capability(__VA_ARGS__))
#define HAKMEM_UNCHECKED HAKMEM_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace hakmem {

template <class C>
class HAKMEM_CAPABILITY Lock {
 public:
  constexpr Lock() noexcept = default;
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  bool try_lock() noexcept HAKMEM_TRY_ACQUIRE(true) {
    std::uint32_t expected = kFree;
    return state_.cas_acquire_relaxed(expected, kHeld);  // L1
  }
  void lock() noexcept HAKMEM_ACQUIRE() {
    if (!try_lock()) lock_slow();
  }
  void unlock() noexcept HAKMEM_RELEASE() {
    const std::uint32_t before = state_.exchange_release(kFree);  // L1
    HAKMEM_DCHECK(before != kFree, "lock", 0);
    if (before == kContended) C::Platform::futex_wake(word());
  }
  // By somebody, perhaps.
  bool is_held() const noexcept { return state_.load_relaxed() != kFree; }  // relaxed: a hint
  // In the child after fork: nobody else is left who could hold it or wait.
  void reset_in_child() noexcept HAKMEM_UNCHECKED { state_.store_relaxed(kFree); }

 private:
  static constexpr std::uint32_t kFree = 0, kHeld = 1, kContended = 2;

  HAKMEM_COLD void lock_slow() noexcept HAKMEM_UNCHECKED {
    for (int i = 0; i < C::World::kLockSpins; ++i) {
      if (state_.load_relaxed() == kFree && try_lock()) return;  // relaxed: a hint only
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
    while (state_.exchange_acquire(kContended) != kFree) {  // L1
      C::Platform::futex_wait(word(), kContended);
    }
  }
  std::uint32_t* word() noexcept { return reinterpret_cast<std::uint32_t*>(&state_); }

  typename C::World::template atomic<std::uint32_t> state_{kFree};
};

template <class C>
class HAKMEM_SCOPED_CAPABILITY LockGuard {
 public:
  explicit LockGuard(Lock<C>& lock) noexcept HAKMEM_ACQUIRE(lock) : lock_(lock) { lock_.lock(); }
  ~LockGuard() HAKMEM_RELEASE() { lock_.unlock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Lock<C>& lock_;
};

}  // namespace hakmem
