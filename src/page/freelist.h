// The page's LIFO freelist of slot numbers, kept in the slot entries. Owner only.
// Ensures after each call: law P1 (freelist + used = carved), P2 (acyclic, in range, FREE).
// Flavours with checks demand that what is taken is FREE and what is given is not: a block freed
// twice at the same moment by two threads is found here before it is handed out twice.
#pragma once

#include <array>
#include <cstdint>

#include "base/attributes.h"
#include "base/check.h"
#include "base/rng.h"
#include "page/locate.h"
#include "page/so_page.h"

namespace hakmem {

template <class C>
HAKMEM_ALWAYS_INLINE void expect_free(const SoPage<C>& page, std::uint32_t slot) noexcept {
  if constexpr (C::kMitigations.check_frees) {
    HAKMEM_CHECK(slot < page.capacity, "freelist", page.base);
    // relaxed: FREE entries are the owner's
    if (HAKMEM_UNLIKELY(entry_kind(page.entries[slot].load_relaxed()) != kEntryFree)) {
      report_raced_double_free(page, slot, "take");
    }
  }
}

// Puts the next `carve_batch` slots on the freelist, in random order where the flavour asks for it,
// so that a page's memory is touched piece by piece and neighbours are not predictable.
// Requires: carved < capacity, the freelist is empty.
template <class C>
HAKMEM_NOINLINE void carve_owner_only(SoPage<C>& page, Rng& rng) noexcept {
  const BinInfo& info = C::Sizes::kBinTable[page.bin];
  const std::uint32_t first = page.carved;
  HAKMEM_DCHECK(page.freelist == kNoSlot && first < page.capacity, "carve", page.base);
  std::uint32_t count = page.capacity - first;
  if (count > info.carve_batch) count = info.carve_batch;
  std::array<std::uint16_t, C::Sizes::kCarveMax> order;
  for (std::uint32_t i = 0; i < count; ++i) order[i] = static_cast<std::uint16_t>(first + i);
  if constexpr (C::kMitigations.randomize_slots) {
    for (std::uint32_t i = count - 1; i > 0; --i) {
      const std::uint32_t j = rng.below(i + 1);
      const std::uint16_t swapped = order[i];
      order[i] = order[j];
      order[j] = swapped;
    }
  }
  std::uint16_t next = page.freelist;
  for (std::uint32_t i = count; i-- > 0;) {
    expect_free(page, order[i]);
    page.entries[order[i]].store_relaxed(free_entry(next));  // relaxed: owner only
    next = order[i];
  }
  page.freelist = next;
  page.carved = static_cast<std::uint16_t>(first + count);
}

// Pops a slot and leaves its entry in state `taken` (LIVE or CACHED).
// Requires: page.has_free_slot().
template <class C>
std::uint16_t take_slot_owner_only(SoPage<C>& page, EntryBits taken, Rng& rng) noexcept {
  if (HAKMEM_UNLIKELY(page.freelist == kNoSlot)) carve_owner_only(page, rng);
  const std::uint16_t slot = page.freelist;
  expect_free(page, slot);
  auto& entry = page.entries[slot];
  page.freelist = entry_link(entry.load_relaxed());  // relaxed: FREE entries are the owner's
  entry.store_relaxed(taken);
  ++page.used;
  HAKMEM_DCHECK(page.used <= page.carved, "page-count", page.base);
  return slot;
}

// Requires: the slot is not on the freelist, used > 0.
template <class C>
void give_slot_owner_only(SoPage<C>& page, std::uint32_t slot) noexcept {
  if constexpr (C::kMitigations.check_frees) {
    // relaxed: owner only. In another life of the page there may be no such slot out, or none at
    // all.
    const EntryBits entry = page.entries[slot].load_relaxed();
    const bool is_out = entry_kind(entry) != kEntryFree && slot < page.carved && page.used != 0;
    if (HAKMEM_UNLIKELY(!is_out)) {
      report_raced_double_free(page, slot, "give");
    }
  }
  HAKMEM_DCHECK(page.used != 0 && slot < page.carved, "page-count", page.base);
  page.entries[slot].store_relaxed(free_entry(page.freelist));  // relaxed: owner only
  page.freelist = static_cast<std::uint16_t>(slot);
  --page.used;
}

}  // namespace hakmem
