// The C entry points, over heap.h: what the standards and glibc say about sizes, alignments and
// errno, and nothing else. docs/API.md lists where they leave a choice and what hakmem does.
//
// A program linked -static must never pull libc.a's own malloc.o in, or every name is defined
// twice. So all that malloc.o defines is defined here or in override_malloc_info.cc, and whoever
// pulls one of the two pulls both. tests/link/symbols.sh compares the names.
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bit>
#include <cstddef>
#include <cstdint>

#include "entry/alias.h"
#include "entry/heap.h"

namespace heap = hakmem::heap;
using hakmem::ProductionConfig;
using hakmem::SizeRule;

namespace {

HAKMEM_COLD void* fail(int error) noexcept {
  errno = error;
  return nullptr;
}

void* or_enomem(void* p) noexcept { return HAKMEM_LIKELY(p != nullptr) ? p : fail(ENOMEM); }

// Out of line, so that malloc itself needs no stack frame.
HAKMEM_NOINLINE void* malloc_slow(std::size_t n) noexcept {
  return or_enomem(heap::allocate_slow(n));
}

void* allocate_paged(std::size_t n) noexcept {
  return or_enomem(heap::allocate_aligned(static_cast<std::size_t>(getpagesize()), n));
}

// Before other constructors: fork handlers registered later than ours run outside of ours, so that
// they may allocate, and wait for threads that do.
HAKMEM_COLD void start_early() noexcept { heap::allocator(); }
[[gnu::used, gnu::section(".init_array.00000")]] void (*g_start_early)() noexcept = start_early;

}  // namespace

extern "C" {

HAKMEM_EXPORT void* malloc(std::size_t n) noexcept {
  return hakmem::allocate_fast<ProductionConfig>(heap::t_context, n,
                                                 [n] { return malloc_slow(n); });
}

HAKMEM_EXPORT void free(void* p) noexcept { heap::deallocate(p, "free"); }

HAKMEM_EXPORT void* calloc(std::size_t count, std::size_t size) noexcept {
  std::size_t n = 0;
  if (__builtin_mul_overflow(count, size, &n)) return fail(ENOMEM);
  return or_enomem(heap::allocate_zeroed(n));
}

// As glibc: realloc(p, 0) frees and returns nullptr.
HAKMEM_EXPORT void* realloc(void* p, std::size_t n) noexcept {
  if (p == nullptr) return malloc(n);
  if (HAKMEM_LIKELY(n != 0)) return or_enomem(heap::reallocate(p, n));
  heap::deallocate_slow(p, "realloc");
  return nullptr;
}

HAKMEM_EXPORT void* reallocarray(void* p, std::size_t count, std::size_t size) noexcept {
  std::size_t n = 0;
  if (__builtin_mul_overflow(count, size, &n)) return fail(ENOMEM);
  return realloc(p, n);
}

// Reports by its result: errno and, on failure, *out are left alone.
HAKMEM_EXPORT int posix_memalign(void** out, std::size_t alignment, std::size_t n) noexcept {
  if (!hakmem::is_power_of_two(alignment) || alignment % sizeof(void*) != 0) return EINVAL;
  void* const p = heap::allocate_aligned(alignment, n);
  if (p == nullptr) return ENOMEM;
  *out = p;
  return 0;
}

HAKMEM_EXPORT void* aligned_alloc(std::size_t alignment, std::size_t n) noexcept {
  if (!hakmem::is_power_of_two(alignment)) return fail(EINVAL);
  return or_enomem(heap::allocate_aligned(alignment, n));
}

// As glibc: an alignment that is no power of two is rounded up to one.
HAKMEM_EXPORT void* memalign(std::size_t alignment, std::size_t n) noexcept {
  if (alignment > SIZE_MAX / 2 + 1) return fail(EINVAL);
  return or_enomem(heap::allocate_aligned(std::bit_ceil(alignment), n));
}

HAKMEM_EXPORT void* valloc(std::size_t n) noexcept { return allocate_paged(n); }

HAKMEM_EXPORT void* pvalloc(std::size_t n) noexcept {
  const auto page = static_cast<std::size_t>(getpagesize());
  if (n > PTRDIFF_MAX) return fail(ENOMEM);
  return allocate_paged((n + page - 1) / page * page);
}

HAKMEM_EXPORT std::size_t malloc_usable_size(void* p) noexcept {
  return heap::usable_size(p, "malloc_usable_size");
}

HAKMEM_EXPORT void cfree(void* p) noexcept { heap::deallocate(p, "cfree"); }

HAKMEM_EXPORT void free_sized(void* p, std::size_t n) noexcept {
  heap::deallocate_sized(p, n, SizeRule::kMayBeShrunk, "free_sized");
}

HAKMEM_EXPORT void free_aligned_sized(void* p, std::size_t alignment, std::size_t n) noexcept {
  heap::deallocate_aligned_sized(p, alignment, n, "free_aligned_sized");
}

// ---- glibc's other names ----------------------------------------------------------------------

HAKMEM_ALIAS(void*, __libc_malloc, malloc, std::size_t);
HAKMEM_ALIAS(void*, __libc_calloc, calloc, std::size_t, std::size_t);
HAKMEM_ALIAS(void*, __libc_realloc, realloc, void*, std::size_t);
HAKMEM_ALIAS(void*, __libc_reallocarray, reallocarray, void*, std::size_t, std::size_t);
HAKMEM_ALIAS(void, __libc_free, free, void*);
HAKMEM_ALIAS(void, __libc_cfree, cfree, void*);
HAKMEM_ALIAS(void*, __libc_memalign, memalign, std::size_t, std::size_t);
HAKMEM_ALIAS(void*, __libc_valloc, valloc, std::size_t);
HAKMEM_ALIAS(void*, __libc_pvalloc, pvalloc, std::size_t);
HAKMEM_ALIAS(int, __posix_memalign, posix_memalign, void**, std::size_t, std::size_t);

HAKMEM_HIDDEN_ALIAS(void*, __malloc, malloc, std::size_t);
HAKMEM_HIDDEN_ALIAS(void*, __calloc, calloc, std::size_t, std::size_t);
HAKMEM_HIDDEN_ALIAS(void*, __realloc, realloc, void*, std::size_t);
HAKMEM_HIDDEN_ALIAS(void, __free, free, void*);
HAKMEM_HIDDEN_ALIAS(void*, __memalign, memalign, std::size_t, std::size_t);
HAKMEM_HIDDEN_ALIAS(void*, __valloc, valloc, std::size_t);
HAKMEM_HIDDEN_ALIAS(void*, __pvalloc, pvalloc, std::size_t);
HAKMEM_HIDDEN_ALIAS(std::size_t, __malloc_usable_size, malloc_usable_size, void*);

// What libc.a's fork and thread exit call of its malloc: heap.cc has hooks of its own.
void __malloc_fork_lock_parent() noexcept {}
void __malloc_fork_unlock_parent() noexcept {}
void __malloc_fork_unlock_child() noexcept {}
void __malloc_arena_thread_freeres() noexcept {}
void* __glibc_morecore(std::ptrdiff_t) noexcept { return nullptr; }

}  // extern "C"

[[gnu::used]] static const auto kPullsInfo = &mallinfo2;
