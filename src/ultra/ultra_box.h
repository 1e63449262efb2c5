// The slow side of ULTRA: bulk refill from one page, and flush of the oldest blocks.
//
//   refill  one page (current, partial or borrowed) gives one block and up to `most` more
//   flush   the oldest `count` blocks go back to their pages, the newest stay in order
#pragma once

#include <cstddef>

#include "base/check.h"
#include "hot/hot_box.h"
#include "ultra/ultra_cache.h"

namespace hakmem {

template <class C, class Cold>
class UltraBox {
 public:
  using Page = SoPage<C>;
  using Hot = HotBox<C, Cold>;

  struct Refilled {
    void* block;  // nullptr: the cold box gave no page
    TakePath path;
    bool fresh = false;  // nobody has written on it since it came from the system: it is zero
  };

  // Takes one LIVE block for the caller and CACHED ones for the magazine, all from one page. Fresh
  // slots stay: what is in a magazine is handed out by the hot path, which could not tell.
  // Requires: the magazine is empty (it may be closed).
  static Refilled refill(Hot& hot, Magazine<C>& magazine, BinIndex bin, std::size_t most) noexcept {
    HAKMEM_DCHECK(magazine.empty(), "magazine", bin.value());
    const typename Hot::Source source = hot.page_to_take_from(bin);
    if (source.page == nullptr) return {nullptr, source.path};
    Page& page = *source.page;
    const bool fresh = page.next_slot_is_fresh();
    void* const block = page.slot_address(hot.take(page, kEntryLive));
    const std::uint32_t available = static_cast<std::uint32_t>(page.capacity - page.used);
    fill(hot, page, magazine, most < available ? most : available);
    return {block, source.path, fresh};
  }

  // Moves `count` slots of the page into the magazine, or those that come before the first fresh
  // one. Requires: there are as many.
  static void fill(Hot& hot, Page& page, Magazine<C>& magazine, std::size_t count) noexcept {
    HAKMEM_DCHECK(count <= magazine.room(), "magazine", page.base);
    MagazinePlace<C>* top = magazine.top;
    for (MagazinePlace<C>* const end = top + count; top != end; ++top) {
      if (page.next_slot_is_fresh()) break;
      const std::uint16_t slot = hot.take(page, kEntryInMagazine<C>);
      *top = make_place<C>(page.slot_address(slot), &page.entries[slot]);
    }
    magazine.top = top;
  }

  // `release(place)` takes each block back.
  template <class Release>
  static void flush(Magazine<C>& magazine, std::size_t count, Release&& release) noexcept {
    HAKMEM_DCHECK(count <= magazine.size(), "magazine", count);
    for (std::size_t i = 0; i < count; ++i) release(magazine.base[i]);
    const std::size_t kept = magazine.size() - count;
    for (std::size_t i = 0; i < kept; ++i) magazine.base[i] = magazine.base[i + count];
    magazine.top = magazine.base + kept;
  }
};

}  // namespace hakmem
