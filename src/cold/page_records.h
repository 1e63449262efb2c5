// The records of a lent page: what the cold box writes into the page map when a page changes hands.
// One per unit, all of them saying the same, so that `so_page_of` any block finds one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cold/cold_interface.h"
#include "page/arena.h"
#include "page/locate.h"

namespace hakmem {

template <class C>
class PageRecords {
 public:
  using Sizes = typename C::Sizes;
  using Geometry = typename C::Geometry;
  using Page = SoPage<C>;

  static constexpr std::uint32_t units_per_page(std::uint8_t bin) noexcept {
    return 1u << (Sizes::kBinTable[bin].page_shift - Geometry::kUnitShift);
  }

  void init(Arena<C>& arena) noexcept { arena_ = &arena; }

  // The record of page `number` of a superslab that serves the bin.
  Page& page_of(SlabIndex slab, std::uint8_t bin, std::uint32_t number) const noexcept {
    return arena_->page(arena_->first_unit(slab) + number * units_per_page(bin));
  }
  std::uint32_t number_of(const Page& page) const noexcept {
    const std::uint32_t within = arena_->unit_of(page) - arena_->first_unit(page.slab_ref);
    return within / units_per_page(static_cast<std::uint8_t>(page.bin));
  }
  typename Page::Entry* entries_of(SlabIndex slab, std::uint8_t bin,
                                   std::uint32_t number) const noexcept {
    return arena_->slab_entries(slab) + std::size_t{number} * Sizes::kBinTable[bin].entry_stride;
  }

  // A page of the bin with no slot ever given out, and no owner yet.
  Page& set_up(BinIndex bin, SlabIndex slab, std::uint32_t number) const noexcept {
    const BinInfo& info = Sizes::info(bin);
    const std::uint32_t units = units_per_page(bin.value());
    const std::uint32_t head = arena_->first_unit(slab) + number * units;
    for (std::uint32_t u = head; u < head + units; ++u) {
      Page& page = arena_->page(u);
      expect_nothing_posted(page, u);
      page.base = arena_->unit_address(head);
      page.reciprocal = info.reciprocal;
      page.entries = entries_of(slab, bin.value(), number);
      page.block_size = info.block_size;
      page.head = head;
      page.slab_ref = slab;
      page.capacity = info.capacity;
      page.bin = bin.value();
      page.class_idx = info.size_class;
    }
    Page& page = arena_->page(head);
    page.freelist = kNoSlot;
    page.used = 0;
    page.carved = 0;
    page.purged.store_relaxed(0);  // relaxed: a count
    page.used_at_purge = Page::kNever;
    page.fresh = 0;
    page.links = {};
    page.remote_head.store_relaxed(kNoSlot);  // relaxed: nobody else can reach the page yet
    return page;
  }

  // In every unit of the page. Relaxed: while it has no owner the page has no live block, and its
  // blocks reach other threads only after its owner has handed them out.
  void set_owner(Page& page, PageOwner<C> owner) const noexcept {
    const std::uint32_t units = units_per_page(static_cast<std::uint8_t>(page.bin));
    for (std::uint32_t u = page.head; u < page.head + units; ++u) {
      arena_->page(u).magazine = owner.magazine;
      arena_->page(u).owner.store_relaxed(owner.context);
    }
  }

 private:
  // A slot that reached the page's stack when the page was given up already was freed by the page's
  // owner too.
  static void expect_nothing_posted(const Page& before, std::uint32_t unit) noexcept {
    if constexpr (C::kMitigations.check_frees) {
      if (before.base == 0 || before.head != unit) return;
      const std::uint32_t posted = before.remote_head.load_relaxed();  // relaxed: see post
      if (HAKMEM_UNLIKELY(posted != kNoSlot)) report_raced_double_free(before, posted, "lend");
    }
  }

  Arena<C>* arena_ = nullptr;
};

}  // namespace hakmem
