// A magazine: a bounded LIFO of blocks of one bin, out of band. The block freed last is handed out
// first, across pages: that reuse, warm in the cache, is what wins (docs/decisions/0001).
// In the hardened flavour each place also holds the block's slot entry, so that malloc can mark it
// LIVE with one store.
#pragma once

#include <cstddef>
#include <type_traits>

#include "base/atomic.h"
#include "base/attributes.h"
#include "page/so_page.h"

namespace hakmem {

template <class C>
struct CheckedPlace {
  void* block;
  typename SoPage<C>::Entry* entry;
};

struct PlainPlace {
  void* block;
};

template <class C>
using MagazinePlace = std::conditional_t<C::kMitigations.check_frees, CheckedPlace<C>, PlainPlace>;

// Without checks the hot path does not touch entries: a slot is LIVE as long as it is handed out.
template <class C>
inline constexpr EntryBits kEntryInMagazine =
    C::kMitigations.check_frees ? kEntryCached : kEntryLive;

template <class C>
HAKMEM_ALWAYS_INLINE MagazinePlace<C> make_place(void* block,
                                                 typename SoPage<C>::Entry* entry) noexcept {
  if constexpr (C::kMitigations.check_frees) {
    return {block, entry};
  } else {
    return {block};
  }
}

// Requires: the block lies in `page`.
template <class C>
std::uint32_t slot_of(const SoPage<C>& page, const MagazinePlace<C>& place) noexcept {
  if constexpr (C::kMitigations.check_frees) {
    return static_cast<std::uint32_t>(place.entry - page.entries);
  } else {
    const std::uintptr_t offset = ClientPtr(place.block).address() - page.base;
    return static_cast<std::uint32_t>(divide(offset, page.reciprocal).value);
  }
}

// Zeroed it is closed: empty and full at once, so that every call on it takes the slow path.
template <class C>
struct Magazine {
  MagazinePlace<C>* top = nullptr;    // one past the newest
  MagazinePlace<C>* base = nullptr;   // the oldest
  MagazinePlace<C>* limit = nullptr;  // one past the last place

  bool empty() const noexcept { return top == base; }
  bool full() const noexcept { return top == limit; }
  std::size_t size() const noexcept { return static_cast<std::size_t>(top - base); }
  std::size_t capacity() const noexcept { return static_cast<std::size_t>(limit - base); }
  std::size_t room() const noexcept { return static_cast<std::size_t>(limit - top); }

  // The newest block, LIVE from now on. Requires: not empty.
  HAKMEM_ALWAYS_INLINE void* pop() noexcept {
    MagazinePlace<C>* const newest = top - 1;
    top = newest;
    if constexpr (C::kMitigations.check_frees) {
      newest->entry->store_relaxed(kEntryLive);  // relaxed: the owner's until the program has it
    }
    return newest->block;
  }
  // The block is CACHED from now on. Requires: not full.
  HAKMEM_ALWAYS_INLINE void push(void* block, typename SoPage<C>::Entry* entry) noexcept {
    MagazinePlace<C>* const place = top;
    if constexpr (C::kMitigations.check_frees) {
      entry->store_relaxed(kEntryCached);  // relaxed: the owner's again
    }
    *place = make_place<C>(block, entry);
    in_program_order();  // a fork's child finds no place that was not filled
    top = place + 1;
  }
};

}  // namespace hakmem
