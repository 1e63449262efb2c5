// The arena: one reserved range of address space, and the page map over it. `so_page_of` is
// arithmetic on the offset from the arena's start: O(1), valid for any 64-bit value, and it reads
// no memory of the program's.
//
//   arena     |superslab 0 |superslab 1 | ...   reserved, committed superslab by superslab
//   pages_    one SoPage per unit               a table of its own (pal/growing_table.h)
//   entries_  kEntriesPerSuperslab per superslab    "
//
// Superslabs are used from the first one on, and the tables are open as far: what lies behind is
// not in the arena yet, for `so_page_of` and everybody else. `in_use_` grows under the cold box's
// lock, after the tables were opened. It is read relaxed: whoever has a pointer into a new
// superslab got it, through that lock or from the program (G1), from the thread that made it grow.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/attributes.h"
#include "base/bits.h"
#include "page/so_page.h"
#include "pal/growing_table.h"

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

  // The page that `p` lies in, nullptr outside of what is in use. Total: any 64-bit value is
  // allowed.
  HAKMEM_ALWAYS_INLINE Page* so_page_of(ClientPtr p) const noexcept {
    return HAKMEM_LIKELY(contains(p)) ? so_page_within(p) : nullptr;
  }
  HAKMEM_ALWAYS_INLINE bool contains(ClientPtr p) const noexcept {
    return contains_from(base_, p);
  }
  // With the base out of a variable that, instead of it, may hold kNowhere: then no pointer that a
  // program can have is contained.
  HAKMEM_ALWAYS_INLINE bool contains_from(std::uintptr_t base, ClientPtr p) const noexcept {
    return in_use_.is_above_relaxed(p.address() - base);  // relaxed: see above
  }
  static constexpr std::uintptr_t kNowhere = std::uintptr_t{1} << 63;  // no address on x86-64
  // Also what no superslab has been in yet.
  bool reserves(ClientPtr p) const noexcept { return p.address() - base_ < bytes_; }
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
  // Opens the tables for the superslab. False when the system refuses; nothing is lost then.
  // Requires: the superslabs before it are in use.
  bool open_tables(Platform& platform, SlabIndex slab) noexcept {
    const std::size_t slabs = std::size_t{slab.value()} + 1;
    return page_table_.reach(platform, slabs * kPageBytesPerSlab) &&
           entry_table_.reach(platform, slabs * kEntryBytesPerSlab);
  }
  // Requires: open_tables(slab) succeeded, and the superslab is committed. One before it may still
  // be waiting for the system: there never was a page there.
  void put_in_use(SlabIndex slab) noexcept {
    const std::size_t bytes = (std::size_t{slab.value()} + 1) << Geometry::kSuperslabShift;
    if (in_use_.load_relaxed() < bytes) in_use_.store_relaxed(bytes);  // writers hold the lock
  }
  bool exists() const noexcept { return bytes_ != 0; }
  std::uintptr_t base() const noexcept { return base_; }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  static constexpr std::size_t kPageBytesPerSlab = Sizes::kUnitsPerSuperslab * sizeof(Page);
  static constexpr std::size_t kEntryBytesPerSlab = Sizes::kEntriesPerSuperslab * sizeof(Entry);
  static constexpr std::size_t kSlabsAtOnce = 8;  // whose tables are opened at a time, at least

  bool try_init(Platform& platform, std::size_t bytes) noexcept {
    void* const arena = platform.reserve(bytes, Sizes::kSuperslabBytes);
    if (arena == nullptr) return false;
    if (!init_tables(platform, bytes >> Geometry::kSuperslabShift)) {
      platform.unmap(arena, bytes);
      return false;
    }
    pages_ = static_cast<Page*>(page_table_.begin());
    entries_ = static_cast<Entry*>(entry_table_.begin());
    base_ = reinterpret_cast<std::uintptr_t>(arena);
    bytes_ = bytes;
    return true;
  }
  bool init_tables(Platform& platform, std::size_t slabs) noexcept {
    const auto init = [&](GrowingTable<Platform>& table, std::size_t bytes_per_slab) {
      return table.init(platform, slabs * bytes_per_slab, kSlabsAtOnce * bytes_per_slab);
    };
    if (!init(page_table_, kPageBytesPerSlab)) return false;
    if (init(entry_table_, kEntryBytesPerSlab)) return true;
    page_table_.release(platform);
    return false;
  }

  std::uintptr_t base_ = 0;
  typename C::World::template atomic<std::size_t> in_use_{0};
  Page* pages_ = nullptr;
  Entry* entries_ = nullptr;
  std::size_t bytes_ = 0;
  GrowingTable<Platform> page_table_{};
  GrowingTable<Platform> entry_table_{};
};

}  // namespace hakmem
