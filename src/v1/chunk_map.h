// The chunks of one v1 heap: maps them on demand, finds the one that an address lies in, hands out
// and takes back groups of cells, and unmaps a chunk when nothing is left in it (one stays warm, so
// that a program at the edge does not map and unmap in turns). Above the soft limit none stays, and
// free cells hold no memory. A chunk is charged to the memory limit whole.
//
// Chunks with free cells are listed by the greatest group they can serve; the fullest that fits is
// used first. Not thread-safe: V1Heap holds the lock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/address_table.h"
#include "base/bits.h"
#include "config/memory_options.h"
#include "limits/mapping_budget.h"
#include "limits/memory_limit.h"
#include "v1/chunk.h"

namespace hakmem::v1 {

struct ChunkRecord {
  std::uintptr_t key = 0;  // first byte of the chunk
  void* chunk = nullptr;
};

template <class C>
class ChunkMap {
 public:
  using L = Layout<C>;
  using P = typename C::Platform;
  using Limit = LimitOf<C>;

  void init(P& platform, Limit& limit, MappingBudget<C>& budget) noexcept {
    platform_ = &platform;
    limit_ = &limit;
    budget_ = &budget;
    table_.init(platform);
  }

  // Before the first use.
  void set_options(const MemoryOptions& options) noexcept { options_ = options; }

  // The chunk that holds `address`, or nullptr.
  Chunk<C>* find(std::uintptr_t address) noexcept {
    const auto base = static_cast<std::uintptr_t>(round_down(address, L::kChunkBytes));
    ChunkRecord* const record = table_.find(base);
    return record == nullptr ? nullptr : static_cast<Chunk<C>*>(record->chunk);
  }

  // Takes 1 << order free cells; nullptr when out of memory. `*first` is the first of them.
  Chunk<C>* take_cells(unsigned order, std::size_t* first) noexcept {
    Chunk<C>* const chunk = chunk_with(order);
    if (chunk == nullptr) return nullptr;
    if (chunk->free_cells == L::all_cells()) --empty_chunks_;
    *first = chunk->find_cells(order);
    const std::uint32_t mask = Chunk<C>::cell_mask(*first, order);
    chunk->free_cells &= ~mask;
    chunk->dirty_cells &= ~mask;
    relist(chunk);
    return chunk;
  }

  // Bytes given back to the system. The chunk may be gone afterwards.
  std::size_t give_cells(Chunk<C>* chunk, std::size_t first, unsigned order) noexcept {
    const std::uint32_t mask = Chunk<C>::cell_mask(first, order);
    chunk->free_cells |= mask;
    chunk->dirty_cells |= mask;
    relist(chunk);
    const bool crowded = limit_->over_soft(Holder::kChunks);
    if (chunk->free_cells != L::all_cells()) return crowded ? purge_cells(chunk) : 0;
    ++empty_chunks_;
    return empty_chunks_ > (crowded ? 0 : kWarmChunks) ? unmap_chunk(chunk) : 0;
  }

  // Gives back empty chunks and the memory of free cells; returns bytes.
  std::size_t trim() noexcept {
    std::size_t bytes = unmap_empty();
    table_.for_each([&](ChunkRecord& record) noexcept {
      bytes += purge_cells(static_cast<Chunk<C>*>(record.chunk));
      return true;
    });
    return bytes;
  }

  // Gives back empty chunks; returns bytes.
  std::size_t unmap_empty() noexcept {
    std::size_t bytes = 0;
    for (Chunk<C>* chunk = lists_[L::kOrders].first(); chunk != nullptr;) {
      Chunk<C>* const next = chunk->next;  // in this list every cell of a chunk is free
      bytes += unmap_chunk(chunk);
      chunk = next;
    }
    return bytes;
  }

  // Calls visit(chunk) for every chunk.
  template <class Visit>
  void for_each(Visit&& visit) noexcept {
    table_.for_each([&](ChunkRecord& record) noexcept {
      visit(*static_cast<Chunk<C>*>(record.chunk));
      return true;
    });
  }

  std::size_t bytes_mapped() const noexcept {
    return table_.count() * L::kChunkBytes + bytes_of_records();
  }
  // Of the chunks' descriptions and of the table.
  std::size_t bytes_of_records() const noexcept {
    return table_.count() * meta_bytes() + table_.bytes_mapped();
  }
  std::size_t chunks() const noexcept { return table_.count(); }

 private:
  static constexpr std::size_t kWarmChunks = 1;
  static constexpr std::size_t kMappingsPerChunk = 4;  // the cells; the metadata and its guards

  std::size_t meta_bytes() const noexcept {
    return static_cast<std::size_t>(round_up(sizeof(Chunk<C>), platform_->page_bytes()));
  }

  Chunk<C>* chunk_with(unsigned order) noexcept {
    for (std::size_t k = order + 1; k <= L::kOrders; ++k) {
      if (lists_[k].first() != nullptr) return lists_[k].first();
    }
    return map_chunk();
  }

  void relist(Chunk<C>* chunk) noexcept {
    const unsigned now = chunk->orders_available();
    if (now == chunk->listed) return;
    if (chunk->listed != 0) lists_[chunk->listed].remove(chunk);
    if (now != 0) lists_[now].push(chunk);
    chunk->listed = now;
  }

  Chunk<C>* map_chunk() noexcept {
    if (!limit_->charge(Holder::kChunks, L::kChunkBytes)) return nullptr;
    Chunk<C>* const chunk = map_charged_chunk();
    if (chunk == nullptr) limit_->refund(Holder::kChunks, L::kChunkBytes);
    return chunk;
  }

  Chunk<C>* map_charged_chunk() noexcept {
    void* const memory = platform_->map(L::kChunkBytes, L::kChunkBytes);
    // Smaller than a huge page; but next to other mappings it may become part of one.
    if (memory != nullptr && options_.huge == HugePages::kNever) {
      platform_->advise_huge(memory, L::kChunkBytes, HugeAdvice::kAvoid);
    }
    void* const meta = memory == nullptr ? nullptr : platform_->sparse(sizeof(Chunk<C>));
    const auto base = reinterpret_cast<std::uintptr_t>(memory);
    if (meta == nullptr || table_.insert({base, meta}) == nullptr) {
      if (memory != nullptr) platform_->unmap(memory, L::kChunkBytes);
      if (meta != nullptr) platform_->unsparse(meta, sizeof(Chunk<C>));
      budget_->refused();
      return nullptr;
    }
    budget_->add(kMappingsPerChunk);
    auto* const chunk = static_cast<Chunk<C>*>(meta);
    chunk->base = base;
    chunk->free_cells = L::all_cells();
    ++empty_chunks_;
    relist(chunk);
    return chunk;
  }

  // 0 when the system refuses: the chunk then stays, for use, without memory.
  std::size_t unmap_chunk(Chunk<C>* chunk) noexcept {
    const std::uintptr_t base = chunk->base;
    if (!platform_->unmap(reinterpret_cast<void*>(base), L::kChunkBytes)) {
      purge_cells(chunk);
      return 0;
    }
    lists_[chunk->listed].remove(chunk);
    table_.erase(table_.find(base));
    --empty_chunks_;
    budget_->remove(kMappingsPerChunk);
    // Refused, it is lost as address space, not as memory.
    if (!platform_->unsparse(chunk, sizeof(Chunk<C>))) platform_->purge(chunk, sizeof(Chunk<C>));
    limit_->refund(Holder::kChunks, L::kChunkBytes);
    return L::kChunkBytes + meta_bytes();
  }

  std::size_t purge_cells(Chunk<C>* chunk) noexcept {
    std::size_t bytes = 0;
    for (std::size_t cell = 0; cell < L::kCells; ++cell) {
      if ((chunk->dirty_cells >> cell & 1) == 0) continue;
      void* const at = reinterpret_cast<void*>(chunk->base + cell * L::kCellBytes);
      if (platform_->purge(at, L::kCellBytes)) bytes += L::kCellBytes;
    }
    chunk->dirty_cells = 0;
    return bytes;
  }

  P* platform_ = nullptr;
  Limit* limit_ = nullptr;
  MappingBudget<C>* budget_ = nullptr;
  MemoryOptions options_{};
  AddressTable<P, ChunkRecord> table_;
  std::array<List<Chunk<C>>, L::kOrders + 1> lists_;  // by Chunk::listed; [0] is not used
  std::size_t empty_chunks_ = 0;
};

}  // namespace hakmem::v1
