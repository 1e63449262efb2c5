// The laws of one page that is lent to a context. They hold whenever no thread is in the middle of
// an operation on the page.
//
//   P1  freelist length + used = carved <= capacity
//   P2  the freelist ends, and every slot on it is carved and FREE
//   P3  the remote stack ends, every slot on it is carved and REMOTE, and no other slot is REMOTE
//   P4  slots that are not carved yet are FREE
//   P5  used = slots that are LIVE, CACHED or REMOTE
//   P6  every unit of the page repeats what a free reads from the first
//   P7  a slot that nobody has written on is FREE
#pragma once

#include <cstdint>
#include <span>

#include "laws/law.h"
#include "page/slot_entry.h"

namespace hakmem::laws {

struct PageView {
  std::span<const EntryBits> entries;  // at least one per slot
  std::uint32_t capacity = 0;          // slots
  std::uint32_t carved = 0;
  std::uint32_t used = 0;
  std::uint32_t freelist = kNoSlot;
  std::uint32_t remote_head = kNoSlot;
  std::uint32_t fresh = 0;  // bit per slot
};

struct PageCounts {
  std::uint32_t free_listed = 0;  // on the freelist
  std::uint32_t live = 0;
  std::uint32_t cached = 0;
  std::uint32_t remote = 0;

  constexpr std::uint32_t used() const noexcept { return live + cached + remote; }
};

struct Walk {
  std::uint32_t length = 0;
  bool sound = true;  // it ended, within the carved slots, all of them of the kind asked for
};

// Every slot has one link, so a walk longer than the carved slots goes round in a circle.
constexpr Walk walk(const PageView& page, std::uint32_t first, EntryBits kind) noexcept {
  Walk w;
  for (std::uint32_t slot = first; slot != kNoSlot; slot = entry_link(page.entries[slot])) {
    if (slot >= page.carved || slot >= page.entries.size() || w.length >= page.carved ||
        entry_kind(page.entries[slot]) != kind) {
      return {w.length, false};
    }
    ++w.length;
  }
  return w;
}

constexpr PageCounts count_states(const PageView& page) noexcept {
  PageCounts n;
  n.free_listed = walk(page, page.freelist, kEntryFree).length;
  for (std::uint32_t slot = 0; slot < page.carved && slot < page.entries.size(); ++slot) {
    switch (state_of_entry(page.entries[slot])) {
      case SlotState::kLive:
        ++n.live;
        break;
      case SlotState::kCached:
        ++n.cached;
        break;
      case SlotState::kRemote:
        ++n.remote;
        break;
      case SlotState::kFree:
      case SlotState::kNone:
        break;
    }
  }
  return n;
}

constexpr Broken p1_carved_adds_up(const PageView& page) noexcept {
  const std::uint32_t listed = walk(page, page.freelist, kEntryFree).length;
  return law("P1", listed + page.used == page.carved && page.carved <= page.capacity);
}

constexpr Broken p2_freelist_is_sound(const PageView& page) noexcept {
  return law("P2", walk(page, page.freelist, kEntryFree).sound);
}

constexpr Broken p3_remote_stack_is_sound(const PageView& page) noexcept {
  const Walk stack = walk(page, page.remote_head, kEntryRemote);
  return law("P3", stack.sound && stack.length == count_states(page).remote);
}

constexpr Broken p4_uncarved_slots_are_free(const PageView& page) noexcept {
  for (std::uint32_t slot = page.carved; slot < page.entries.size(); ++slot) {
    if (entry_kind(page.entries[slot]) != kEntryFree) return "P4";
  }
  return kHolds;
}

constexpr Broken p5_used_is_what_is_out(const PageView& page) noexcept {
  return law("P5", count_states(page).used() == page.used);
}

constexpr Broken p7_fresh_slots_are_free(const PageView& page) noexcept {
  for (std::uint32_t slot = 0; slot < 32 && page.fresh >> slot != 0; ++slot) {
    if ((page.fresh >> slot & 1) == 0) continue;
    if (slot >= page.capacity || entry_kind(page.entries[slot]) != kEntryFree) return "P7";
  }
  return kHolds;
}

constexpr Broken first_broken_page_law(const PageView& page) noexcept {
  return first_broken(p2_freelist_is_sound(page), p3_remote_stack_is_sound(page),
                      p1_carved_adds_up(page), p4_uncarved_slots_are_free(page),
                      p5_used_is_what_is_out(page), p7_fresh_slots_are_free(page));
}

// What a free reads, of one unit.
struct UnitView {
  std::uintptr_t base = 0;
  std::uintptr_t entries = 0;
  std::uintptr_t owner = 0;
  std::uintptr_t magazine = 0;
  std::uint64_t reciprocal = 0;
  std::uint32_t block_size = 0;
  std::uint32_t head = 0;
  std::uint32_t bin = 0;
  bool operator==(const UnitView&) const = default;
};

constexpr Broken p6_units_agree(const UnitView& first, const UnitView& other) noexcept {
  return law("P6", first == other);
}

}  // namespace hakmem::laws
