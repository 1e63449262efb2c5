// One superslab's record: which bin it serves, which of its pages are out, and its tier.
//   HOT       gives pages        DRAINING  sparse: gives none while a HOT one can, waits to empty
//   FREE      empty: reusable by any bin          UNUSED    never committed
// Owned by the cold box, guarded by its lock.
#pragma once

#include <cstdint>

#include "base/types.h"

namespace hakmem {

enum class Tier : std::uint8_t { kUnused, kHot, kDraining, kFree };

struct Superslab {
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  std::uint32_t free_pages = 0;  // bit k: page k is with the cold box
  std::uint32_t warm_pages = 0;  // bit k: page k is free and still holds memory
  std::uint32_t guarded = 0;     // bit k: page k has its guard, or is getting it
  std::uint32_t fenced = 0;      // bit k: that guard costs mappings (cold/mapping_budget.h)
  std::uint32_t warm_since = 0;  // decay period in which a page that came back was last in use
  std::uint32_t next = kNone;    // list of its tier (and bin)
  std::uint32_t prev = kNone;
  std::uint8_t bin = 0;
  Tier tier = Tier::kUnused;
  std::uint8_t pages = 0;  // how many pages it is cut into for this bin
  bool listed = false;     // on the list of its tier: a HOT one with no free page is not
};

// A doubly linked list through the records, by index.
struct SlabList {
  std::uint32_t head = Superslab::kNone;
};

inline void link_slab(Superslab* slabs, SlabList& list, std::uint32_t i) noexcept {
  Superslab& s = slabs[i];
  s.next = list.head;
  s.prev = Superslab::kNone;
  s.listed = true;
  if (list.head != Superslab::kNone) slabs[list.head].prev = i;
  list.head = i;
}

// Requires: slabs[i] is on `list`.
inline void unlink_slab(Superslab* slabs, SlabList& list, std::uint32_t i) noexcept {
  Superslab& s = slabs[i];
  if (s.prev != Superslab::kNone) slabs[s.prev].next = s.next;
  if (s.next != Superslab::kNone) slabs[s.next].prev = s.prev;
  if (list.head == i) list.head = s.next;
  s.next = s.prev = Superslab::kNone;
  s.listed = false;
}

}  // namespace hakmem
