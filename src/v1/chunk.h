// What the v1 heaps are made of. A chunk is one mapping of the system, a power of two in size and
// alignment, divided into cells; a run is an aligned power-of-two group of cells that holds blocks
// of one bin. Everything known about a chunk (free cells, runs, bitmaps, slot entries) lies in a
// mapping apart from it, so that nothing the program writes can reach it.
//
// States of a slot: never used (index >= watermark) -> LIVE -> free -> LIVE ..., or CACHED while
// the front cache holds it. The bitmap says who may be handed out; the entry (page/slot_entry.h,
// the same encoding as v3's, for the front cache stores it not knowing whose) what a free finds.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bits.h"
#include "base/types.h"
#include "config/geometry.h"
#include "page/slot_entry.h"

namespace hakmem::v1 {

template <class C>
struct Layout {
  using Sizes = typename C::Sizes;
  static constexpr unsigned kCellShift = C::Geometry::kUnitShift;
  static constexpr unsigned kChunkShift = C::Geometry::kSuperslabShift - 1;  // 1 MiB
  static constexpr std::size_t kCellBytes = std::size_t{1} << kCellShift;
  static constexpr std::size_t kChunkBytes = std::size_t{1} << kChunkShift;
  static constexpr std::size_t kCells = kChunkBytes / kCellBytes;
  static constexpr unsigned kOrders = kChunkShift - kCellShift + 1;  // run = 1 << order cells
  static constexpr std::size_t kSlotsMax = C::Geometry::kSlotsMax;
  static constexpr std::size_t kWords = (kSlotsMax + 63) / 64;
  static constexpr unsigned kMinSlotsLog2 = 2;  // runs of large bins hold 4 blocks or more

  static constexpr unsigned order_of(std::uint32_t block_size) noexcept {
    const unsigned shift = log2_ceil(block_size) + kMinSlotsLog2;
    return std::clamp(shift, kCellShift, kChunkShift) - kCellShift;
  }
  static constexpr std::size_t slots_of(std::uint32_t block_size) noexcept {
    return std::min((kCellBytes << order_of(block_size)) / block_size, kSlotsMax);
  }
  static constexpr std::uint32_t all_cells() noexcept {
    return static_cast<std::uint32_t>((std::uint64_t{1} << kCells) - 1);
  }
  static_assert(kCells <= 32);
};

template <class C>
struct Chunk;

template <class C>
struct Run {
  using Entry = typename C::World::template atomic<std::uint16_t>;

  bool full() const noexcept { return live == slots; }
  bool is_set(std::size_t slot) const noexcept {
    return ((bits[slot / 64] >> (slot % 64)) & 1) != 0;
  }

  // Lowest free slot, so that slots below the watermark are exactly those ever handed out.
  // Requires: !full().
  std::uint16_t take_slot() noexcept {
    while (bits[hint] == ~std::uint64_t{0}) ++hint;
    const auto bit = static_cast<unsigned>(std::countr_one(bits[hint]));
    const auto slot = static_cast<std::uint16_t>(hint * 64 + bit);
    bits[hint] |= std::uint64_t{1} << bit;
    ++live;
    if (slot >= watermark) watermark = static_cast<std::uint16_t>(slot + 1);
    return slot;
  }
  // Requires: is_set(slot).
  void give_slot(std::uint16_t slot) noexcept {
    const auto word = static_cast<std::uint16_t>(slot / 64);
    bits[word] &= ~(std::uint64_t{1} << (slot % 64));
    if (word < hint) hint = word;
    --live;
  }

  Run* prev;
  Run* next;
  Chunk<C>* chunk;
  std::uint64_t* bits;  // 1 = handed out
  Entry* entries;
  std::uintptr_t base;
  std::uint16_t slots;
  std::uint16_t live;       // bits set
  std::uint16_t watermark;  // slots ever handed out
  std::uint16_t hint;       // no bitmap word below has a free slot
  std::uint8_t bin;
  std::uint8_t order;
};

// Lives in zeroed memory of its own mapping, where only what is used is ever touched.
template <class C>
struct Chunk {
  using L = Layout<C>;

  static constexpr std::uint32_t cell_mask(std::size_t cell, unsigned order) noexcept {
    return static_cast<std::uint32_t>(((std::uint64_t{1} << (std::size_t{1} << order)) - 1)
                                      << cell);
  }
  // First cell of a free aligned group of 1 << order cells, or kCells.
  std::size_t find_cells(unsigned order) const noexcept {
    std::size_t cell = 0;
    while (cell < L::kCells && (free_cells & cell_mask(cell, order)) != cell_mask(cell, order)) {
      cell += std::size_t{1} << order;
    }
    return cell;
  }
  // One more than the greatest order that find_cells can serve; 0 when there is no free cell.
  unsigned orders_available() const noexcept {
    unsigned order = L::kOrders;
    while (order > 0 && find_cells(order - 1) == L::kCells) --order;
    return order;
  }

  // Sets up an empty run. Requires: its cells are taken.
  Run<C>* new_run(BinIndex bin, unsigned order, std::size_t cell) noexcept {
    const std::uint32_t block_size = L::Sizes::info(bin).block_size;
    Run<C>& run = runs[cell];
    run = Run<C>{};
    run.chunk = this;
    run.bits = bits[cell].data();  // zeroes: fresh, or those of a run that was empty at its release
    run.entries = entries[cell].data();
    run.base = base + (cell << L::kCellShift);
    run.slots = static_cast<std::uint16_t>(L::slots_of(block_size));
    run.bin = bin.value();
    run.order = static_cast<std::uint8_t>(order);
    for (std::size_t i = 0; i < run.slots; ++i) std::construct_at(&run.entries[i]);
    for (std::size_t i = 0; i < std::size_t{1} << order; ++i) {
      run_of_cell[cell + i] = static_cast<std::uint8_t>(cell + 1);
    }
    return &run;
  }

  Chunk* prev;
  Chunk* next;
  std::uintptr_t base;
  std::uint32_t free_cells;
  std::uint32_t dirty_cells;  // free, but their memory has not been given back
  unsigned listed;            // orders_available() at the time it was listed; 0 = in no list
  // Cell -> 1 + first cell of the run there, 0 = never any. Stays after the run is released, so
  // that a late second free is still recognised; the next run in these cells overwrites it.
  std::array<std::uint8_t, L::kCells> run_of_cell;
  std::array<Run<C>, L::kCells> runs;  // by first cell
  std::array<std::array<std::uint64_t, L::kWords>, L::kCells> bits;
  std::array<std::array<typename Run<C>::Entry, L::kSlotsMax>, L::kCells> entries;
};

// Intrusive doubly linked list of runs or chunks.
template <class T>
class List {
 public:
  T* first() const noexcept { return first_; }
  void push(T* item) noexcept {
    item->prev = nullptr;
    item->next = first_;
    if (first_ != nullptr) first_->prev = item;
    first_ = item;
  }
  void remove(T* item) noexcept {
    (item->prev != nullptr ? item->prev->next : first_) = item->next;
    if (item->next != nullptr) item->next->prev = item->prev;
  }

 private:
  T* first_ = nullptr;
};

}  // namespace hakmem::v1
