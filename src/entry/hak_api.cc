// The hak_* blocks API (include/hakmem/hakmem.h), over heap.h. Policy and statistics are in
// hak_policy.cc.
#include <errno.h>
#include <hakmem/hakmem.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "config/version.h"
#include "entry/heap.h"

namespace heap = hakmem::heap;
using hakmem::ProductionConfig;
using hakmem::ProductionGeometry;
using hakmem::SizeRule;

namespace {

using Sizes = ProductionConfig::Sizes;

static_assert(HAK_CLASSES == hakmem::kClassesMax && Sizes::kClasses == HAK_CLASSES);

HAKMEM_COLD void* fail(int error) noexcept {
  errno = error;
  return nullptr;
}

void* or_enomem(void* p) noexcept { return HAKMEM_LIKELY(p != nullptr) ? p : fail(ENOMEM); }

HAKMEM_NOINLINE void* allocate_slow(std::size_t n) noexcept {
  return or_enomem(heap::allocate_slow(n));
}

}  // namespace

void* hak_malloc(std::size_t size) {
  return hakmem::allocate_fast<ProductionConfig>(heap::t_context, size,
                                                 [size] { return allocate_slow(size); });
}

void* hak_calloc(std::size_t count, std::size_t size) {
  std::size_t n = 0;
  if (__builtin_mul_overflow(count, size, &n)) return fail(ENOMEM);
  return or_enomem(heap::allocate_zeroed(n));
}

void* hak_realloc(void* block, std::size_t size) {
  if (block == nullptr) return hak_malloc(size);
  if (HAKMEM_LIKELY(size != 0)) return or_enomem(heap::reallocate(block, size));
  heap::deallocate_slow(block, "realloc");
  return nullptr;
}

void hak_free(void* block) { heap::deallocate(block, "hak_free"); }

void hak_free_sized(void* block, std::size_t size) {
  heap::deallocate_sized(block, size, SizeRule::kMayBeShrunk, "hak_free_sized");
}

void hak_free_aligned_sized(void* block, std::size_t alignment, std::size_t size) {
  heap::deallocate_aligned_sized(block, alignment, size, "hak_free_aligned_sized");
}

void* hak_aligned_alloc(std::size_t alignment, std::size_t size) {
  if (!hakmem::is_power_of_two(alignment)) return fail(EINVAL);
  return or_enomem(heap::allocate_aligned(alignment, size));
}

int hak_posix_memalign(void** out, std::size_t alignment, std::size_t size) {
  if (!hakmem::is_power_of_two(alignment) || alignment % sizeof(void*) != 0) return EINVAL;
  void* const p = heap::allocate_aligned(alignment, size);
  if (p == nullptr) return ENOMEM;
  *out = p;
  return 0;
}

std::size_t hak_usable_size(const void* block) {
  return heap::usable_size(block, "hak_usable_size");
}

std::size_t hak_trim() { return heap::trim(); }

std::size_t hak_purge() { return heap::purge(); }

int hak_size_class(std::size_t size) {
  return size <= ProductionGeometry::kBlockMax ? hakmem::class_of_size(size) : -1;
}

std::size_t hak_good_size(std::size_t size) {
  return size <= ProductionGeometry::kBlockMax ? Sizes::info(Sizes::bin_of(size)).block_size : size;
}

void* hak_page_of(const void* pointer, hak_page* page) {
  auto& arena = heap::allocator().boxes().arena;
  const auto* const unit = arena.so_page_of(hakmem::ClientPtr(pointer));
  const auto* const owner = unit == nullptr ? nullptr : unit->owner.load_relaxed();  // a hint
  if (owner == nullptr) return nullptr;
  const std::uintptr_t offset = hakmem::ClientPtr(pointer).address() - unit->base;
  void* const base = reinterpret_cast<void*>(unit->base);
  if (page != nullptr) {
    *page = {base,
             unit->block_size,
             unit->capacity,
             static_cast<unsigned>(hakmem::divide(offset, unit->reciprocal).value),
             unit->class_idx,
             static_cast<int>(owner->number)};
  }
  return base;
}

const char* hak_version() { return hakmem::kVersionText; }

const char* hak_flavour() { return std::strchr(hakmem::kVersionText, '/') + 1; }
