// One superslab's record: which bin it serves, which of its pages are out, and its tier.
//   HOT       gives pages        DRAINING  sparse: gives none while a HOT one can, waits to empty
//   FREE      empty: reusable by any bin          UNUSED    never committed
// Owned by the cold box, guarded by its lock.
#pragma once

#include <cstdint>

#include "base/check.h"
#include "base/index_list.h"
#include "base/types.h"

namespace hakmem {

enum class Tier : std::uint8_t { kUnused, kHot, kDraining, kFree };

struct Superslab {
  static constexpr std::uint32_t kNone = IndexLinks::kNone;

  std::uint32_t free_pages = 0;        // bit k: page k is with the cold box
  std::uint32_t warm_pages = 0;        // bit k: page k is free and still holds memory
  std::uint32_t guarded = 0;           // bit k: page k has its guard, or is getting it
  std::uint32_t protected_guards = 0;  // bit k: that guard costs mappings (limits/mapping_budget.h)
  std::uint32_t warm_since = 0;  // decay period in which a page that came back was last in use
  IndexLinks in_tier{};          // of those of its tier (and bin)
  IndexLinks same_bin{};         // of FREE ones that served the same bin
  IndexLinks warm{};             // of those with warm pages
  std::uint8_t bin = 0;
  Tier tier = Tier::kUnused;
  std::uint8_t pages = 0;  // how many pages it is cut into for this bin
  bool soiled = false;     // some memory was not taken back: what is free need not be zero
  bool listed = false;     // on the list of its tier: a HOT one with no free page is not
};

using SlabList = IndexList<&Superslab::in_tier>;

inline void link_slab(Superslab* slabs, SlabList& list, std::uint32_t i) noexcept {
  HAKMEM_DCHECK(!slabs[i].listed, "slab-links", i);
  list.push_front(slabs, i);
  slabs[i].listed = true;
}
// Requires: slabs[i] is on `list`.
inline void unlink_slab(Superslab* slabs, SlabList& list, std::uint32_t i) noexcept {
  HAKMEM_DCHECK(list.may_hold(slabs, i), "slab-links", i);
  list.remove(slabs, i);
  slabs[i].listed = false;
}

}  // namespace hakmem
