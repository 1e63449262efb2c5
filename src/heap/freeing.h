// Freeing: free past the hot path.
//
//   deallocate_slow  page_of: mine    claim the slot, then magazine or page
//                             other's mark the slot, post it to the page's owner
//     `- foreign     large, then v1, then the fatal report
#pragma once

#include "heap/maintenance.h"
#include "remote/remote_box.h"

namespace hakmem {

template <class C>
class Freeing {
 public:
  using Ctx = Context<C>;
  using Page = SoPage<C>;

  explicit Freeing(Boxes<C>& boxes) noexcept
      : boxes_(boxes), faults_(boxes), returns_(boxes), maintenance_(boxes) {}

  void deallocate_slow(Ctx* ctx, void* p, const char* operation) noexcept {
    if (p == nullptr) return;
    const Page* const unit = boxes_.arena.so_page_of(ClientPtr(p));
    if (unit == nullptr) return deallocate_foreign(ctx, p, operation);
    Page& page = boxes_.arena.head_of(*unit);
    const BlockView view = locate_in_page(*unit, page, ClientPtr(p));
    if (HAKMEM_UNLIKELY(view.fault != Fault::kNone)) faults_.fail(ctx, p, operation, view);
    const FaultContext call{operation, ClientPtr(p).address(), 0, 0};
    if (ctx != nullptr && page.owner.load_relaxed() == ctx) {  // relaxed: as on the hot path
      deallocate_local(*ctx, page, view.slot, call);
    } else {
      deallocate_remote(ctx, page, view.slot, call);
    }
  }

 private:
  // ---- a block of the caller's own page

  // Another thread may be freeing the same block. The slot is claimed before the lock is taken:
  // from then on the other is stopped, and nobody can drain the block or retire its page. What has
  // become of both until then shows under the lock.
  void deallocate_local(Ctx& ctx, Page& page, std::uint32_t slot,
                        const FaultContext& call) noexcept {
    claim(ctx, page, slot, call);
    const LockGuard<C> working(ctx.lock);
    ctx.claiming.store_relaxed(nullptr);  // relaxed: no fork takes place while the lock is held
    boxes_.contexts.attend(ctx);
    maintenance_.catch_up(ctx);
    const bool still_mine = page.owner.load_relaxed() == &ctx &&  // relaxed: under the lock
                            page.entries[slot].load_relaxed() == kEntryInMagazine<C>;
    if (HAKMEM_UNLIKELY(!still_mine)) faults_.fail_freed_twice(&ctx, page, call);
    if (ctx.counting()) ctx.stats.by_class[page.class_idx].free_calls.add();
    if (!make_room(ctx, page)) return give_to_page(ctx, page, slot);
    ctx.ultra.magazine(page.bin_index()).push(page.slot_address(slot), &page.entries[slot]);
    if (ctx.counting()) ctx.stats.by_class[page.class_idx].free_current.add();
  }

  void claim(Ctx& ctx, Page& page, std::uint32_t slot, const FaultContext& call) noexcept {
    if constexpr (C::kMitigations.check_frees) {
      EntryBits live = kEntryLive;
      // relaxed: for a child of this thread only
      ctx.claiming.store_relaxed(page.slot_address(slot));
      // relaxed: one of several finds LIVE; the block itself stays with this thread
      if (HAKMEM_UNLIKELY(!page.entries[slot].cas_relaxed(live, kEntryCached))) {
        faults_.fail_freed_twice(&ctx, page, call);
      }
    }
  }

  // In the magazine of the page's bin. False: the block goes to its page.
  bool make_room(Ctx& ctx, const Page& page) noexcept {
    const BinIndex bin = page.bin_index();
    if (ctx.releasing() || !ctx.ultra.is_open(bin)) return false;
    Magazine<C>& magazine = ctx.ultra.magazine(bin);
    if (magazine.full()) ctx.ultra.grow(bin);
    if (magazine.full()) maintenance_.keep_time(ctx);
    if (!magazine.full()) return true;
    const std::size_t bytes = (magazine.size() + 1) / 2 * page.block_size;
    returns_.flush(ctx, magazine, (magazine.size() + 1) / 2);
    ctx.so.bins[bin.value()].used_in = ctx.so.seen_period();
    ctx.release.freed_bytes += bytes;
    const bool enough = ctx.release.freed_bytes >= C::Tuning::kReleaseModeBytes;
    if (!enough && !boxes_.limit.over_soft(Holder::kPages)) return true;
    maintenance_.enter_release_mode(ctx);
    return false;
  }

  void give_to_page(Ctx& ctx, Page& page, std::uint32_t slot) noexcept {
    const std::uint8_t size_class = page.class_idx;
    const std::size_t bytes = page.block_size;
    const GivePath path = returns_.give(ctx, page, slot);
    if (path == GivePath::kRetire) {
      maintenance_.keep_time(ctx);
    } else if (ctx.releasing()) {
      maintenance_.note_thinned(ctx, bytes);
    }
    if (path == GivePath::kCurrent && ctx.counting()) {
      ctx.stats.by_class[size_class].free_current.add();
    }
  }

  // ---- a block of another context's page

  void deallocate_remote(Ctx* ctx, Page& page, std::uint32_t slot,
                         const FaultContext& call) noexcept {
    const std::uint8_t size_class = page.class_idx;
    const std::size_t bytes = page.block_size;
    if (ctx == nullptr) {
      const LockGuard<C> posting(boxes_.posting);
      return mark_and_post(ctx, page, slot, call);
    }
    // So that the child of a fork knows where this thread was.
    ctx->posting.store_relaxed(boxes_.arena.unit_of(page));
    in_program_order();
    mark_and_post(ctx, page, slot, call);
    in_program_order();
    ctx->posting.store_relaxed(Page::kNoPage);
    if (ctx->counting()) {
      ctx->stats.by_class[size_class].free_calls.add();
      ctx->stats.by_class[size_class].free_remote.add();
    }
    maintenance_.note_freed_elsewhere(*ctx, bytes);
  }

  void mark_and_post(Ctx* ctx, Page& page, std::uint32_t slot, const FaultContext& call) noexcept {
    std::uint32_t head = kNoSlot;
    if (HAKMEM_UNLIKELY(!mark_remote(page, slot, &head))) {
      faults_.fail_freed_twice(ctx, page, call);
    }
    Ctx* const owner = page.owner.load_relaxed();  // relaxed: a page with a live block stays owned
    // It was freed by its owner too, and the page is empty and gone.
    if (HAKMEM_UNLIKELY(owner == nullptr)) report_raced_double_free(page, slot, call.operation);
    if (post(boxes_.arena, owner->pending, page, slot, head)) boxes_.contexts.call(*owner);
  }

  // ---- not in the arena: large, then v1, then nobody's

  void deallocate_foreign(Ctx* ctx, void* p, const char* operation) noexcept {
    if (ctx != nullptr) maintenance_.lock_and_catch_up(*ctx);
    const bool counting = ctx != nullptr && ctx->counting();
    if (counting) ctx->stats.page_of_fail.add();
    BlockView view = boxes_.large.deallocate(ClientPtr(p));
    if (view.fault == Fault::kNone) {
      if (counting) ctx->stats.large_free.add();
      return;
    }
    if (view.fault != Fault::kNotMine) faults_.fail(ctx, p, operation, view);
    if (ctx != nullptr && ctx->policy->c6_hot && !ctx->releasing()) {
      view = boxes_.v1.locate(ClientPtr(p));
      if (view.fault == Fault::kNone && view.size_class == 6) {
        return cache_v1_block(*ctx, p, view, operation);
      }
    }
    view = boxes_.v1.deallocate(ClientPtr(p));
    if (view.fault == Fault::kNotMine) view = boxes_.large.diagnose(ClientPtr(p));
    if (view.fault != Fault::kNone) faults_.fail(ctx, p, operation, view);
    if (counting) count_freed_v1(*ctx, view);
  }

  // HAKMEM_TINY_C6_HOT: a v1 block of C6 goes to the front cache, whoever freed it.
  void cache_v1_block(Ctx& ctx, void* p, const BlockView& view, const char* operation) noexcept {
    auto* const entry = boxes_.v1.cache(ClientPtr(p));
    if (HAKMEM_UNLIKELY(entry == nullptr)) {  // another thread freed the same block meanwhile
      BlockView twice = view;
      twice.fault = Fault::kDoubleFree;
      faults_.fail(&ctx, p, operation, twice);
    }
    if (ctx.counting()) count_freed_v1(ctx, view);
    const BinIndex bin(view.bin);
    Magazine<C>& magazine = ctx.ultra.magazine(bin);
    if (magazine.full()) {
      const LockGuard<C> working(ctx.lock);  // pages of v3 may be among those it goes back to
      ctx.ultra.grow(bin);
      if (magazine.full()) returns_.flush(ctx, magazine, (magazine.size() + 1) / 2);
    }
    magazine.push(p, entry);
  }

  static void count_freed_v1(Ctx& ctx, const BlockView& view) noexcept {
    ctx.stats.by_class[view.size_class].free_calls.add();
    ctx.stats.by_class[view.size_class].free_fb_v1.add();
  }

  Boxes<C>& boxes_;
  Faults<C> faults_;
  PageReturns<C> returns_;
  Maintenance<C> maintenance_;
};

}  // namespace hakmem
