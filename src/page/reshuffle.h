// In the child of a fork: the same free slots as the parent's, handed out in another order, so that
// a place known in one process says nothing about the other. Owner only. Keeps P1 and P2. Done page
// by page, when a page is next taken from (HotBox::note_taken): a fork costs no more for a large
// heap.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/rng.h"
#include "page/so_page.h"

namespace hakmem {

template <class T>
void shuffle(std::span<T> items, Rng& rng) noexcept {
  for (std::size_t i = items.size(); i > 1; --i) {
    std::swap(items[i - 1], items[rng.below(static_cast<std::uint32_t>(i))]);
  }
}

// Piece by piece: the thread that forks may have a small stack.
template <class C>
void shuffle_freelist_owner_only(SoPage<C>& page, Rng& rng) noexcept {
  constexpr std::size_t kPiece = 256;
  std::array<std::uint16_t, kPiece> slots;
  std::uint16_t rest = page.freelist;
  std::uint16_t last = kNoSlot;  // the slot that the next piece hangs on
  while (rest != kNoSlot) {
    std::size_t n = 0;
    for (; n < kPiece && rest != kNoSlot; ++n) {
      slots[n] = rest;
      rest =
          entry_link(page.entries[rest].load_relaxed());  // relaxed: FREE entries are the owner's
    }
    shuffle(std::span(slots.data(), n), rng);
    for (std::size_t i = 0; i < n; ++i) {
      if (last == kNoSlot) {
        page.freelist = slots[i];
      } else {
        page.entries[last].store_relaxed(free_entry(slots[i]));
      }
      last = slots[i];
    }
  }
  if (last != kNoSlot) page.entries[last].store_relaxed(free_entry(kNoSlot));
}

}  // namespace hakmem
