// HotBox v3: knows only context -> class -> page -> slot. Everything slow is behind ColdInterface.
//
//   page_to_take_from          so_alloc_fast: current, else the head of `partial`
//     `- so_alloc_refill_slow  borrow one page, make it current
//   give                       so_free_fast: push, then the page's place is decided
//     `- retire                an empty page beyond max_partial goes back
//
// A full page is on no list; the first slot that comes back puts it on `partial` (or makes it
// current), so it is never stranded. Owner only. Laws: H1-H3 (laws/hot_laws.h).
#pragma once

#include <cstdint>

#include "base/attributes.h"
#include "base/check.h"
#include "cold/cold_interface.h"
#include "hot/so_ctx.h"
#include "page/arena.h"
#include "page/freelist.h"
#include "page/reshuffle.h"
#include "remote/remote_box.h"

namespace hakmem {

enum class TakePath : std::uint8_t { kCurrent, kPartial, kRefill, kNone };
enum class GivePath : std::uint8_t { kCurrent, kPartial, kRetire };

// Where a walk over a context's pages goes on after the context's lock was let go of.
struct PageCursor {
  std::uint32_t bin = 0;
  std::uint32_t unit = 0;
  bool in_bin = false;  // `unit` is the next partial page
};

template <class C, class Cold>
  requires ColdInterface<Cold, C>
class HotBox {
 public:
  using Page = SoPage<C>;

  HotBox(const Arena<C>& arena, Cold& cold, SoCtx<C>& ctx) noexcept
      : arena_(arena), cold_(cold), ctx_(ctx) {}

  struct Source {
    Page* page;  // nullptr: the cold box gave none
    TakePath path;
  };

  // Ensures: the page is current and has a free slot, and is known to be in use.
  Source page_to_take_from(BinIndex bin) noexcept {
    const Source source = choose_page(bin);
    if (source.page != nullptr) note_taken(*source.page);
    ctx_.bins[bin.value()].used_in = ctx_.seen_period();
    return source;
  }

  std::uint16_t take(Page& page, EntryBits state) noexcept {
    const std::uint16_t slot = take_slot_owner_only(page, state, ctx_.rng);
    if (page.fresh != 0) page.fresh &= ~(1u << slot);
    return slot;
  }

  // Requires: the slot is LIVE, CACHED or REMOTE, and the page is this context's.
  GivePath give(Page& page, std::uint32_t slot) noexcept {
    BinPages<C>& of_bin = ctx_.bins[page.bin];
    HAKMEM_DCHECK(page.owner.load_relaxed() == of_bin.owner.context, "page-owner", page.base);
    give_slot_owner_only(page, slot);
    const bool stays = page.used != 0 && page.flags != PageFlag::kFull && of_bin.current != nullptr;
    if (HAKMEM_UNLIKELY(!stays)) return place_page(of_bin, page);
    return &page == of_bin.current ? GivePath::kCurrent : GivePath::kPartial;
  }

  // Gives every empty page back, whatever max_partial says, after retiring(page). For parking and
  // trimming.
  template <class Retiring>
  void retire_empty_pages(Retiring&& retiring) noexcept {
    for (BinPages<C>& of_bin : ctx_.bins) {
      if (of_bin.current != nullptr && of_bin.current->used == 0) {
        Page& page = *of_bin.current;
        of_bin.current = nullptr;
        retiring(page);
        retire(of_bin, page);
      }
      retire_listed(of_bin, 0, retiring);
    }
  }

  // The same for empty pages that max_partial, having become less, would not have kept.
  template <class Retiring>
  void retire_beyond_max_partial(Retiring&& retiring) noexcept {
    for (BinPages<C>& of_bin : ctx_.bins) retire_listed(of_bin, of_bin.max_partial, retiring);
  }

  // Gives back the memory that no block lies on, of pages that nothing was taken from in decay
  // period `now` and the one before. Of a context in use: bins with many pages are looked at in
  // turns, so that no call of the program takes long.
  void purge_at_rest_in_turns(std::uint32_t now) noexcept {
    std::uint32_t turn = now;
    for (BinPages<C>& of_bin : ctx_.bins) {
      const std::uint32_t turns = 1 + of_bin.partial_count / C::Tuning::kRestPages;
      if (turn++ % turns != 0) continue;
      for_each_with_free_slot(of_bin, [&](Page& page) { purge_if_at_rest(page, now); });
    }
  }
  // The same of an idle context, of the next page from `at` on for which there was something to do.
  // False: of none, the walk is at its end. What was on the lists when it began is looked at,
  // unless others have moved it since.
  bool purge_next_at_rest(std::uint32_t now, PageCursor& at) noexcept {
    for (; at.bin < C::Sizes::kBins; ++at.bin, at.in_bin = false) {
      BinPages<C>& of_bin = ctx_.bins[at.bin];
      if (!at.in_bin) {
        at.in_bin = true;
        at.unit = of_bin.partial.front();
        if (of_bin.current != nullptr && purge_if_at_rest(*of_bin.current, now)) return true;
      }
      while (at.unit != Page::kNoPage) {
        Page& page = arena_.page(at.unit);
        if (!is_partial(of_bin, page, at)) break;
        at.unit = page.links.next;
        if (purge_if_at_rest(page, now)) return true;
      }
    }
    return false;
  }
  // The same of every page that has lost a good part of its blocks, at rest or not.
  void purge_thinned() noexcept {
    for (BinPages<C>& of_bin : ctx_.bins) {
      for_each_with_free_slot(of_bin, [&](Page& page) { purge_if_changed(page, kWorthALook); });
    }
  }
  // The same of one page, at rest or not. Returns the bytes given back.
  std::size_t purge_unused(Page& page) noexcept { return purge_if_changed(page, kAnyChange); }

 private:
  Source choose_page(BinIndex bin) noexcept {
    BinPages<C>& of_bin = ctx_.bins[bin.value()];
    if (of_bin.current != nullptr) {
      if (of_bin.current->has_free_slot()) return {of_bin.current, TakePath::kCurrent};
      of_bin.current->flags = PageFlag::kFull;
      of_bin.current = nullptr;
    }
    if (!of_bin.partial.empty()) {
      Page& page = arena_.page(of_bin.partial.front());
      unlink_partial(of_bin, page);
      if (page.used == 0) forget_empty(of_bin);
      make_current(of_bin, page);
      return {&page, TakePath::kPartial};
    }
    return so_alloc_refill_slow(of_bin, bin);
  }

  void note_taken(Page& page) noexcept {
    if constexpr (C::kMitigations.randomize_slots) {
      if (HAKMEM_UNLIKELY(page.generation != ctx_.generation)) {
        page.generation = ctx_.generation;
        shuffle_freelist_owner_only(page, ctx_.rng);
      }
    }
    page.taken_in = ctx_.seen_period();
    page.used_at_purge = Page::kNever;
    // What of its memory comes back now is not known: all of it, then. relaxed: a count
    if (HAKMEM_UNLIKELY(page.purged.load_relaxed() != 0)) page.purged.store_relaxed(0);
  }
  static constexpr std::uint32_t kWorthALook = 4;  // one in so many blocks
  static constexpr std::uint32_t kAnyChange = ~std::uint32_t{0};
  // If that was not done since a slot was taken; else when the page has lost a part of the blocks
  // that it had then: all of its slots have to be looked at, so each block pays for a few looks
  // only.
  std::size_t purge_if_changed(Page& page, std::uint32_t part) noexcept {
    if (!has_changed(page, part)) return 0;
    page.used_at_purge = page.used;
    return cold_.purge_unused(page);
  }
  static bool has_changed(const Page& page, std::uint32_t part) noexcept {
    if (!page.has_free_slot()) return false;
    const std::uint32_t before = page.used_at_purge;
    return before == Page::kNever || before - page.used > before / part;
  }
  // Whether it was looked at.
  bool purge_if_at_rest(Page& page, std::uint32_t now) noexcept {
    if (now - page.taken_in < 2 || !has_changed(page, kWorthALook)) return false;
    purge_if_changed(page, kWorthALook);
    return true;
  }
  // Whether the cursor's page is what it was when the cursor came there. A record that is not this
  // context's may be written to at this moment: nothing of it is read.
  bool is_partial(const BinPages<C>& of_bin, const Page& page,
                  const PageCursor& at) const noexcept {
    return page.owner.load_relaxed() == of_bin.owner.context &&  // relaxed: under the lock
           page.head == at.unit && page.bin == at.bin && page.flags == PageFlag::kPartial;
  }

  // The current page may have none. Requires: `work` leaves the lists alone.
  template <class Work>
  void for_each_with_free_slot(BinPages<C>& of_bin, Work&& work) noexcept {
    if (of_bin.current != nullptr) work(*of_bin.current);
    for (std::uint32_t unit = of_bin.partial.front(); unit != Page::kNoPage;
         unit = arena_.page(unit).links.next) {
      work(arena_.page(unit));
    }
  }

  // Empty pages of the partial list go back, until no more than `keep` pages are on it. The list is
  // walked only where there are some.
  template <class Retiring>
  void retire_listed(BinPages<C>& of_bin, std::uint32_t keep, Retiring& retiring) noexcept {
    for (std::uint32_t unit = of_bin.partial.front();
         unit != Page::kNoPage && of_bin.empty_count != 0 && of_bin.partial_count > keep;) {
      Page& page = arena_.page(unit);
      unit = page.links.next;
      if (page.used != 0) continue;
      unlink_partial(of_bin, page);
      forget_empty(of_bin);
      retiring(page);
      retire(of_bin, page);
    }
  }

  HAKMEM_NOINLINE Source so_alloc_refill_slow(BinPages<C>& of_bin, BinIndex bin) noexcept {
    Page* const page = cold_.refill_page(bin, of_bin.owner);
    if (page == nullptr) return {nullptr, TakePath::kNone};
    ++of_bin.pages;
    make_current(of_bin, *page);
    return {page, TakePath::kRefill};
  }

  // A page that became empty, was full, or can become current.
  HAKMEM_NOINLINE GivePath place_page(BinPages<C>& of_bin, Page& page) noexcept {
    if (page.used == 0) return place_empty_page(of_bin, page);
    if (of_bin.current == nullptr) {
      if (page.flags == PageFlag::kPartial) unlink_partial(of_bin, page);
      make_current(of_bin, page);
      return GivePath::kCurrent;
    }
    if (page.flags == PageFlag::kFull) link_partial(of_bin, page);
    return GivePath::kPartial;
  }

  GivePath place_empty_page(BinPages<C>& of_bin, Page& page) noexcept {
    const bool listed = page.flags == PageFlag::kPartial;
    if (&page == of_bin.current) of_bin.current = nullptr;
    const std::uint32_t others = of_bin.partial_count - (listed ? 1 : 0);
    if (others < of_bin.max_partial) {
      if (!listed) link_partial(of_bin, page);
      ++of_bin.empty_count;
      return GivePath::kPartial;
    }
    if (listed) unlink_partial(of_bin, page);
    retire(of_bin, page);
    return GivePath::kRetire;
  }

  // No slot of it is out, so none can be on its way home: what is there was freed here as well. A
  // slot that is not FREE all the same was freed twice, and counted twice. To look at all of them
  // costs less than it did to carve them.
  void retire(BinPages<C>& of_bin, Page& page) noexcept {
    if constexpr (C::kMitigations.check_frees) {
      // relaxed: the owner took the last
      const std::uint32_t posted = page.remote_head.load_relaxed();
      if (HAKMEM_UNLIKELY(posted != kNoSlot)) report_raced_double_free(page, posted, "retire");
      for (std::uint32_t slot = 0; slot < page.carved; ++slot) {
        // relaxed: FREE entries are the owner's
        const EntryBits entry = page.entries[slot].load_relaxed();
        if (HAKMEM_UNLIKELY(entry_kind(entry) != kEntryFree)) {
          report_raced_double_free(page, slot, "retire");
        }
      }
    }
    HAKMEM_DCHECK(page.used == 0 && of_bin.pages != 0, "retire", page.base);
    --of_bin.pages;
    cold_.retire_page(page, ctx_.seen_period());
  }

  static void make_current(BinPages<C>& of_bin, Page& page) noexcept {
    page.flags = PageFlag::kCurrent;
    of_bin.current = &page;
  }

  static void forget_empty(BinPages<C>& of_bin) noexcept {
    HAKMEM_DCHECK(of_bin.empty_count != 0, "empty-pages", 0);
    --of_bin.empty_count;
  }

  void link_partial(BinPages<C>& of_bin, Page& page) noexcept {
    HAKMEM_DCHECK(page.flags != PageFlag::kPartial && page.has_free_slot(), "page-links",
                  page.base);
    page.flags = PageFlag::kPartial;
    of_bin.partial.push_front(pages(), page.head);
    ++of_bin.partial_count;
  }

  void unlink_partial(BinPages<C>& of_bin, Page& page) noexcept {
    HAKMEM_DCHECK(page.flags == PageFlag::kPartial && of_bin.partial_count != 0, "page-links",
                  page.base);
    HAKMEM_DCHECK(of_bin.partial.may_hold(pages(), page.head), "page-links", page.base);
    of_bin.partial.remove(pages(), page.head);
    --of_bin.partial_count;
  }

  struct Pages {  // by head unit
    const Arena<C>& arena;
    Page& operator[](std::uint32_t unit) const noexcept { return arena.page(unit); }
  };
  Pages pages() const noexcept { return {arena_}; }

  const Arena<C>& arena_;
  Cold& cold_;
  SoCtx<C>& ctx_;
};

}  // namespace hakmem
