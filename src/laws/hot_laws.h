// The laws of the hot box: where the pages of one class (one bin of one context) are.
//
//   H1  the partial list ends, its links agree in both directions, every page on it is flagged
//       PARTIAL and has a free slot, and partial_count is its length
//   H2  the current page is owned and flagged CURRENT
//   H3  every owned page is where its flag says: CURRENT is the current one; PARTIAL has a free
//       slot; FULL has none, and is linked to nothing; no owned page is RETIRED
//   H4  the owned pages are as many as the class believes, and each is current, partial or full;
//       as many of the partial ones are empty
#pragma once

#include <cstdint>

#include "laws/law.h"
#include "page/so_page.h"

namespace hakmem::laws {

inline constexpr std::uint32_t kNone = ~std::uint32_t{0};  // "no page", "no superslab"

struct OwnedPage {
  PageFlag flag = PageFlag::kRetired;
  std::uint32_t used = 0;
  std::uint32_t capacity = 0;
  std::uint32_t next = kNone;
  std::uint32_t prev = kNone;

  constexpr bool has_free_slot() const noexcept { return used < capacity; }
  constexpr bool linked() const noexcept { return next != kNone || prev != kNone; }
};

struct ClassView {
  std::uint32_t current = kNone;  // number of the current page
  std::uint32_t partial = kNone;  // number of the first partial page
  std::uint32_t partial_count = 0;
  std::uint32_t pages = 0;  // owned, as the class believes
  std::uint32_t empty = 0;  // partial ones with no block out, as the class believes
};

// What a walk over all pages that name the class as their owner found.
struct OwnedCounts {
  std::uint32_t current = 0;
  std::uint32_t partial = 0;
  std::uint32_t full = 0;
  std::uint32_t empty = 0;

  constexpr void add(const OwnedPage& page) noexcept {
    current += page.flag == PageFlag::kCurrent ? 1u : 0u;
    partial += page.flag == PageFlag::kPartial ? 1u : 0u;
    full += page.flag == PageFlag::kFull ? 1u : 0u;
    empty += page.flag == PageFlag::kPartial && page.used == 0 ? 1u : 0u;
  }
};

// `page_at(number)` -> OwnedPage. Requires: it is total.
template <class PageAt>
constexpr Broken h1_partial_list_is_sound(const ClassView& cls, PageAt&& page_at) noexcept {
  std::uint32_t length = 0;
  std::uint32_t before = kNone;
  for (std::uint32_t at = cls.partial; at != kNone;) {
    const OwnedPage page = page_at(at);
    if (page.flag != PageFlag::kPartial || !page.has_free_slot() || page.prev != before ||
        ++length > cls.partial_count) {
      return "H1";
    }
    before = at;
    at = page.next;
  }
  return law("H1", length == cls.partial_count);
}

template <class PageAt>
constexpr Broken h2_current_is_flagged(const ClassView& cls, PageAt&& page_at) noexcept {
  if (cls.current == kNone) return kHolds;
  return law("H2", page_at(cls.current).flag == PageFlag::kCurrent);
}

constexpr Broken h3_page_is_where_it_says(const ClassView& cls, std::uint32_t number,
                                          const OwnedPage& page) noexcept {
  switch (page.flag) {
    case PageFlag::kCurrent:
      return law("H3", cls.current == number && !page.linked());
    case PageFlag::kPartial:
      return law("H3", page.has_free_slot() && cls.current != number);
    case PageFlag::kFull:
      return law("H3", !page.has_free_slot() && !page.linked());
    case PageFlag::kRetired:
      break;
  }
  return "H3";
}

constexpr Broken h4_pages_add_up(const ClassView& cls, const OwnedCounts& found) noexcept {
  return law("H4", found.current == (cls.current == kNone ? 0u : 1u) &&
                       found.partial == cls.partial_count && found.empty == cls.empty &&
                       found.current + found.partial + found.full == cls.pages);
}

}  // namespace hakmem::laws
