// All operator new and delete of the C++ runtime, over heap.h. Memory at the first try comes from
// the inlined hot path; everything else is in override_new.h. Sized deletes have the size checked
// in flavours with checks: it must be the size of the allocation.
#include <stdlib.h>

#include <bit>
#include <cstddef>
#include <new>

#include "entry/heap.h"
#include "entry/override_new.h"

namespace heap = hakmem::heap;
using hakmem::ProductionConfig;
using hakmem::SizeRule;

namespace {

HAKMEM_NOINLINE void* new_slow(std::size_t n) { return heap::new_or_throw({n, 1}); }
HAKMEM_NOINLINE void* new_slow_nothrow(std::size_t n) noexcept { return heap::new_or_null({n, 1}); }

HAKMEM_ALWAYS_INLINE void* new_plain(std::size_t n) {
  return hakmem::allocate_fast<ProductionConfig>(heap::t_context, n, [n] { return new_slow(n); });
}
HAKMEM_ALWAYS_INLINE void* new_nothrow(std::size_t n) noexcept {
  return hakmem::allocate_fast<ProductionConfig>(heap::t_context, n,
                                                 [n] { return new_slow_nothrow(n); });
}

// An alignment that is no power of two cannot be met: as if out of memory for ever.
void* new_aligned(std::size_t n, std::align_val_t alignment) {
  const auto a = static_cast<std::size_t>(alignment);
  return std::has_single_bit(a) ? heap::new_or_throw({n, a}) : heap::new_or_throw({SIZE_MAX, 1});
}
void* new_aligned_nothrow(std::size_t n, std::align_val_t alignment) noexcept {
  const auto a = static_cast<std::size_t>(alignment);
  return std::has_single_bit(a) ? heap::new_or_null({n, a}) : nullptr;
}

constexpr const char* kDelete = "operator delete";
constexpr const char* kDeleteArray = "operator delete[]";

HAKMEM_ALWAYS_INLINE void delete_sized(void* p, std::size_t n, const char* operation) noexcept {
  heap::deallocate_sized(p, n, SizeRule::kAllocated, operation);
}
void delete_aligned(void* p, std::size_t n, std::align_val_t alignment,
                    const char* operation) noexcept {
  const auto a = static_cast<std::size_t>(alignment);
  heap::deallocate_sized_slow(p, n, a, SizeRule::kAllocated, operation);
}

}  // namespace

using Align = std::align_val_t;
using NoThrow = const std::nothrow_t&;

HAKMEM_EXPORT void* operator new(std::size_t n) { return new_plain(n); }
HAKMEM_EXPORT void* operator new[](std::size_t n) { return new_plain(n); }
HAKMEM_EXPORT void* operator new(std::size_t n, NoThrow) noexcept { return new_nothrow(n); }
HAKMEM_EXPORT void* operator new[](std::size_t n, NoThrow) noexcept { return new_nothrow(n); }
HAKMEM_EXPORT void* operator new(std::size_t n, Align a) { return new_aligned(n, a); }
HAKMEM_EXPORT void* operator new[](std::size_t n, Align a) { return new_aligned(n, a); }
HAKMEM_EXPORT void* operator new(std::size_t n, Align a, NoThrow) noexcept {
  return new_aligned_nothrow(n, a);
}
HAKMEM_EXPORT void* operator new[](std::size_t n, Align a, NoThrow) noexcept {
  return new_aligned_nothrow(n, a);
}

HAKMEM_EXPORT void operator delete(void* p) noexcept { heap::deallocate(p, kDelete); }
HAKMEM_EXPORT void operator delete[](void* p) noexcept { heap::deallocate(p, kDeleteArray); }
HAKMEM_EXPORT void operator delete(void* p, NoThrow) noexcept { heap::deallocate(p, kDelete); }
HAKMEM_EXPORT void operator delete[](void* p, NoThrow) noexcept {
  heap::deallocate(p, kDeleteArray);
}
HAKMEM_EXPORT void operator delete(void* p, std::size_t n) noexcept { delete_sized(p, n, kDelete); }
HAKMEM_EXPORT void operator delete[](void* p, std::size_t n) noexcept {
  delete_sized(p, n, kDeleteArray);
}
HAKMEM_EXPORT void operator delete(void* p, Align) noexcept { heap::deallocate(p, kDelete); }
HAKMEM_EXPORT void operator delete[](void* p, Align) noexcept { heap::deallocate(p, kDeleteArray); }
HAKMEM_EXPORT void operator delete(void* p, Align, NoThrow) noexcept {
  heap::deallocate(p, kDelete);
}
HAKMEM_EXPORT void operator delete[](void* p, Align, NoThrow) noexcept {
  heap::deallocate(p, kDeleteArray);
}
HAKMEM_EXPORT void operator delete(void* p, std::size_t n, Align a) noexcept {
  delete_aligned(p, n, a, kDelete);
}
HAKMEM_EXPORT void operator delete[](void* p, std::size_t n, Align a) noexcept {
  delete_aligned(p, n, a, kDeleteArray);
}

// A static program that has our operator new has our malloc too, not a second heap beside it.
[[gnu::used]] static void* (*const kPullsMalloc)(std::size_t) = &malloc;
