// ScriptedCold: a cold box for tests of the hot box: pages of one unit, lent in order of their
// numbers, out of so many. It notes who comes through which door, and refuses on request. It has no
// memory to give back.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cold/cold_interface.h"
#include "page/arena.h"

namespace hakmem::test {

template <class C>
class ScriptedCold {
 public:
  using Page = SoPage<C>;

  // Requires: the arena's tables are open that far (open).
  ScriptedCold(Arena<C>& arena, std::uint32_t pages)
      : arena_(arena), lent_(pages, false), entries_(pages) {}

  // False when the system refuses the tables.
  static bool open(Arena<C>& arena, typename C::Platform& platform, std::uint32_t pages) {
    const SlabIndex last((pages - 1) / static_cast<std::uint32_t>(C::Sizes::kUnitsPerSuperslab));
    if (!arena.open_tables(platform, last)) return false;
    arena.put_in_use(last);
    return true;
  }

  Page* refill_page(BinIndex bin, PageOwner<C> owner) noexcept {
    const auto free = std::find(lent_.begin(), lent_.end(), false);
    if (refuses || free == lent_.end()) return nullptr;
    *free = true;
    ++refills;
    Page& page = set_up(static_cast<std::uint32_t>(free - lent_.begin()), bin);
    page.owner.store_relaxed(owner.context);
    page.magazine = owner.magazine;
    return &page;
  }
  void retire_page(Page& page, std::uint32_t used_in) noexcept {
    if (page.used != 0 || !lent_[page.head]) wrong_retires.push_back(&page);
    lent_[page.head] = false;
    page.flags = PageFlag::kRetired;
    retired.push_back(&page);
    last_used_in = used_in;
  }
  std::size_t purge_unused(Page& page) noexcept {
    purged.push_back(&page);
    return 0;
  }

  bool is_lent(std::uint32_t page) const { return lent_[page]; }
  std::size_t lent() const {
    return static_cast<std::size_t>(std::count(lent_.begin(), lent_.end(), true));
  }

  bool refuses = false;
  int refills = 0;
  std::vector<Page*> retired, purged;
  std::vector<Page*> wrong_retires;  // in use, or not lent
  std::uint32_t last_used_in = 0;    // as the page retired last

 private:
  Page& set_up(std::uint32_t number, BinIndex bin) {
    const BinInfo& info = C::Sizes::info(bin);
    Page& page = arena_.page(number);
    page.base = arena_.unit_address(number);
    page.reciprocal = info.reciprocal;
    page.entries = entries_[number].data();
    for (auto& entry : entries_[number]) entry.store_relaxed(kEntryFree);
    page.block_size = info.block_size;
    page.head = number;
    page.capacity = info.capacity;
    page.bin = bin.value();
    page.class_idx = info.size_class;
    page.freelist = kNoSlot;
    page.remote_head.store_relaxed(kNoSlot);
    page.used = page.carved = 0;
    page.purged.store_relaxed(0);
    page.used_at_purge = Page::kNever;
    page.links = {};
    return page;
  }

  Arena<C>& arena_;
  std::vector<bool> lent_;
  std::vector<std::array<typename Page::Entry, C::Geometry::kSlotsMax>> entries_;
};

}  // namespace hakmem::test
