// Atomics whose methods name their memory order; there is no default order. `World` is a template
// parameter of everything that shares memory, so that the production code itself runs under a model
// checker with the checker's atomics (docs/MEMORY_ORDER.md lists every happens-before edge by id).
#pragma once

#include <atomic>

namespace hakmem {

template <class T>
class StdAtomic {
 public:
  constexpr StdAtomic() noexcept = default;
  constexpr explicit StdAtomic(T value) noexcept : word_(value) {}

  T load_relaxed() const noexcept { return word_.load(std::memory_order_relaxed); }
  T load_acquire() const noexcept { return word_.load(std::memory_order_acquire); }
  // load_relaxed() > value, as one instruction where GCC would make two: it never folds the load of
  // an atomic into a comparison.
  bool is_above_relaxed(T value) const noexcept {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
    static_assert(sizeof(T) == 8 && sizeof(word_) == 8);
    bool above;
    asm("cmpq %2, %1" : "=@ccb"(above) : "r"(value), "m"(word_));
    return above;
#else
    return value < load_relaxed();
#endif
  }
  void store_relaxed(T value) noexcept { word_.store(value, std::memory_order_relaxed); }
  void store_release(T value) noexcept { word_.store(value, std::memory_order_release); }
  T exchange_relaxed(T value) noexcept { return word_.exchange(value, std::memory_order_relaxed); }
  T exchange_acquire(T value) noexcept { return word_.exchange(value, std::memory_order_acquire); }
  T exchange_release(T value) noexcept { return word_.exchange(value, std::memory_order_release); }
  T fetch_add_relaxed(T value) noexcept {
    return word_.fetch_add(value, std::memory_order_relaxed);
  }
  // On failure `expected` holds what was found.
  bool cas_weak_release_relaxed(T& expected, T desired) noexcept {
    return word_.compare_exchange_weak(expected, desired, std::memory_order_release,
                                       std::memory_order_relaxed);
  }
  bool cas_acquire_relaxed(T& expected, T desired) noexcept {
    return word_.compare_exchange_strong(expected, desired, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  bool cas_relaxed(T& expected, T desired) noexcept {
    return word_.compare_exchange_strong(expected, desired, std::memory_order_relaxed,
                                         std::memory_order_relaxed);
  }

 private:
  std::atomic<T> word_{};
};

// Keeps the compiler, not the processor, from moving stores across: the child of a fork sees how
// far a lost thread had come, in the order of its instructions.
inline void in_program_order() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }

// The world the production allocator lives in: the hardware's atomics.
struct StdWorld {
  template <class T>
  using atomic = StdAtomic<T>;
  static constexpr int kLockSpins = 100;  // looks at a held lock before its taker sleeps
};

}  // namespace hakmem
