// The hot path: magazine pop and push, straight-line. Every miss, whatever its reason, is one tail
// call to a slow function that is complete by itself.
//
//   allocate_fast: size -> bin -> pop              miss: magazine empty or closed, large, no
//   context stays_in_place_fast: page_of -> exact slot boundary, LIVE? -> large enough, and used by
//   half deallocate_fast: page_of -> mine? -> exact slot boundary, LIVE? -> push
//                                                  miss: not ours, other owner, full, closed, fault
//   usable_fast: page_of -> lent? -> exact slot boundary, LIVE? -> the page's block size
//
// A reach limits which calls take the hot path at all (entry/override_new.cc): its ends stand where
// the constants of Everything stand else, so that it costs no instruction.
#pragma once

#include "base/atomic.h"
#include "base/attributes.h"
#include "page/arena.h"
#include "ultra/context.h"

namespace hakmem {

template <class C>
struct Everything {
  static constexpr std::size_t fine_end = kFineLimit + 1;
  static constexpr std::size_t block_end = C::Geometry::kBlockMax + 1;
};

template <class C, class Reach, class Slow>
HAKMEM_ALWAYS_INLINE void* allocate_within(const Reach& reach, Context<C>* ctx, std::size_t n,
                                           Slow&& slow) noexcept(noexcept(slow())) {
  Magazine<C>* found = nullptr;
  if (HAKMEM_LIKELY(n < reach.fine_end)) {
    found = ctx->ultra.of_fine_size[C::Sizes::fine_index(n)];
  } else if (HAKMEM_LIKELY(n < reach.block_end)) {
    found = &ctx->ultra.front[C::Sizes::kBinOfSize[C::Sizes::coarse_index(n)]];
  } else {
    return slow();
  }
  Magazine<C>& magazine = *found;
  if (HAKMEM_UNLIKELY(magazine.empty())) return slow();
  void* const block = magazine.pop();
  if (block == nullptr) __builtin_unreachable();  // so that a caller's test for it costs nothing
  return block;
}

template <class C, class Slow>
HAKMEM_ALWAYS_INLINE void* allocate_fast(Context<C>* ctx, std::size_t n,
                                         Slow&& slow) noexcept(noexcept(slow())) {
  return allocate_within<C>(Everything<C>{}, ctx, n, slow);
}

// Sizes and alignments below this are looked up as a size alone. The alignment is a power of two,
// so one below it is at most a unit.
template <class C>
inline constexpr std::size_t kAlignedEnd = 2 * C::Sizes::kUnitBytes;

// `end`: kAlignedEnd, or 0 for no reach at all.
template <class C, class Slow>
HAKMEM_ALWAYS_INLINE void* allocate_aligned_fast(std::size_t end, Context<C>* ctx,
                                                 std::size_t alignment, std::size_t n,
                                                 Slow&& slow) noexcept(noexcept(slow())) {
  if (HAKMEM_UNLIKELY((alignment | n) >= end)) return slow();
  return allocate_fast<C>(ctx, C::Sizes::aligned_size(alignment, n), slow);
}

// Requires: the arena contains `p`.
template <class C, class Slow>
HAKMEM_ALWAYS_INLINE void deallocate_within(const Arena<C>& arena, Context<C>* ctx, void* p,
                                            Slow&& slow) noexcept {
  SoPage<C>* const page = arena.so_page_within(ClientPtr(p));
  // relaxed: only this context can make itself the owner, or stop being it
  if (HAKMEM_UNLIKELY(page->owner.load_relaxed() != ctx)) return slow();
  Magazine<C>& magazine = *page->magazine;
  typename SoPage<C>::Entry* entry = nullptr;
  if constexpr (C::kMitigations.check_frees) {
    const Quotient q = divide(ClientPtr(p).address() - page->base, page->reciprocal);
    if (HAKMEM_UNLIKELY(q.fraction >= page->reciprocal)) return slow();
    entry = page->entries + q.value;
    if (HAKMEM_UNLIKELY(entry->load_relaxed() != kEntryLive)) return slow();
  }
  if (HAKMEM_UNLIKELY(magazine.full())) return slow();
  magazine.push(p, entry);
}

template <class C, class Slow>
HAKMEM_ALWAYS_INLINE void deallocate_fast(const Arena<C>& arena, Context<C>* ctx, void* p,
                                          Slow&& slow) noexcept {
  if (HAKMEM_UNLIKELY(!arena.contains(ClientPtr(p)))) return slow();
  deallocate_within<C>(arena, ctx, p, slow);
}

template <class C, class Slow>
HAKMEM_ALWAYS_INLINE std::size_t usable_fast(const Arena<C>& arena, const void* p,
                                             Slow&& slow) noexcept {
  if (HAKMEM_UNLIKELY(!arena.contains(ClientPtr(p)))) return slow();
  const SoPage<C>* const page = arena.so_page_within(ClientPtr(p));
  if constexpr (C::kMitigations.check_frees) {
    // relaxed: the page of a live block stays lent. While it is not, its entries may be others'.
    if (HAKMEM_UNLIKELY(page->owner.load_relaxed() == nullptr)) return slow();
    const Quotient q = divide(ClientPtr(p).address() - page->base, page->reciprocal);
    if (HAKMEM_UNLIKELY(q.fraction >= page->reciprocal)) return slow();
    if (HAKMEM_UNLIKELY(page->entries[q.value].load_relaxed() != kEntryLive)) return slow();
  }
  return page->block_size;
}

// Whether realloc may leave the block where it is. True only for a live block of a page, whoever
// owns it; false says nothing. `may_leave_more`: than the block's bin is for, down to half.
template <class C>
HAKMEM_ALWAYS_INLINE bool stays_in_place_fast(const Arena<C>& arena, const void* p, std::size_t n,
                                              bool may_leave_more) noexcept {
  if (HAKMEM_UNLIKELY(!arena.contains(ClientPtr(p)))) return false;
  const SoPage<C>* const page = arena.so_page_within(ClientPtr(p));
  const std::size_t size = page->block_size;
  if (n > size || n < size / 2) return false;
  if (!may_leave_more && page->bin != C::Sizes::bin_of(n).value()) return false;
  // relaxed: a page with a live block stays owned; the record of another may be out of date
  if (HAKMEM_UNLIKELY(page->owner.load_relaxed() == nullptr)) return false;
  if constexpr (C::kMitigations.check_frees) {
    const Quotient q = divide(ClientPtr(p).address() - page->base, page->reciprocal);
    if (HAKMEM_UNLIKELY(q.fraction >= page->reciprocal)) return false;
    // relaxed: whoever has the block was given it after its entry was written
    return page->entries[q.value].load_relaxed() == kEntryLive;
  } else {
    return true;
  }
}

}  // namespace hakmem
