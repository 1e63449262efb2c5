// The definitions of Allocator's slow allocation and free paths (call tree: allocator.h). Included
// by whatever instantiates an Allocator: production.cc, and tests over their own Config.
#pragma once

#include <cstring>

#include "front/allocator.h"

namespace hakmem {

// ---- allocation -------------------------------------------------------------------------------

template <class C>
void* Allocator<C>::allocate_slow(Ctx* ctx, std::size_t n) noexcept {
  if (n > C::Geometry::kBlockMax) return allocate_large(ctx, n, kMinBlock, Contents::kAny);
  return allocate_bin(ctx, Sizes::bin_of(n));
}

template <class C>
void* Allocator<C>::allocate_bin(Ctx* ctx, BinIndex bin) noexcept {
  if (ctx == nullptr) return v1_.allocate(bin);
  const LockGuard<C> working(ctx->lock);
  contexts_.attend(*ctx);
  prepare(*ctx);
  if (HAKMEM_UNLIKELY(ctx->ebbing())) allocating_at_ebb(*ctx);
  const SizeClass size_class(Sizes::info(bin).size_class);
  if (ctx->counting()) ctx->stats.by_class[size_class.value()].alloc_calls.add();
  switch (ctx->policy->route_of(size_class)) {
    case Route::kSmallHeapV3:
      return allocate_small(*ctx, bin);
    case Route::kTinyV1:
    case Route::kPoolV1:
      return allocate_v1(*ctx, bin);
    case Route::kLegacy:
      break;
  }
  return allocate_large(ctx, Sizes::info(bin).block_size, kMinBlock, Contents::kAny);
}

template <class C>
void* Allocator<C>::allocate_small(Ctx& ctx, BinIndex bin) noexcept {
  auto& stats = ctx.stats.by_class[Sizes::info(bin).size_class];
  if (ctx.counting()) stats.route_hits.add();
  Magazine<C>& magazine = ctx.ultra.magazine(bin);
  if (magazine.empty()) return allocate_from_page(ctx, magazine, bin);
  const MagazinePlace<C> place = *--magazine.top;
  if constexpr (C::kMitigations.check_frees) {
    place.entry->store_relaxed(kEntryLive);  // relaxed: the owner's until the program has it
  }
  if (ctx.counting()) {
    stats.alloc_current_hit.add();
    stats.alloc_ultra_hit.add();
  }
  return place.block;
}

template <class C>
void* Allocator<C>::allocate_from_page(Ctx& ctx, Magazine<C>& magazine, BinIndex bin) noexcept {
  look_at_time(ctx);
  Hot hot_box = hot(ctx);
  SoClass<C>& cls = ctx.so.classes[bin.value()];
  if (cls.refilled && ctx.ultra.is_open(bin) && !ctx.ebbing()) ctx.ultra.grow(bin);
  cls.refilled = true;
  const std::size_t more = ctx.ebbing() ? 0 : magazine.capacity() / 2;
  const typename Ultra::Refilled refilled = Ultra::refill(hot_box, magazine, bin, more);
  ctx.ebb_bytes = 0;
  ctx.fresh_block = refilled.fresh ? refilled.block : nullptr;
  if (refilled.path == TakePath::kRefill) scavenge();
  if (ctx.counting()) {
    auto& stats = ctx.stats.by_class[Sizes::info(bin).size_class];
    switch (refilled.path) {
      case TakePath::kCurrent:
        stats.alloc_current_hit.add();
        break;
      case TakePath::kPartial:
        stats.alloc_partial_hit.add();
        break;
      case TakePath::kRefill:
        stats.alloc_refill.add();
        break;
      case TakePath::kNone:
        stats.alloc_fb_v1.add();
        break;
    }
  }
  if (HAKMEM_UNLIKELY(ctx.learning())) {
    learn(ctx, SizeClass(Sizes::info(bin).size_class), refilled.path);
  }
  return refilled.block != nullptr ? refilled.block : v1_.allocate(bin);
}

// A class that is on v1. C6 may still have blocks of v1 in its magazine (HAKMEM_TINY_C6_HOT).
template <class C>
void* Allocator<C>::allocate_v1(Ctx& ctx, BinIndex bin) noexcept {
  Magazine<C>& magazine = ctx.ultra.magazine(bin);
  if (magazine.empty()) return v1_.allocate(bin);
  const MagazinePlace<C> place = *--magazine.top;
  if constexpr (C::kMitigations.check_frees) place.entry->store_relaxed(kEntryLive);
  return place.block;
}

template <class C>
void* Allocator<C>::allocate_large(Ctx* ctx, std::size_t n, std::size_t alignment,
                                   Contents contents, std::size_t room) noexcept {
  void* const p = large_.allocate(n, alignment, contents, room);
  if (p != nullptr && ctx != nullptr && ctx->counting()) ctx->stats.large_alloc.add();
  return p;
}

template <class C>
void* Allocator<C>::allocate_zeroed(Ctx* ctx, std::size_t n) noexcept {
  // A fresh mapping is zero already.
  if (n > C::Geometry::kBlockMax) return allocate_large(ctx, n, kMinBlock, Contents::kZero);
  if (ctx == nullptr) return allocate_zeroed_slow(ctx, n);
  bool zeroed = false;
  void* const p = allocate_fast<C>(ctx, n, [&] {
    zeroed = true;
    return allocate_zeroed_slow(ctx, n);
  });
  if (p != nullptr && !zeroed) std::memset(p, 0, n);
  return p;
}

// Memory that nobody has written on since it came from the system stays with it until the program
// touches it: a large table of which little is used costs no more than that.
template <class C>
void* Allocator<C>::allocate_zeroed_slow(Ctx* ctx, std::size_t n) noexcept {
  if (ctx != nullptr) ctx->fresh_block = nullptr;
  void* const p = allocate_slow(ctx, n);
  if (p == nullptr || (ctx != nullptr && ctx->fresh_block == p)) return p;
  std::memset(p, 0, n);
  return p;
}

// The bin that serves n bytes at that alignment; kBins: only large does. Pages start at multiples
// of a unit, so blocks whose size is a multiple of the alignment are aligned.
template <class C>
std::size_t Allocator<C>::aligned_bin(std::size_t alignment, std::size_t n) noexcept {
  if (alignment > Sizes::kUnitBytes || n > C::Geometry::kBlockMax) return Sizes::kBins;
  return Sizes::bin_of(Sizes::aligned_size(alignment, n)).value();
}

template <class C>
void* Allocator<C>::allocate_aligned_slow(Ctx* ctx, std::size_t alignment, std::size_t n) noexcept {
  if (alignment <= kMinBlock) return allocate_slow(ctx, n);
  const std::size_t bin = aligned_bin(alignment, n);
  if (bin < Sizes::kBins) return allocate_bin(ctx, BinIndex(static_cast<std::uint8_t>(bin)));
  return allocate_large(ctx, n == 0 ? 1 : n, alignment, Contents::kAny);
}

// ---- free -------------------------------------------------------------------------------------

template <class C>
void Allocator<C>::deallocate_slow(Ctx* ctx, void* p, const char* operation) noexcept {
  if (p == nullptr) return;
  const Page* const unit = arena_.so_page_of(ClientPtr(p));
  if (unit == nullptr) return deallocate_foreign(ctx, p, operation);
  Page& page = arena_.head_of(*unit);
  const BlockView view = locate_in_page(*unit, page, ClientPtr(p));
  if (HAKMEM_UNLIKELY(view.fault != Fault::kNone)) fail(ctx, p, operation, view);
  const FaultContext call{operation, ClientPtr(p).address(), 0, 0};
  if (ctx != nullptr && page.owner.load_relaxed() == ctx) {  // relaxed: as on the hot path
    deallocate_local(*ctx, page, view.slot, call);
  } else {
    deallocate_remote(ctx, page, view.slot, call);
  }
}

// Another thread may be freeing the same block. The slot is claimed before the lock is taken: from
// then on the other is stopped, and nobody can drain the block or retire its page. What has become
// of both until then shows under the lock.
template <class C>
void Allocator<C>::deallocate_local(Ctx& ctx, Page& page, std::uint32_t slot,
                                    const FaultContext& call) noexcept {
  if constexpr (C::kMitigations.check_frees) {
    EntryBits live = kEntryLive;
    ctx.claiming.store_relaxed(
        page.slot_address(slot));  // relaxed: for a child of this thread only
    // relaxed: one of several finds LIVE; the block itself stays with this thread
    if (HAKMEM_UNLIKELY(!page.entries[slot].cas_relaxed(live, kEntryCached))) {
      fail_freed_twice(&ctx, page, call);
    }
  }
  const LockGuard<C> working(ctx.lock);
  ctx.claiming.store_relaxed(nullptr);  // relaxed: no fork takes place while the lock is held
  contexts_.attend(ctx);
  prepare(ctx);
  const bool still_mine = page.owner.load_relaxed() == &ctx &&  // relaxed: under the lock
                          page.entries[slot].load_relaxed() == kEntryInMagazine<C>;
  if (HAKMEM_UNLIKELY(!still_mine)) fail_freed_twice(&ctx, page, call);
  const BinIndex bin(static_cast<std::uint8_t>(page.bin));
  auto& stats = ctx.stats.by_class[page.class_idx];
  if (ctx.counting()) stats.free_calls.add();
  if (ctx.ebbing() || !ctx.ultra.is_open(bin)) return give_to_page(ctx, page, slot);
  Magazine<C>& magazine = ctx.ultra.magazine(bin);
  if (magazine.full()) ctx.ultra.grow(bin);
  if (magazine.full()) look_at_time(ctx);
  if (magazine.full()) {
    const std::size_t count = (magazine.size() + 1) / 2;
    flush(ctx, magazine, count);
    ctx.so.classes[bin.value()].used_in = ctx.so.seen_period();
    ctx.ebb_bytes += count * page.block_size;
    if (ctx.ebb_bytes >= C::Geometry::kEbbBytes || limit_.crowded(Holder::kPages)) {
      begin_ebb(ctx);
      return give_to_page(ctx, page, slot);
    }
  }
  *magazine.top++ = make_place<C>(page.slot_address(slot), &page.entries[slot]);
  if (ctx.counting()) stats.free_current.add();
}

template <class C>
void Allocator<C>::give_to_page(Ctx& ctx, Page& page, std::uint32_t slot) noexcept {
  auto& stats = ctx.stats.by_class[page.class_idx];
  const BinIndex bin(static_cast<std::uint8_t>(page.bin));
  const GivePath path = hot(ctx).give(page, slot);
  if (HAKMEM_UNLIKELY(ctx.learning())) note_given(ctx, page, bin, path);
  if (path == GivePath::kRetire) {
    look_at_time(ctx);
  } else if (ctx.ebbing()) {
    note_thinned(ctx, Sizes::info(bin).block_size);
  }
  if (!ctx.counting()) return;
  switch (path) {
    case GivePath::kCurrent:
      stats.free_current.add();
      break;
    case GivePath::kPartial:
      stats.free_partial.add();
      break;
    case GivePath::kRetire:
      stats.free_retire.add();
      break;
  }
}

// The oldest blocks of a magazine go back to their pages (or to v1, HAKMEM_TINY_C6_HOT).
template <class C>
void Allocator<C>::flush(Ctx& ctx, Magazine<C>& magazine, std::size_t count) noexcept {
  Hot hot_box = hot(ctx);
  const bool counting = ctx.counting();
  const bool learning = ctx.learning();
  Ultra::flush(magazine, count, [&](const MagazinePlace<C>& place) {
    const ClientPtr block(place.block);
    const Page* const unit = arena_.so_page_of(block);
    if (HAKMEM_UNLIKELY(unit == nullptr)) {
      v1_.release_cached(block);
      return;
    }
    Page& page = arena_.page(unit->head);
    const std::uint32_t slot = slot_of(page, place);
    expect_mine(ctx, page, slot, kEntryCached, "flush");
    const std::uint8_t size_class = page.class_idx;
    const BinIndex bin(static_cast<std::uint8_t>(page.bin));
    const GivePath path = hot_box.give(page, slot);
    if (HAKMEM_UNLIKELY(counting)) count_given_back(ctx, size_class, path);
    if (HAKMEM_UNLIKELY(learning)) note_given(ctx, page, bin, path);
  });
}

template <class C>
void Allocator<C>::give_back(Ctx& ctx, Page& page, std::uint32_t slot) noexcept {
  expect_mine(ctx, page, slot, kEntryRemote, "remote-drain");
  const std::uint8_t size_class = page.class_idx;
  const BinIndex bin(static_cast<std::uint8_t>(page.bin));
  const GivePath path = hot(ctx).give(page, slot);
  if (ctx.counting()) count_given_back(ctx, size_class, path);
  if (HAKMEM_UNLIKELY(ctx.learning())) note_given(ctx, page, bin, path);
}

// A block that goes back to its page without a call of the program: out of a magazine, or drained.
// The call was counted when it was made; what happens to the page now is counted here.
template <class C>
void Allocator<C>::count_given_back(Ctx& ctx, std::uint8_t size_class, GivePath path) noexcept {
  auto& stats = ctx.stats.by_class[size_class];
  if (path == GivePath::kPartial) stats.free_partial.add();
  if (path == GivePath::kRetire) stats.free_retire.add();
}

template <class C>
void Allocator<C>::deallocate_remote(Ctx* ctx, Page& page, std::uint32_t slot,
                                     const FaultContext& call) noexcept {
  const std::uint8_t size_class = page.class_idx;
  const std::size_t bytes = page.block_size;
  if (ctx == nullptr) {
    const LockGuard<C> posting(posting_);
    return mark_and_post(ctx, page, slot, call);
  }
  // So that the child of a fork knows where this thread was.
  ctx->posting.store_relaxed(arena_.unit_of(page));
  in_program_order();
  mark_and_post(ctx, page, slot, call);
  in_program_order();
  ctx->posting.store_relaxed(Page::kNoPage);
  if (ctx->counting()) {
    ctx->stats.by_class[size_class].free_calls.add();
    ctx->stats.by_class[size_class].free_remote.add();
  }
  note_freed_elsewhere(*ctx, bytes);
}

template <class C>
void Allocator<C>::mark_and_post(Ctx* ctx, Page& page, std::uint32_t slot,
                                 const FaultContext& call) noexcept {
  std::uint32_t head = kNoSlot;
  if (HAKMEM_UNLIKELY(!mark_remote(page, slot, &head))) fail_freed_twice(ctx, page, call);
  Ctx* const owner = page.owner.load_relaxed();  // relaxed: a page with a live block stays owned
  // It was freed by its owner too, and the page is empty and gone.
  if (HAKMEM_UNLIKELY(owner == nullptr)) report_raced_double_free(page, slot, call.operation);
  if (post(arena_, owner->pending, page, slot, head)) contexts_.call(*owner);
}

// Not in the arena: large, then v1, then nobody's.
template <class C>
void Allocator<C>::deallocate_foreign(Ctx* ctx, void* p, const char* operation) noexcept {
  if (ctx != nullptr) take_note(*ctx);
  const bool counting = ctx != nullptr && ctx->counting();
  if (counting) ctx->stats.page_of_fail.add();
  BlockView view = large_.deallocate(ClientPtr(p));
  if (view.fault == Fault::kNone) {
    if (counting) ctx->stats.large_free.add();
    return;
  }
  if (view.fault != Fault::kNotMine) fail(ctx, p, operation, view);
  if (ctx != nullptr && ctx->policy->c6_hot && !ctx->ebbing()) {
    view = v1_.locate(ClientPtr(p));
    if (view.fault == Fault::kNone && view.size_class == 6) {
      return cache_v1_block(*ctx, p, view, operation);
    }
  }
  view = v1_.deallocate(ClientPtr(p));
  if (view.fault == Fault::kNotMine) view = large_.diagnose(ClientPtr(p));
  if (view.fault != Fault::kNone) fail(ctx, p, operation, view);
  if (counting) {
    ctx->stats.by_class[view.size_class].free_calls.add();
    ctx->stats.by_class[view.size_class].free_fb_v1.add();
  }
}

// HAKMEM_TINY_C6_HOT: a v1 block of C6 goes to the front cache, whoever freed it.
template <class C>
void Allocator<C>::cache_v1_block(Ctx& ctx, void* p, const BlockView& view,
                                  const char* operation) noexcept {
  auto* const entry = v1_.cache(ClientPtr(p));
  if (HAKMEM_UNLIKELY(entry == nullptr)) {  // another thread freed the same block meanwhile
    BlockView twice = view;
    twice.fault = Fault::kDoubleFree;
    fail(&ctx, p, operation, twice);
  }
  if (ctx.counting()) {
    ctx.stats.by_class[view.size_class].free_calls.add();
    ctx.stats.by_class[view.size_class].free_fb_v1.add();
  }
  Magazine<C>& magazine = ctx.ultra.magazine(BinIndex(view.bin));
  if (magazine.full()) {
    const LockGuard<C> working(ctx.lock);  // pages of v3 may be among those it goes back to
    ctx.ultra.grow(BinIndex(view.bin));
    if (magazine.full()) flush(ctx, magazine, (magazine.size() + 1) / 2);
  }
  *magazine.top++ = make_place<C>(p, entry);
}

template <class C>
void Allocator<C>::fail(Ctx* ctx, const void* p, const char* operation, const BlockView& found,
                        std::size_t stated) noexcept {
  BlockView view = found;
  const Page* const unit = arena_.so_page_of(ClientPtr(p));
  if (unit != nullptr) {
    const Ctx* const owner = unit->owner.load_relaxed();  // relaxed: a hint
    if (owner != nullptr) view.owner = owner->number;
  }
  if (arena_.reserves(ClientPtr(p))) view.heap = "v3";
  if (view.fault == Fault::kNotMine) view.fault = Fault::kInvalidFree;
  report_fault({operation, ClientPtr(p).address(), stated, ctx == nullptr ? 0 : ctx->number}, view);
}

// ---- realloc and look-up ----------------------------------------------------------------------

template <class C>
BlockView Allocator<C>::locate(const void* p) noexcept {
  const Page* const unit = arena_.so_page_of(ClientPtr(p));
  if (unit != nullptr) return locate_in_page(*unit, arena_.head_of(*unit), ClientPtr(p));
  BlockView view = large_.locate(ClientPtr(p));
  if (view.fault == Fault::kNotMine) view = v1_.locate(ClientPtr(p));
  return view.fault == Fault::kNotMine ? large_.diagnose(ClientPtr(p)) : view;
}

template <class C>
BlockView Allocator<C>::locate_live(Ctx* ctx, const void* p, const char* operation) noexcept {
  const BlockView view = locate(p);
  if (HAKMEM_UNLIKELY(view.fault != Fault::kNone)) fail(ctx, p, operation, view);
  return view;
}

}  // namespace hakmem

#include "front/allocator_realloc.h"  // IWYU pragma: export
