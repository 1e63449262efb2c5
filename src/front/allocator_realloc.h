// The definitions of Allocator's realloc, and which sizes it may leave in a block. Included by
// allocator_slow.h.
//
//   stays in place   small: half of it is used   large: cut, or into the free range behind it
//   moves            large: by the system        else allocate, copy, deallocate
#pragma once

#include <cstring>

#include "front/allocator.h"

namespace hakmem {

template <class C>
bool Allocator<C>::size_fits(const BlockView& live, std::size_t alignment, std::size_t n,
                             SizeRule rule) noexcept {
  if (n > live.block_size) return false;
  const std::size_t bin = aligned_bin(alignment < kMinBlock ? kMinBlock : alignment, n);
  if (live.asked != 0) {  // a large block knows: to a page, or a bin's size where large serves it
    const auto pages = [](std::size_t bytes) { return ((bytes == 0 ? 1 : bytes) + 4095) / 4096; };
    return pages(n) == pages(live.asked) ||
           (bin != Sizes::kBins && Sizes::kBinTable[bin].block_size == live.asked);
  }
  // relaxed, both: whoever has such a block got it from the thread that set this
  const bool may_be_shrunk = rule == SizeRule::kMayBeShrunk && leaves_more_.load_relaxed();
  if (may_be_shrunk && shrink_failed_.load_relaxed()) return true;
  if (bin == Sizes::kBins) return false;
  if (Sizes::kBinTable[bin].block_size == live.block_size) return true;
  return may_be_shrunk && n >= live.block_size / 2;
}

// A good enough fit: the same block size, or at least half of it is still used.
template <class C>
bool Allocator<C>::stays_in_place(std::size_t old, std::size_t n) noexcept {
  if (n > old || old > C::Geometry::kBlockMax) return false;
  return n >= old / 2 || Sizes::info(Sizes::bin_of(n)).block_size == old;
}

// A block that grows by a little tends to grow again: one of some size gets half of itself more.
template <class C>
std::size_t Allocator<C>::size_to_grow_to(std::size_t old, std::size_t n) noexcept {
  const std::size_t more = old + old / 2;
  if (old < C::Geometry::kGrowthMin || n <= old || n > more) return n;
  return more < C::Geometry::kBlockMax || n > C::Geometry::kBlockMax ? more
                                                                     : C::Geometry::kBlockMax;
}

// A block of a page that may be freed with the size asked for now, or with its own.
template <class C>
void* Allocator<C>::leaves_more(void* p) noexcept {
  if (!leaves_more_.load_relaxed()) leaves_more_.store_relaxed(true);  // see size_fits
  return p;
}

// No memory to shrink a block with: it stays as it is, and may be freed with the size asked for.
template <class C>
void* Allocator<C>::not_shrunk(void* p, const BlockView& view, std::size_t n) noexcept {
  if (view.asked != 0) {
    large_.restate(ClientPtr(p), n);
  } else {
    shrink_failed_.store_relaxed(true);  // relaxed: see size_fits
    leaves_more(p);
  }
  return p;
}

// A block for n bytes in the place of one that has `old`.
template <class C>
void* Allocator<C>::allocate_grown(Ctx* ctx, std::size_t old, std::size_t n) noexcept {
  const std::size_t more = size_to_grow_to(old, n);
  if (n > C::Geometry::kBlockMax) {
    void* const p = allocate_large(ctx, n, kMinBlock, Contents::kAny, more - n);
    return p != nullptr || more == n ? p : allocate_slow(ctx, n);
  }
  void* const p = ctx == nullptr ? allocate_slow(ctx, more) : allocate(ctx, more);
  if (more != n && p != nullptr && !arena_.contains(ClientPtr(p))) {
    large_.restate(ClientPtr(p), n);  // a class on the legacy route; v1's it does not know
  }
  if (more != n && p != nullptr) leaves_more(p);
  return p;
}

template <class C>
void* Allocator<C>::reallocate(Ctx* ctx, void* p, std::size_t n) noexcept {
  BlockView view = locate(p);
  if (HAKMEM_UNLIKELY(view.fault != Fault::kNone)) {
    if (view.fault == Fault::kDoubleFree) view.fault = Fault::kFreedRealloc;
    fail(ctx, p, "realloc", view);
  }
  const std::size_t old = view.block_size;
  if (stays_in_place(old, n)) {
    if (view.asked != 0) large_.restate(ClientPtr(p), n);
    return Sizes::info(Sizes::bin_of(n)).block_size == old ? p : leaves_more(p);
  }
  if (old > C::Geometry::kBlockMax && n > C::Geometry::kBlockMax) {
    void* const resized = large_.resize(ClientPtr(p), n, n / 2);
    if (resized != nullptr) return resized;
  }
  void* const moved = allocate_grown(ctx, old, n);
  if (moved == nullptr) return n <= old ? not_shrunk(p, view, n) : nullptr;
  std::memcpy(moved, p, n < old ? n : old);
  if (ctx == nullptr) {
    deallocate_slow(ctx, p, "realloc");
  } else {
    deallocate_fast<C>(arena_, ctx, p, [&] { deallocate_slow(ctx, p, "realloc"); });
  }
  return moved;
}

}  // namespace hakmem
