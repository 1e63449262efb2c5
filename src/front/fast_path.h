// The hot path: magazine pop and push, straight-line. Every miss, whatever its reason, is one tail
// call to a slow function that is complete by itself.
//
//   allocate_fast: size -> bin -> pop              miss: magazine empty or closed, large, no context
//   deallocate_fast: page_of -> mine? -> exact slot boundary, LIVE? -> push
//                                                  miss: not ours, other owner, full, closed, fault
#pragma once

#include "base/attributes.h"
#include "front/context.h"
#include "page/arena.h"

namespace hakmem {

template <class C, class Slow>
HAKMEM_ALWAYS_INLINE void* allocate_fast(Context<C>* ctx, std::size_t n,
                                         Slow&& slow) noexcept(noexcept(slow())) {
  Magazine<C>* found = nullptr;
  if (HAKMEM_LIKELY(n <= kFineLimit)) {
    found = ctx->ultra.of_fine_size[C::Sizes::fine_index(n)];
  } else if (HAKMEM_LIKELY(n <= C::Geometry::kBlockMax)) {
    found = &ctx->ultra.front[C::Sizes::kBinOfSize[C::Sizes::coarse_index(n)]];
  } else {
    return slow();
  }
  Magazine<C>& magazine = *found;
  MagazinePlace<C>* const top = magazine.top;
  if (HAKMEM_UNLIKELY(top == magazine.base)) return slow();
  magazine.top = top - 1;
  if constexpr (C::kMitigations.check_frees) {
    top[-1].entry->store_relaxed(kEntryLive);  // relaxed: the owner's until the program has it
  }
  if constexpr (C::kCountHotPath) {
    auto& stats = ctx->stats.by_class[class_of_size(n)];
    stats.alloc_calls.add();
    if (ctx->policy->classes[class_of_size(n)].v3) {  // else C6 of v1 out of the front cache
      stats.route_hits.add();
      stats.alloc_current_hit.add();
      stats.alloc_ultra_hit.add();
    }
  }
  return top[-1].block;
}

template <class C, class Slow>
HAKMEM_ALWAYS_INLINE void deallocate_fast(const Arena<C>& arena, Context<C>* ctx, void* p,
                                          Slow&& slow) noexcept {
  if (HAKMEM_UNLIKELY(!arena.contains(ClientPtr(p)))) return slow();
  SoPage<C>* const page = arena.so_page_within(ClientPtr(p));
  // relaxed: only this context can make itself the owner, or stop being it
  if (HAKMEM_UNLIKELY(page->owner.load_relaxed() != ctx)) return slow();
  Magazine<C>& magazine = *page->magazine;
  MagazinePlace<C>* const top = magazine.top;
  if constexpr (C::kMitigations.check_frees) {
    const Quotient q = divide(ClientPtr(p).address() - page->base, page->reciprocal);
    if (HAKMEM_UNLIKELY(q.fraction >= page->reciprocal)) return slow();
    auto* const entry = page->entries + q.value;
    if (HAKMEM_UNLIKELY(entry->load_relaxed() != kEntryLive)) return slow();
    if (HAKMEM_UNLIKELY(top == magazine.limit)) return slow();
    entry->store_relaxed(kEntryCached);  // relaxed: the owner's again
    *top = {p, entry};
  } else {
    if (HAKMEM_UNLIKELY(top == magazine.limit)) return slow();
    *top = {p};
  }
  magazine.top = top + 1;
  if constexpr (C::kCountHotPath) {
    auto& stats = ctx->stats.by_class[page->class_idx];
    stats.free_calls.add();
    stats.free_current.add();
  }
}

}  // namespace hakmem
