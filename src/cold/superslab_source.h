// SuperslabSource: superslabs from the system, one after the other from the arena's start, so that
// all together are one mapping; and the table of their records.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cold/superslab.h"
#include "config/memory_options.h"
#include "limits/mapping_budget.h"
#include "page/arena.h"
#include "pal/growing_table.h"

namespace hakmem {

template <class C>
class SuperslabSource {
 public:
  using Platform = typename C::Platform;
  using Sizes = typename C::Sizes;

  bool init(Platform& platform, Arena<C>& arena, MappingBudget<C>& mappings) noexcept {
    platform_ = &platform;
    arena_ = &arena;
    mappings_ = &mappings;
    return records_.init(platform, arena.superslabs() * sizeof(Superslab), 0);
  }
  Superslab* records() const noexcept { return static_cast<Superslab*>(records_.begin()); }

  // Makes room for what is known of superslab i. What is opened here stays so when the superslab
  // itself is refused: it is the next one's. Requires: the cold box's lock is held.
  bool open_records(std::uint32_t i) noexcept {
    if (records_.reach(*platform_, (i + std::size_t{1}) * sizeof(Superslab)) &&
        arena_->open_tables(*platform_, SlabIndex(i))) {
      return true;
    }
    mappings_->refused();
    return false;
  }
  // False when the system refuses. Requires: nobody else has superslab i; no lock is held.
  bool commit(std::uint32_t i, const MemoryOptions& options) noexcept {
    void* const at = reinterpret_cast<void*>(arena_->slab_address(SlabIndex(i)));
    if (i % kSlabsAhead == 0) prepare_ahead(i, at, options);
    const bool committed = platform_->commit(at, Sizes::kSuperslabBytes);
    if (!committed) mappings_->refused();
    return committed;
  }

 private:
  static constexpr std::uint32_t kSlabsAhead = 512;

  // What else tells one mapping from another is said ahead for a part of the arena. Said after the
  // commit, it would first cut a mapping in two, which needs one more just when there may be none.
  void prepare_ahead(std::uint32_t i, void* at, const MemoryOptions& options) noexcept {
    const std::uint32_t slabs = std::min(arena_->superslabs() - i, kSlabsAhead);
    const std::size_t bytes = slabs * Sizes::kSuperslabBytes;
    platform_->reveal(at, bytes);
    if (options.huge != HugePages::kSystem) platform_->advise_huge(at, bytes, advice_of(options));
  }

  Platform* platform_ = nullptr;
  Arena<C>* arena_ = nullptr;
  MappingBudget<C>* mappings_ = nullptr;
  GrowingTable<Platform> records_;
};

}  // namespace hakmem
