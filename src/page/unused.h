// Which memory of a page no block lies on. Slots that are free need none: their links are out of
// band (slot_entry.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bits.h"
#include "page/so_page.h"

namespace hakmem {

// Calls visit(offset, bytes) for each stretch of whole system pages among the page's first `bytes`
// that no slot in state LIVE, CACHED or REMOTE reaches into. Owner only.
template <class C, class Visit>
void for_each_unused_stretch(const SoPage<C>& page, std::size_t bytes, std::size_t system_page,
                             Visit&& visit) noexcept {
  std::size_t begin = 0;
  const auto end_at = [&](std::size_t end) {
    const auto first = static_cast<std::size_t>(round_up(begin, system_page));
    const auto last = static_cast<std::size_t>(round_down(end, system_page));
    if (first < last) visit(first, last - first);
  };
  for (std::size_t slot = 0; slot < page.capacity; ++slot) {
    // relaxed: FREE entries are the owner's, and no other becomes FREE meanwhile
    if (entry_kind(page.entries[slot].load_relaxed()) == kEntryFree) continue;
    end_at(slot * page.block_size);
    begin = (slot + 1) * page.block_size;
  }
  end_at(bytes);
}

}  // namespace hakmem
