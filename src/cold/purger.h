// Gives the memory of withdrawn pages back to the system, without the cold box's lock: they are out
// of everybody's reach meanwhile (SlabTable::withdraw, restore). And that between the blocks of
// pages that are lent.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "cold/slab_table.h"
#include "limits/memory_limit.h"
#include "page/arena.h"
#include "page/unused.h"

namespace hakmem {

struct PurgeBatch {
  std::array<Purge, 16> purges;
  std::size_t size = 0;
  bool full() const noexcept { return size == purges.size(); }
  void add(const Purge& purge) noexcept { purges[size++] = purge; }
};

template <class C>
class Purger {
 public:
  using Platform = typename C::Platform;
  using Sizes = typename C::Sizes;
  using Limit = LimitOf<C>;

  void init(Platform& platform, Arena<C>& arena, Limit& limit) noexcept {
    platform_ = &platform;
    arena_ = &arena;
    limit_ = &limit;
  }

  // Pages of the bin that were warm until now. One call per run of neighbours. Returns their bytes.
  std::size_t purge(Purge& purge, std::uint8_t bin) noexcept {
    const std::uintptr_t base = arena_->slab_address(SlabIndex(purge.slab));
    const std::size_t bytes = SlabTable<Sizes>::page_bytes(bin);
    for (std::uint32_t rest = purge.pages; rest != 0;) {
      const auto first = static_cast<std::uint32_t>(std::countr_zero(rest));
      const auto count = static_cast<std::uint32_t>(std::countr_one(rest >> first));
      if (!platform_->purge(reinterpret_cast<void*>(base + first * bytes), count * bytes)) {
        purge.refused = true;
      }
      rest &= count + first == 32 ? 0u : ~0u << (first + count);
    }
    if (purge.whole) purge_entries(purge.slab, Sizes::kBinTable[bin]);
    const std::size_t all = static_cast<std::size_t>(std::popcount(purge.pages)) * bytes;
    limit_->refund(Holder::kPages, all);
    return all;
  }

  // What no block lies on of a lent page (ColdBox::purge_unused).
  std::size_t purge_unused(SoPage<C>& page) noexcept {
    const std::size_t system_page = platform_->page_bytes();
    const std::size_t all =
        SlabTable<Sizes>::page_bytes(page.bin_index().value()) - Sizes::kGuardBytes;
    const std::size_t carved = std::size_t{page.carved} * page.block_size;
    const std::size_t touched = page.was_zero ? round_up(carved, system_page) : all;
    std::size_t bytes = 0;
    for_each_unused_stretch(page, all, system_page, [&](std::size_t offset, std::size_t length) {
      const std::size_t there = offset < touched ? std::min(length, touched - offset) : 0;
      auto* const at = reinterpret_cast<void*>(page.base + offset);
      if (there == 0 || platform_->purge(at, there)) bytes += length;
    });
    const std::size_t before = page.purged.load_relaxed() * system_page;  // relaxed: a count
    page.purged.store_relaxed(static_cast<std::uint32_t>(bytes / system_page));
    return bytes > before ? bytes - before : 0;
  }

 private:
  static constexpr std::size_t kEntryPagesWorthIt = 4;

  // All slots of the superslab are free, which zero says as well. Where their entries take a few
  // system pages only, as with large blocks, they stay.
  void purge_entries(std::uint32_t slab, const BinInfo& info) noexcept {
    const std::size_t entries = std::size_t{info.entry_stride} * info.pages_per_superslab;
    const std::size_t bytes = entries * sizeof(typename SoPage<C>::Entry);
    const std::size_t system_page = platform_->page_bytes();
    if (bytes < kEntryPagesWorthIt * system_page) return;
    platform_->purge(arena_->slab_entries(SlabIndex(slab)), bytes / system_page * system_page);
  }

  Platform* platform_ = nullptr;
  Arena<C>* arena_ = nullptr;
  Limit* limit_ = nullptr;
};

}  // namespace hakmem
