// One v1 heap over a span of size classes: blocks of one bin come from runs (chunk.h), runs from
// chunks (chunk_map.h). Correct by construction rather than fast: one bitmap says which blocks are
// out, one entry per slot says what a free of it would mean, and both lie apart from the blocks.
//
//   take -> first run of the bin with a free slot | start_run -> take_cells [-> map_chunk]
//   give -> clear bit [-> run empty and not the bin's only one: release_run [-> unmap_chunk]]
//
// Laws: entry LIVE or CACHED <=> bit set; a run with a free slot is in its bin's list; slots below
// the watermark were handed out, the others never. Not thread-safe: V1Heap holds the lock.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/bits.h"
#include "limits/memory_limit.h"
#include "base/types.h"
#include "base/block_view.h"
#include "v1/chunk_map.h"

namespace hakmem::v1 {

// How much of v1 is in use; bytes.
struct V1Tally {
  std::size_t live_bytes = 0;      // blocks that are out; with checks, without those in front caches
  std::size_t active_bytes = 0;    // runs with a block out or in a front cache
  std::size_t resident_bytes = 0;  // cells that may hold memory
  std::size_t mapped_bytes = 0;    // chunks
  std::size_t record_bytes = 0;    // what is kept about them
};

// Where a pointer lies; `run` is nullptr unless it is the start of a slot that was handed out.
template <class C>
struct Place {
  BlockView view;
  Run<C>* run = nullptr;
};

// Span: static constexpr kFirstClass and kLastClass.
template <class C, class Span>
class RunHeap {
 public:
  using L = Layout<C>;
  using Sizes = typename C::Sizes;
  using P = typename C::Platform;
  using Entry = typename Run<C>::Entry;

  void init(P& platform, LimitOf<C>& limit, MappingBudget<C>& budget) noexcept {
    limit_ = &limit;
    chunks_.init(platform, limit, budget);
  }
  void set_options(const MemoryOptions& options) noexcept { chunks_.set_options(options); }

  static constexpr bool serves(BinIndex bin) noexcept {
    const std::uint8_t size_class = Sizes::info(bin).size_class;
    return size_class >= Span::kFirstClass && size_class <= Span::kLastClass;
  }

  // A live block, or nullptr when out of memory.
  void* take(BinIndex bin) noexcept {
    Run<C>* run = partial_[bin.value()].first();
    if (run == nullptr) run = start_run(bin);
    if (run == nullptr) return nullptr;
    const std::uint16_t slot = run->take_slot();
    if (run->full()) partial_[bin.value()].remove(run);
    run->entries[slot].store_relaxed(kEntryLive);  // under the lock; read by the holder or under it
    ++live_[bin.value()];
    return reinterpret_cast<void*>(run->base + std::uintptr_t{slot} * Sizes::info(bin).block_size);
  }

  // Total. view.fault is kNone for a live block and kNotMine outside the chunks.
  Place<C> locate(ClientPtr p) noexcept {
    Place<C> place;
    BlockView& view = place.view;
    Chunk<C>* const chunk = chunks_.find(p.address());
    if (chunk == nullptr) return place;
    view.heap = "v1";
    view.fault = p.address() % kMinBlock != 0 ? Fault::kMisalignedFree : Fault::kInvalidFree;
    const std::size_t cell = (p.address() - chunk->base) >> L::kCellShift;
    if (chunk->run_of_cell[cell] == 0) return place;
    Run<C>& run = chunk->runs[chunk->run_of_cell[cell] - 1u];
    const BinInfo& info = Sizes::kBinTable[run.bin];
    const Quotient at = divide(p.address() - run.base, info.reciprocal);
    describe(view, run, at.value, p);
    if (at.value >= run.watermark || view.fault == Fault::kMisalignedFree) return place;
    if (view.offset != 0) {
      view.fault = Fault::kInteriorFree;
      return place;
    }
    place.run = &run;
    if (view.state == SlotState::kFree || view.state == SlotState::kCached) {
      view.fault = Fault::kDoubleFree;
    } else {
      view.fault = run.is_set(at.value) ? Fault::kNone : Fault::kCorruption;
    }
    return place;
  }

  // The slot's entry goes from `from` to FREE, and the block may be handed out again. False, and
  // nothing done, when its holder or another thread that frees it too was faster.
  // Requires: place.run and the slot's bit are set.
  bool give(const Place<C>& place, EntryBits from) noexcept {
    if (!claim(place, from)) return false;
    Run<C>* const run = place.run;
    const bool was_full = run->full();
    run->give_slot(place.view.slot);
    --live_[run->bin];
    if (was_full) partial_[run->bin].push(run);
    // A bin keeps one run, so that one block going in and out does not set up a run each time.
    const bool only_one = partial_[run->bin].first() == run && run->next == nullptr;
    const bool keeps = only_one && !limit_->over_soft(Holder::kChunks);
    if (run->live == 0 && !keeps) release_run(run);
    return true;
  }

  // Gives back empty runs, empty chunks and the memory of free cells; returns bytes.
  std::size_t trim() noexcept {
    const std::size_t unmapped = release_empty_runs().bytes;
    return unmapped + chunks_.trim();
  }

  // Gives back empty chunks, for a call that may come often; returns bytes.
  std::size_t unmap_empty() noexcept { return chunks_.unmap_empty(); }

  // Adds this heap's part.
  void count(V1Tally& tally) noexcept {
    tally.record_bytes += chunks_.bytes_of_records();
    chunks_.for_each([&](Chunk<C>& chunk) {
      const std::uint32_t clean = chunk.free_cells & ~chunk.dirty_cells;
      tally.mapped_bytes += L::kChunkBytes;
      tally.resident_bytes += L::kChunkBytes - cells_in(clean) * L::kCellBytes;
      for (std::size_t cell = 0; cell < L::kCells; ++cell) {
        const bool starts_run = chunk.run_of_cell[cell] == cell + 1;
        if (starts_run && (chunk.free_cells >> cell & 1) == 0) count_run(chunk.runs[cell], tally);
      }
    });
  }

  std::size_t live_blocks(BinIndex bin) const noexcept { return live_[bin.value()]; }
  std::size_t bytes_mapped() const noexcept { return chunks_.bytes_mapped(); }
  std::size_t chunks() const noexcept { return chunks_.chunks(); }

 private:
  static std::size_t cells_in(std::uint32_t mask) noexcept {
    return static_cast<std::size_t>(std::popcount(mask));
  }
  static void count_run(const Run<C>& run, V1Tally& tally) noexcept {
    const std::size_t block_size = Sizes::kBinTable[run.bin].block_size;
    for (std::size_t slot = 0; slot < run.watermark; ++slot) {
      if (run.is_set(slot) && state_of(run, slot) == SlotState::kLive) tally.live_bytes += block_size;
    }
    if (run.live != 0) tally.active_bytes += L::kCellBytes << run.order;
  }

  // The front cache changes entries without the lock, so it takes a compare-and-swap. Relaxed: what
  // the block holds is published by the lock.
  static bool claim(const Place<C>& place, EntryBits from) noexcept {
    Entry& entry = place.run->entries[place.view.slot];
    if constexpr (C::kMitigations.check_frees) return entry.cas_relaxed(from, kEntryFree);
    entry.store_relaxed(kEntryFree);
    return true;
  }

  void describe(BlockView& view, const Run<C>& run, std::uint64_t slot, ClientPtr p) noexcept {
    const BinInfo& info = Sizes::kBinTable[run.bin];
    view.bin = run.bin;
    view.size_class = info.size_class;
    view.page = run.base;
    view.block_size = info.block_size;
    view.offset = static_cast<std::size_t>(p.address() - run.base - slot * info.block_size);
    if (slot >= run.slots) return;
    view.slot = static_cast<std::uint16_t>(slot);
    if (slot < run.watermark) view.state = state_of(run, slot);
  }

  // Without checks the front cache does not write entries: the bitmap alone says what is out.
  static SlotState state_of(const Run<C>& run, std::uint64_t slot) noexcept {
    if constexpr (!C::kMitigations.check_frees) {
      return run.is_set(slot) ? SlotState::kLive : SlotState::kFree;
    }
    switch (run.entries[slot].load_relaxed()) {  // a racing owner would be a double free anyway
      case kEntryLive:
        return SlotState::kLive;
      case kEntryCached:
        return SlotState::kCached;
      case kEntryFree:
        return SlotState::kFree;
      default:
        return SlotState::kNone;
    }
  }

  Run<C>* start_run(BinIndex bin) noexcept {
    const std::uint32_t block_size = Sizes::info(bin).block_size;
    const unsigned order = L::order_of(block_size);
    std::size_t cell = 0;
    Chunk<C>* chunk = chunks_.take_cells(order, &cell);
    // Out of memory while other bins keep empty runs: take theirs.
    if (chunk == nullptr && release_empty_runs().runs != 0) {
      chunk = chunks_.take_cells(order, &cell);
    }
    if (chunk == nullptr) return nullptr;
    Run<C>* const run = chunk->new_run(bin, order, cell);
    partial_[bin.value()].push(run);
    return run;
  }

  // Its record stays in the chunk, saying that every slot is free (Chunk::run_of_cell).
  std::size_t release_run(Run<C>* run) noexcept {
    partial_[run->bin].remove(run);
    const std::size_t cell = (run->base - run->chunk->base) >> L::kCellShift;
    return chunks_.give_cells(run->chunk, cell, run->order);
  }

  struct Released {
    std::size_t runs = 0;
    std::size_t bytes = 0;
  };
  Released release_empty_runs() noexcept {
    Released total;
    for (List<Run<C>>& list : partial_) {
      for (Run<C>* run = list.first(); run != nullptr;) {
        Run<C>* const next = run->next;  // in a chunk that is kept, for `next` is a run in use
        if (run->live == 0) {
          total.bytes += release_run(run);
          ++total.runs;
        }
        run = next;
      }
    }
    return total;
  }

  LimitOf<C>* limit_ = nullptr;
  ChunkMap<C> chunks_;
  std::array<List<Run<C>>, Sizes::kBins> partial_;  // runs with a free slot, by bin
  std::array<std::size_t, Sizes::kBins> live_{};    // blocks handed out, by bin
};

}  // namespace hakmem::v1
