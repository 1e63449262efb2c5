// The laws of the cold box.
//
//   S1  a superslab in use is FREE exactly when every page of it is free
//   S2  a superslab is listed unless it is HOT without a free page; it is on the list of its tier
//       and bin, once, and the links agree in both directions
//   S3  warm pages are free; free pages, and they alone, have no owner
//   S4  the totals are the sums over all superslabs
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "cold/superslab.h"
#include "laws/law.h"

namespace hakmem::laws {

struct SlabView {
  Tier tier = Tier::kUnused;
  bool listed = false;
  std::uint32_t bin = 0;
  std::uint32_t pages = 0;       // at most 32
  std::uint32_t free_pages = 0;  // bit per page
  std::uint32_t warm_pages = 0;
  std::uint32_t owned_pages = 0;  // whose record names an owner
  std::uint32_t next = ~0u;
  std::uint32_t prev = ~0u;

  constexpr std::uint32_t all_pages() const noexcept {
    return pages >= 32 ? ~0u : (1u << pages) - 1;
  }
};

constexpr Broken s1_tier_tells_emptiness(const SlabView& slab) noexcept {
  const bool empty = slab.free_pages == slab.all_pages();
  return law("S1", slab.tier != Tier::kUnused && (slab.tier == Tier::kFree) == empty);
}

constexpr Broken s2_listed_when_due(const SlabView& slab) noexcept {
  return law("S2", slab.listed == (slab.tier != Tier::kHot || slab.free_pages != 0));
}

struct SlabListView {
  std::uint32_t head = ~0u;
  Tier tier = Tier::kHot;
  std::uint32_t bin = 0;    // of no meaning for FREE
  std::uint32_t limit = 0;  // superslabs there are
};

// Adds the list's length to `*members`. `slab_at(i)` -> SlabView. Requires: it is total.
template <class SlabAt>
constexpr Broken s2_list_is_sound(const SlabListView& list, SlabAt&& slab_at,
                                  std::uint32_t* members) noexcept {
  std::uint32_t before = ~0u;
  std::uint32_t length = 0;
  for (std::uint32_t i = list.head; i != ~0u;) {
    const SlabView slab = slab_at(i);
    const bool belongs =
        slab.listed && slab.tier == list.tier && (list.tier == Tier::kFree || slab.bin == list.bin);
    if (!belongs || slab.prev != before || ++length > list.limit) return "S2";
    before = i;
    i = slab.next;
  }
  *members += length;
  return kHolds;
}

constexpr Broken s3_pages_are_in_one_place(const SlabView& slab) noexcept {
  const bool nested =
      (slab.warm_pages & ~slab.free_pages) == 0 && (slab.free_pages & ~slab.all_pages()) == 0;
  return law("S3", nested && slab.owned_pages == (slab.all_pages() & ~slab.free_pages));
}

struct SlabTotals {
  std::size_t committed_bytes = 0;
  std::size_t lent_bytes = 0;
  std::size_t warm_bytes = 0;
  std::uint32_t listed = 0;
  std::array<std::uint32_t, 4> by_tier{};
  bool operator==(const SlabTotals&) const = default;

  constexpr void add(const SlabView& slab, std::size_t page_bytes,
                     std::size_t slab_bytes) noexcept {
    const std::uint32_t lent = slab.all_pages() & ~slab.free_pages;
    committed_bytes += slab_bytes;
    lent_bytes += static_cast<std::size_t>(std::popcount(lent)) * page_bytes;
    warm_bytes += static_cast<std::size_t>(std::popcount(slab.warm_pages)) * page_bytes;
    listed += slab.listed ? 1u : 0u;
    ++by_tier[static_cast<std::size_t>(slab.tier)];
  }
};

// `believed`: what the cold box says, with the number of list members found as `listed`.
constexpr Broken s4_totals_add_up(const SlabTotals& believed, const SlabTotals& found) noexcept {
  return law("S4", believed == found);
}

}  // namespace hakmem::laws
