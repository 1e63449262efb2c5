// The process's heap: the production allocator, this thread's context, and what malloc, operator
// new and the hak_* API are written over. The hot paths are inlined into each entry point.
//
// A thread's context hangs on one word of initial-exec TLS. It points to a context that stands for
// "none" (all magazines closed) before the first call and after the thread's exit, so that the hot
// path needs no check of its own.
#pragma once

#include <cstddef>

#include "entry/options.h"
#include "heap/production.h"

namespace hakmem::heap {

extern ProductionAllocator g_allocator;
extern constinit thread_local ProductionContext* t_context
    __attribute__((tls_model("initial-exec")));
// This thread is between our prepare handler and the one after the fork: it holds every lock.
extern constinit thread_local bool t_forking __attribute__((tls_model("initial-exec")));

// All: nullptr when out of memory or when n > PTRDIFF_MAX; errno untouched.
HAKMEM_NOINLINE void* allocate_slow(std::size_t n) noexcept;
HAKMEM_NOINLINE void* allocate_zeroed_slow(std::size_t n) noexcept;
// Requires: the alignment is a power of two.
HAKMEM_NOINLINE void* allocate_aligned_slow(std::size_t alignment, std::size_t n) noexcept;
void* reallocate(void* p, std::size_t n) noexcept;  // p != nullptr; nullptr: block untouched

// A pointer that is not a live block ends in a fatal report that names `operation`, the function as
// the program called it. nullptr is allowed. Keeps errno.
HAKMEM_NOINLINE void deallocate_slow(void* p, const char* operation) noexcept;
// Also reports a size or alignment that this block was not allocated with (flavours with checks).
HAKMEM_NOINLINE void deallocate_sized_slow(void* p, std::size_t n, std::size_t alignment,
                                           SizeRule rule, const char* operation) noexcept;
// As that, for operator delete: HAKMEM_SIZED_DELETE says what becomes of such a size. An alignment
// of 1: none was stated.
HAKMEM_NOINLINE void delete_sized_slow(void* p, std::size_t n, std::size_t alignment,
                                       const char* operation) noexcept;
HAKMEM_NOINLINE std::size_t usable_size_slow(const void* p, const char* operation) noexcept;

// Bytes given back to the system: what is free, with or without this thread's own caches.
std::size_t trim() noexcept;
std::size_t purge() noexcept;

// Other parties' fork handlers may run between ours and the fork, in a thread that holds every
// lock. What such a handler asks of the heap is done outside: the locks are let go for as long as
// one of these lives. Each way in that may want a lock has one; it costs a look at a word.
class OutsideFork {
 public:
  OutsideFork() noexcept {
    if (HAKMEM_UNLIKELY(t_forking)) left_ = leave();
  }
  ~OutsideFork() {
    if (HAKMEM_UNLIKELY(left_)) come_back();
  }
  OutsideFork(const OutsideFork&) = delete;
  OutsideFork& operator=(const OutsideFork&) = delete;

 private:
  static bool leave() noexcept;
  static void come_back() noexcept;

  bool left_ = false;
};

// This thread's context, attached if need be; nullptr when there is none to be had.
ProductionContext* context() noexcept;
// What the environment says; started if this is the first use.
const Options& options() noexcept;
// The allocator, initialised if this is the first use.
ProductionAllocator& allocator() noexcept;

HAKMEM_ALWAYS_INLINE void* allocate_zeroed(std::size_t n) noexcept {
  void* const p = allocate_fast<ProductionConfig>(t_context, n, [] { return nullptr; });
  return HAKMEM_LIKELY(p != nullptr) ? __builtin_memset(p, 0, n) : allocate_zeroed_slow(n);
}

HAKMEM_ALWAYS_INLINE void* allocate_aligned(std::size_t alignment, std::size_t n) noexcept {
  return allocate_aligned_fast<ProductionConfig>(
      kAlignedEnd<ProductionConfig>, t_context, alignment, n,
      [=] { return allocate_aligned_slow(alignment, n); });
}

HAKMEM_ALWAYS_INLINE void deallocate(void* p, const char* operation) noexcept {
  deallocate_fast<ProductionConfig>(g_allocator.boxes().arena, t_context, p,
                                    [=] { deallocate_slow(p, operation); });
}

// Whether `p` lies in a page of exactly the bin that serves n bytes. No check of `p` otherwise.
// `base`: the arena's, or kNowhere for no.
HAKMEM_ALWAYS_INLINE bool page_serves_size(std::uintptr_t base, const void* p,
                                           std::size_t n) noexcept {
  using Sizes = ProductionConfig::Sizes;
  const auto& arena = g_allocator.boxes().arena;
  return n <= ProductionGeometry::kBlockMax && arena.contains_from(base, ClientPtr(p)) &&
         arena.so_page_within(ClientPtr(p))->bin == Sizes::bin_of(n).value();
}

// `slow` takes what the hot path cannot judge; a size that is right it never sees.
template <class Slow>
HAKMEM_ALWAYS_INLINE void deallocate_sized_within(std::uintptr_t base, void* p, std::size_t n,
                                                  const char* operation, Slow&& slow) noexcept {
  const auto& arena = g_allocator.boxes().arena;
  if constexpr (ProductionConfig::kMitigations.check_frees) {
    if (HAKMEM_UNLIKELY(!page_serves_size(base, p, n))) return slow();
  } else {
    if (HAKMEM_UNLIKELY(!arena.contains_from(base, ClientPtr(p)))) return slow();
  }
  deallocate_within<ProductionConfig>(arena, t_context, p, [=] { deallocate_slow(p, operation); });
}

template <class Slow>
HAKMEM_ALWAYS_INLINE void deallocate_aligned_within(std::uintptr_t base, void* p,
                                                    std::size_t alignment, std::size_t n,
                                                    const char* operation, Slow&& slow) noexcept {
  if constexpr (ProductionConfig::kMitigations.check_frees) {
    constexpr std::size_t kEnd = kAlignedEnd<ProductionConfig>;
    if (HAKMEM_UNLIKELY(!is_power_of_two(alignment) || (alignment | n) >= kEnd)) return slow();
    if (HAKMEM_UNLIKELY((ClientPtr(p).address() & (alignment - 1)) != 0)) return slow();
    n = ProductionConfig::Sizes::aligned_size(alignment, n);
  }
  deallocate_sized_within(base, p, n, operation, slow);
}

HAKMEM_ALWAYS_INLINE void deallocate_sized(void* p, std::size_t n, SizeRule rule,
                                           const char* operation) noexcept {
  deallocate_sized_within(g_allocator.boxes().arena.base(), p, n, operation,
                          [=] { deallocate_sized_slow(p, n, 1, rule, operation); });
}

HAKMEM_ALWAYS_INLINE void deallocate_aligned_sized(void* p, std::size_t alignment, std::size_t n,
                                                   const char* operation) noexcept {
  deallocate_aligned_within(g_allocator.boxes().arena.base(), p, alignment, n, operation, [=] {
    deallocate_sized_slow(p, n, alignment, SizeRule::kAllocated, operation);
  });
}

// Bytes; 0 for nullptr.
HAKMEM_ALWAYS_INLINE std::size_t usable_size(const void* p, const char* operation) noexcept {
  return usable_fast<ProductionConfig>(g_allocator.boxes().arena, p,
                                       [=] { return usable_size_slow(p, operation); });
}

}  // namespace hakmem::heap
