// The arena: one reserved range of address space, and the page map over it. `so_page_of` is
// arithmetic on the offset from the arena's start: O(1), valid for any 64-bit value, and it reads
// no memory of the program's. Set up once, read-only afterwards.
//
//   arena     |superslab 0 |superslab 1 | ...   reserved, committed superslab by superslab
//   pages_    one SoPage per unit               sparse mapping of its own, between guards
//   entries_  kEntriesPerSuperslab per superslab    "
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/attributes.h"
#include "base/bits.h"
#include "page/so_page.h"

namespace hakmem {

template <class C>
class Arena {
 public:
  using Page = SoPage<C>;
  using Entry = typename Page::Entry;
  using Platform = typename C::Platform;
  using Geometry = typename C::Geometry;
  using Sizes = typename C::Sizes;

  // Tries ever smaller arenas; false when not even the smallest can be had (then v1 serves alone).
  bool init(Platform& platform) noexcept {
    for (std::size_t n = Geometry::kArenaBytesMax; n >= Geometry::kArenaBytesMin; n /= 4) {
      if (try_init(platform, n)) return true;
    }
    return false;
  }

  // The page that `p` lies in, nullptr outside the arena. Total: any 64-bit value is allowed.
  HAKMEM_ALWAYS_INLINE Page* so_page_of(ClientPtr p) const noexcept {
    return HAKMEM_LIKELY(contains(p)) ? so_page_within(p) : nullptr;
  }
  HAKMEM_ALWAYS_INLINE bool contains(ClientPtr p) const noexcept {
    return p.address() - base_ < bytes_;
  }
  // Requires: contains(p).
  HAKMEM_ALWAYS_INLINE Page* so_page_within(ClientPtr p) const noexcept {
    return &pages_[(p.address() - base_) >> Geometry::kUnitShift];
  }

  // The record of the first unit of the page that `unit` is part of, or was part of last; `unit`
  // itself, with base 0, where there never was a page.
  Page& head_of(const Page& unit) const noexcept {
    return pages_[unit.base == 0 ? unit_of(unit) : unit.head];
  }
  Page& page(std::uint32_t unit) const noexcept { return pages_[unit]; }
  std::uint32_t unit_of(const Page& page) const noexcept {
    return static_cast<std::uint32_t>(&page - pages_);
  }
  std::uint32_t first_unit(SlabIndex slab) const noexcept {
    return slab.value() * static_cast<std::uint32_t>(Sizes::kUnitsPerSuperslab);
  }
  std::uintptr_t unit_address(std::uint32_t unit) const noexcept {
    return base_ + (std::size_t{unit} << Geometry::kUnitShift);
  }
  std::uintptr_t slab_address(SlabIndex slab) const noexcept {
    return base_ + (std::size_t{slab.value()} << Geometry::kSuperslabShift);
  }
  Entry* slab_entries(SlabIndex slab) const noexcept {
    return entries_ + std::size_t{slab.value()} * Sizes::kEntriesPerSuperslab;
  }
  std::uint32_t superslabs() const noexcept {
    return static_cast<std::uint32_t>(bytes_ >> Geometry::kSuperslabShift);
  }
  bool exists() const noexcept { return bytes_ != 0; }
  std::uintptr_t base() const noexcept { return base_; }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  bool try_init(Platform& platform, std::size_t bytes) noexcept {
    const std::size_t page_table = (bytes >> Geometry::kUnitShift) * sizeof(Page);
    const std::size_t entry_table =
        (bytes >> Geometry::kSuperslabShift) * Sizes::kEntriesPerSuperslab * sizeof(Entry);
    void* const arena = platform.reserve(bytes, Sizes::kSuperslabBytes);
    pages_ = arena == nullptr ? nullptr : static_cast<Page*>(platform.sparse(page_table));
    entries_ = pages_ == nullptr ? nullptr : static_cast<Entry*>(platform.sparse(entry_table));
    if (entries_ == nullptr) {
      release(platform, arena, bytes);
      return false;
    }
    base_ = reinterpret_cast<std::uintptr_t>(arena);
    bytes_ = bytes;
    return true;
  }

  // Of an arena that has no entries yet.
  void release(Platform& platform, void* arena, std::size_t bytes) noexcept {
    if (pages_ != nullptr) {
      platform.unsparse(pages_, (bytes >> Geometry::kUnitShift) * sizeof(Page));
    }
    if (arena != nullptr) platform.unmap(arena, bytes);
    pages_ = nullptr;
  }

  std::uintptr_t base_ = 0;
  std::size_t bytes_ = 0;
  Page* pages_ = nullptr;
  Entry* entries_ = nullptr;
};

}  // namespace hakmem
