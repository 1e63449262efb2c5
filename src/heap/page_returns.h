// PageReturns: blocks that go back to their pages, from where a context keeps them: its magazines,
// and what other threads have posted to it.
#pragma once

#include "base/check.h"
#include "heap/faults.h"
#include "ultra/ultra_box.h"

namespace hakmem {

template <class C>
class PageReturns {
 public:
  using Sizes = typename C::Sizes;
  using Ctx = Context<C>;
  using Page = SoPage<C>;

  explicit PageReturns(Boxes<C>& boxes) noexcept : boxes_(boxes) {}

  // One block. What becomes of the page is counted, and told to the learner; the call that freed
  // the block was counted when it was made. After kRetire the page is another's.
  GivePath give(Ctx& ctx, Page& page, std::uint32_t slot) noexcept {
    const std::uint8_t size_class = page.class_idx;
    const BinIndex bin = page.bin_index();
    const GivePath path = boxes_.hot(ctx).give(page, slot);
    if (HAKMEM_UNLIKELY(ctx.counting())) {
      auto& stats = ctx.stats.by_class[size_class];
      if (path == GivePath::kPartial) stats.free_partial.add();
      if (path == GivePath::kRetire) stats.free_retire.add();
    }
    if (HAKMEM_UNLIKELY(ctx.learning())) tell_learner(ctx, page, bin, path);
    return path;
  }

  // The oldest blocks of a magazine (of v1 too, HAKMEM_TINY_C6_HOT).
  void flush(Ctx& ctx, Magazine<C>& magazine, std::size_t count) noexcept {
    UltraBox<C, ColdBox<C>>::flush(magazine, count, [&](const MagazinePlace<C>& place) {
      const ClientPtr block(place.block);
      const Page* const unit = boxes_.arena.so_page_of(block);
      if (HAKMEM_UNLIKELY(unit == nullptr)) {
        boxes_.v1.release_cached(block);
        return;
      }
      Page& page = boxes_.arena.page(unit->head);
      const std::uint32_t slot = slot_of(page, place);
      Faults<C>::expect_mine(ctx, page, slot, kEntryCached, "flush");
      give(ctx, page, slot);
    });
  }
  void flush_all(Ctx& ctx) noexcept {
    for (const BinIndex bin : Sizes::bins()) flush_whole(ctx, bin);
  }
  // Magazines that were neither refilled nor overflowed in this decay period and the one before.
  void flush_unused(Ctx& ctx) noexcept {
    for (const BinIndex bin : Sizes::bins()) {
      if (ctx.so.seen_period() - ctx.so.bins[bin.value()].used_in >= 2) flush_whole(ctx, bin);
    }
  }

  // What other threads have posted so far.
  void drain(Ctx& ctx) noexcept {
    if (HAKMEM_LIKELY(ctx.pending.empty())) return;
    HAKMEM_DCHECK(ctx.lock.is_held(), "context-lock", ctx.number);
    drain_owner_only(boxes_.arena, ctx.pending, [&](Page& page, std::uint32_t slot) {
      Faults<C>::expect_mine(ctx, page, slot, kEntryRemote, "remote-drain");
      give(ctx, page, slot);
    });
  }

  void retire_empty_pages(Ctx& ctx) noexcept {
    boxes_.hot(ctx).retire_empty_pages([&](const Page& page) { count_retired(ctx, page); });
  }
  void retire_beyond_max_partial(Ctx& ctx) noexcept {
    boxes_.hot(ctx).retire_beyond_max_partial([&](const Page& page) { count_retired(ctx, page); });
  }

  // Of a context whose thread is gone: it keeps only pages with blocks that are in use elsewhere.
  void give_up_all(Ctx& ctx) noexcept {
    HAKMEM_DCHECK(ctx.lock.is_held(), "context-lock", ctx.number);
    flush_all(ctx);
    drain(ctx);
    ctx.release = {};
    for (BinPages<C>& of_bin : ctx.so.bins) of_bin.max_partial = 0;
    retire_empty_pages(ctx);
  }

 private:
  void flush_whole(Ctx& ctx, BinIndex bin) noexcept {
    Magazine<C>& magazine = ctx.ultra.magazine(bin);
    flush(ctx, magazine, magazine.size());
  }
  static void count_retired(Ctx& ctx, const Page& page) noexcept {
    if (ctx.counting()) ctx.stats.by_class[page.class_idx].free_retire.add();
  }

  // Not while the context holds nothing (release mode, or parked): then no limit would have kept
  // the page.
  void tell_learner(Ctx& ctx, const Page& page, BinIndex bin, GivePath path) noexcept {
    const BinPages<C>& of_bin = ctx.so.bins[bin.value()];
    if (of_bin.max_partial == 0) return;
    const SizeClass size_class(Sizes::info(bin).size_class);
    if (path == GivePath::kRetire) return boxes_.learner.note_retire(size_class);
    if (path != GivePath::kPartial || page.used != 0) return;
    if (of_bin.partial_count > of_bin.max_partial / 2) boxes_.learner.note_spare(size_class);
  }

  Boxes<C>& boxes_;
};

}  // namespace hakmem
