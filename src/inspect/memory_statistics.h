// Memory statistics: what the allocator holds of the system's memory, and how much of that the
// program holds of it, in the terms of docs/STATS.md. Walks every page that is out: not for hot
// paths.
//
// Holds a lock for one superslab's pages at a time, so that nobody waits for long: the numbers of a
// superslab, of v1 and of large belong to one moment each, and what other threads do meanwhile may
// be seen or not. When nothing else runs the numbers are exact. With Patience::kNone it never
// waits, so that it may be called wherever a thread was interrupted.
//
//   allocated <= active <= resident <= mapped + metadata      law M1 (laws/heap_laws.h)
//
// Tests: tests/unit/memory_statistics_test.cc; models/lockstep/lockstep.h compares `allocated` with
// the model's blocks.
#pragma once

#include <bit>
#include <cstddef>

#include "base/attributes.h"
#include "heap/allocator.h"

namespace hakmem {

// Bytes unless stated otherwise.
struct MemoryStats {
  std::size_t small_allocated = 0;  // blocks of v3 and v1 that the program holds, whole blocks
  std::size_t small_active = 0;     // pages (v3) and runs (v1) that have a block out, less what
                                    // was given back between their blocks
  std::size_t small_resident = 0;   // pages and cells that may hold memory
  std::size_t small_mapped = 0;     // superslabs and v1's chunks
  std::size_t small_idle = 0;       // free pages that still hold memory: trim gives them back
  std::size_t large_allocated = 0;  // blocks with a mapping of their own
  std::size_t large_mapped = 0;     // these mappings, with guards, cached and unmap pending
  std::size_t large_idle = 0;       // of these, cached
  std::size_t large_blocks = 0;     // number of large blocks that the program holds
  std::size_t retained = 0;         // reserved address space that was never handed out
  std::size_t metadata = 0;         // records about blocks, pages, threads and policy

  constexpr std::size_t allocated() const noexcept { return small_allocated + large_allocated; }
  constexpr std::size_t active() const noexcept { return small_active + large_allocated; }
  constexpr std::size_t mapped() const noexcept { return small_mapped + large_mapped; }
  constexpr std::size_t resident() const noexcept {
    return small_resident + large_allocated + large_idle + metadata;
  }
};

enum class Patience : std::uint8_t {
  kNone,  // gives up where another holds a lock
  kWaits,
};

template <class C>
class MemoryCounter {
 public:
  explicit MemoryCounter(Allocator<C>& allocator) noexcept : a_(allocator) {}

  // False, and nothing told, when it had to wait and may not.
  bool run(Patience patience, MemoryStats& found) noexcept {
    MemoryStats s;
    bool told =
        locked(a_.boxes().v1, patience, [&] { add_v1(s, a_.boxes().v1.tally_locked()); }) &&
        locked(a_.boxes().large, patience, [&] { add_large(s, a_.boxes().large.tally_locked()); });
    s.retained = a_.boxes().arena.bytes();
    bool more = a_.boxes().arena.exists();
    for (std::uint32_t i = 0; told && more; ++i) {
      told = locked(a_.boxes().cold, patience, [&]() HAKMEM_UNCHECKED {
        more = i < a_.boxes().cold.superslabs_used_locked();
        if (more) add_superslab(s, SlabIndex(i));
      });
    }
    if (!told) return false;
    s.metadata +=
        sizeof(Allocator<C>) + a_.boxes().contexts.bytes_used() + a_.boxes().policy.bytes_mapped();
    if constexpr (!C::kMitigations.check_frees) leave_out_magazines(s);
    found = s;
    return true;
  }

 private:
  using Sizes = typename C::Sizes;

  // Whether `work` could be done, with the heap's lock held.
  template <class Heap, class Work>
  static bool locked(Heap& heap, Patience patience, Work&& work) noexcept HAKMEM_UNCHECKED {
    if (patience == Patience::kWaits) {
      heap.lock();
    } else if (!heap.try_lock()) {
      return false;
    }
    work();
    heap.unlock();
    return true;
  }

  void add_superslab(MemoryStats& s, SlabIndex i) noexcept HAKMEM_UNCHECKED {
    const Superslab& slab = a_.boxes().cold.superslab_locked(i);
    if (slab.tier == Tier::kUnused) return;  // the system has not given it yet
    const BinInfo& info = Sizes::info(BinIndex(slab.bin));
    const std::size_t page_bytes = std::size_t{1} << info.page_shift;
    const auto pages = [&](std::uint32_t set) {
      return static_cast<std::size_t>(std::popcount(set)) * page_bytes;
    };
    const std::uint32_t all = slab.pages == 32 ? ~0u : (1u << slab.pages) - 1;
    s.small_mapped += Sizes::kSuperslabBytes;
    s.retained -= Sizes::kSuperslabBytes;
    s.metadata += kRecordsPerSuperslab;
    s.small_idle += pages(slab.warm_pages);
    // A huge page may back free neighbours of a page that is out.
    s.small_resident += a_.boxes().cold.options().asks_for_huge()
                            ? Sizes::kSuperslabBytes
                            : pages((all & ~slab.free_pages) | slab.warm_pages);
    a_.boxes().cold.for_each_lent_page_locked(i, [&](const auto* entries, std::size_t purged) {
      s.small_resident -= purged;
      add_page(s, info, entries, purged);
    });
  }

  // A block that was freed by another thread, or waits in a magazine, still keeps its page.
  template <class Entry>
  static void add_page(MemoryStats& s, const BinInfo& info, const Entry* entries,
                       std::size_t purged) noexcept {
    bool active = false;
    for (std::size_t slot = 0; slot < info.capacity; ++slot) {
      const SlotState state = state_of_entry(entries[slot].load_relaxed());  // a count
      if (state == SlotState::kLive) s.small_allocated += info.block_size;
      active |= state != SlotState::kFree;
    }
    if (active) s.small_active += (std::size_t{1} << info.page_shift) - purged;
  }

  static void add_v1(MemoryStats& s, const v1::V1Tally& tally) noexcept {
    s.small_allocated += tally.live_bytes;
    s.small_active += tally.active_bytes;
    s.small_resident += tally.resident_bytes;
    s.small_mapped += tally.mapped_bytes;
    s.metadata += tally.record_bytes;
  }
  static void add_large(MemoryStats& s, const large::LargeTally& tally) noexcept {
    s.large_blocks = tally.blocks;
    s.large_allocated = tally.live_bytes;
    s.large_mapped = tally.mapped_bytes;
    s.large_idle = tally.cached_bytes;
    s.metadata += tally.record_bytes;
  }

  // Without checks the entries do not tell a block in a magazine from one that is out, but each
  // magazine's two ends tell how many it holds.
  void leave_out_magazines(MemoryStats& s) noexcept {
    std::size_t cached = 0;
    a_.boxes().contexts.for_each([&](Context<C>& ctx) {
      for (std::size_t b = 0; b < Sizes::kBins; ++b) {
        const std::size_t block_size =
            Sizes::info(BinIndex(static_cast<std::uint8_t>(b))).block_size;
        cached += (blocks_in(ctx.ultra.front[b]) + blocks_in(ctx.ultra.hidden[b])) * block_size;
      }
    });
    s.small_allocated -= cached < s.small_allocated ? cached : s.small_allocated;
  }

  // Another thread's magazine, which it may be using: two words, each read whole, that may not
  // belong together. A count.
  HAKMEM_RACY_COUNT static std::size_t blocks_in(const Magazine<C>& magazine) noexcept {
    const auto* const top = *const_cast<MagazinePlace<C>* const volatile*>(&magazine.top);
    const auto* const base = *const_cast<MagazinePlace<C>* const volatile*>(&magazine.base);
    const auto n = static_cast<std::size_t>(top - base);
    return n <= Sizes::kMagazineEntries ? n : 0;
  }

  static constexpr std::size_t kRecordsPerSuperslab =
      Sizes::kUnitsPerSuperslab * sizeof(SoPage<C>) +
      Sizes::kEntriesPerSuperslab * sizeof(typename SoPage<C>::Entry) + sizeof(Superslab);

  Allocator<C>& a_;
};

}  // namespace hakmem
