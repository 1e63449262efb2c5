// Reallocation: realloc, and which sizes it may leave in a block.
//
//   stays in place   small: half of it is used   large: cut, or into the free range behind it
//   moves            large: by the system        else allocate, copy, deallocate
#pragma once

#include <cstring>

#include "heap/allocation.h"
#include "heap/freeing.h"

namespace hakmem {

template <class C>
class Reallocation {
 public:
  using Sizes = typename C::Sizes;
  using Geometry = typename C::Geometry;
  using Ctx = Context<C>;

  explicit Reallocation(Boxes<C>& boxes) noexcept : boxes_(boxes), allocation_(boxes) {}

  void* reallocate(Ctx* ctx, void* p, std::size_t n) noexcept {
    const BlockView view = locate_to_resize(ctx, p);
    const std::size_t old = view.block_size;
    if (stays_in_place(old, n)) {
      if (view.asked != 0) boxes_.large.restate(ClientPtr(p), n);
      return Sizes::info(Sizes::bin_of(n)).block_size == old ? p : leaves_more(p);
    }
    if (old > Geometry::kBlockMax && n > Geometry::kBlockMax) {
      void* const resized = boxes_.large.resize(ClientPtr(p), n, n / 2);
      if (resized != nullptr) return resized;
    }
    void* const moved = allocate_grown(ctx, old, n);
    if (moved == nullptr) return n <= old ? not_shrunk(p, view, n) : nullptr;
    std::memcpy(moved, p, n < old ? n : old);
    const auto slow = [&] { Freeing<C>(boxes_).deallocate_slow(ctx, p, "realloc"); };
    if (ctx == nullptr) {
      slow();
    } else {
      deallocate_fast<C>(boxes_.arena, ctx, p, slow);
    }
    return moved;
  }

  // Whether a live block could have been asked for as n bytes at that alignment.
  bool size_fits(const BlockView& live, std::size_t alignment, std::size_t n,
                 SizeRule rule) const noexcept {
    if (n > live.block_size) return false;
    if (live.asked != 0) {  // a large block knows, to a page
      const auto pages = [](std::size_t bytes) { return ((bytes == 0 ? 1 : bytes) + 4095) / 4096; };
      return pages(n) == pages(live.asked);
    }
    // relaxed, both: whoever has such a block got it from the thread that set this
    const bool may_be_shrunk = rule == SizeRule::kMayBeShrunk && boxes_.leaves_more.load_relaxed();
    if (may_be_shrunk && boxes_.shrink_failed.load_relaxed()) return true;
    if (!Allocation<C>::has_aligned_bin(alignment, n)) return false;
    const BinIndex bin = Sizes::bin_of(Sizes::aligned_size(alignment, n));
    if (Sizes::info(bin).block_size == live.block_size) return true;
    return may_be_shrunk && n >= live.block_size / 2;
  }

 private:
  BlockView locate_to_resize(Ctx* ctx, void* p) noexcept {
    Faults<C> faults(boxes_);
    BlockView view = faults.locate(p);
    if (HAKMEM_UNLIKELY(view.fault != Fault::kNone)) {
      if (view.fault == Fault::kDoubleFree) view.fault = Fault::kFreedRealloc;
      faults.fail(ctx, p, "realloc", view);
    }
    return view;
  }

  // A good enough fit: the same block size, or at least half of it is still used.
  static bool stays_in_place(std::size_t old, std::size_t n) noexcept {
    if (n > old || old > Geometry::kBlockMax) return false;
    return n >= old / 2 || Sizes::info(Sizes::bin_of(n)).block_size == old;
  }

  // A block for n bytes in the place of one that has `old`.
  void* allocate_grown(Ctx* ctx, std::size_t old, std::size_t n) noexcept {
    const std::size_t more = size_to_grow_to(old, n);
    if (n > Geometry::kBlockMax) {
      void* const p =
          allocation_.allocate_large(ctx, n, kMinBlock, large::Contents::kAny, more - n);
      return p != nullptr || more == n ? p : allocation_.allocate_slow(ctx, n);
    }
    const auto slow = [&] { return allocation_.allocate_slow(ctx, more); };
    void* const p = ctx == nullptr ? slow() : allocate_fast<C>(ctx, more, slow);
    return more != n && p != nullptr ? leaves_more(p) : p;
  }
  // A block that grows by a little tends to grow again: one of some size gets half of itself more.
  static std::size_t size_to_grow_to(std::size_t old, std::size_t n) noexcept {
    const std::size_t more = old + old / 2;
    if (old < C::Tuning::kReallocRoomMin || n <= old || n > more) return n;
    return more < Geometry::kBlockMax || n > Geometry::kBlockMax ? more : Geometry::kBlockMax;
  }

  // A block of a page that may be freed with the size asked for now, or with its own.
  void* leaves_more(void* p) noexcept {
    // relaxed, both: see size_fits
    if (!boxes_.leaves_more.load_relaxed()) boxes_.leaves_more.store_relaxed(true);
    return p;
  }
  // No memory to shrink a block with: it stays as it is, and may be freed with the size asked for.
  void* not_shrunk(void* p, const BlockView& view, std::size_t n) noexcept {
    if (view.asked != 0) {
      boxes_.large.restate(ClientPtr(p), n);
    } else {
      boxes_.shrink_failed.store_relaxed(true);  // relaxed: see size_fits
      leaves_more(p);
    }
    return p;
  }

  Boxes<C>& boxes_;
  Allocation<C> allocation_;
};

}  // namespace hakmem
