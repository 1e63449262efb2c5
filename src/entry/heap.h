// The process's heap: the production allocator, this thread's context, and what malloc, operator
// new and the hak_* API are written over. The hot paths are inlined into each entry point.
//
// A thread's context hangs on one word of initial-exec TLS. It points to a context that stands for
// "none" (all magazines closed) before the first call and after the thread's exit, so that the hot
// path needs no check of its own.
#pragma once

#include <cstddef>

#include "front/production.h"

namespace hakmem::heap {

extern ProductionAllocator g_allocator;
extern constinit thread_local ProductionContext* t_context
    __attribute__((tls_model("initial-exec")));

// All: nullptr when out of memory or when n > PTRDIFF_MAX; errno untouched.
HAKMEM_NOINLINE void* allocate_slow(std::size_t n) noexcept;
void* allocate_zeroed(std::size_t n) noexcept;
void* allocate_aligned(std::size_t alignment, std::size_t n) noexcept;  // any power of two
void* reallocate(void* p, std::size_t n) noexcept;  // p != nullptr; nullptr: block untouched

// A pointer that is not a live block ends in a fatal report that names `operation`, the function as
// the program called it. nullptr is allowed. Keeps errno.
HAKMEM_NOINLINE void deallocate_slow(void* p, const char* operation) noexcept;
// Also reports a size or alignment that this block was not allocated with (flavours with checks).
HAKMEM_NOINLINE void deallocate_sized_slow(void* p, std::size_t n, std::size_t alignment,
                                           SizeRule rule, const char* operation) noexcept;
std::size_t usable_size(const void* p, const char* operation) noexcept;  // bytes; 0 for nullptr

// Bytes given back to the system: what is free, with or without this thread's own caches.
std::size_t trim() noexcept;
std::size_t purge() noexcept;

// This thread's context, attached if need be; nullptr when there is none to be had.
ProductionContext* context() noexcept;
// The allocator, initialised if this is the first use.
ProductionAllocator& allocator() noexcept;

HAKMEM_ALWAYS_INLINE void deallocate(void* p, const char* operation) noexcept {
  deallocate_fast<ProductionConfig>(g_allocator.arena(), t_context, p,
                                    [=] { deallocate_slow(p, operation); });
}

// Whether `p` lies in a page of exactly the bin that serves n bytes. No check of `p` otherwise.
HAKMEM_ALWAYS_INLINE bool page_serves_size(const void* p, std::size_t n) noexcept {
  using Sizes = ProductionConfig::Sizes;
  const auto& arena = g_allocator.arena();
  return n <= ProductionGeometry::kBlockMax && arena.contains(ClientPtr(p)) &&
         arena.so_page_within(ClientPtr(p))->bin == Sizes::bin_of(n).value();
}

HAKMEM_ALWAYS_INLINE void deallocate_sized(void* p, std::size_t n, SizeRule rule,
                                           const char* operation) noexcept {
  if constexpr (ProductionConfig::kMitigations.check_frees) {
    if (HAKMEM_UNLIKELY(!page_serves_size(p, n))) {
      return deallocate_sized_slow(p, n, 1, rule, operation);
    }
  }
  deallocate(p, operation);
}

}  // namespace hakmem::heap
