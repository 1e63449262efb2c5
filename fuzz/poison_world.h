// Free slots poisoned under ASan. The allocator keeps a slot's state in a 16-bit atomic, and
// atomics are its World's: PoisonWorld's make a block accessible exactly while its entry says LIVE.
// So the allocator, the harness and the model are all stopped when they touch a block that is free,
// cached or on its way home. Without ASan nothing happens.
//
// For hardened configurations (without checks the entries do not tell) in small geometry (clearing
// the shadow of production's superslabs after each run takes too long).
#pragma once

#include <type_traits>

#include "base/atomic.h"
#include "config/config.h"
#include "models/lockstep/asan_poison.h"
#include "models/lockstep/lockstep_configs.h"
#include "page/arena.h"
#include "page/slot_entry.h"

namespace hakmem::fuzz {

struct PoisonHook {
  void (*changed)(const void* entry, EntryBits state) = nullptr;
};
inline PoisonHook g_poison_hook;

class PoisonEntry : public StdAtomic<EntryBits> {
 public:
  using StdAtomic<EntryBits>::StdAtomic;

  void store_relaxed(EntryBits value) noexcept {
    StdAtomic<EntryBits>::store_relaxed(value);
    tell(value);
  }
  bool cas_relaxed(EntryBits& expected, EntryBits desired) noexcept {
    const bool swapped = StdAtomic<EntryBits>::cas_relaxed(expected, desired);
    if (swapped) tell(desired);
    return swapped;
  }

 private:
  void tell(EntryBits value) const noexcept {
    if (g_poison_hook.changed != nullptr) g_poison_hook.changed(this, value);
  }
};

struct PoisonWorld : StdWorld {
  template <class T>
  using atomic = std::conditional_t<std::is_same_v<T, EntryBits>, PoisonEntry, StdAtomic<T>>;
};

struct SmallPoisoned
    : Config<SmallGeometry, model::RecyclingPlatform, PoisonWorld, kHardenedMitigations> {
  using Limit = model::WatchedLimit;
};

// Poisons in one allocator while it is in scope; whatever is left poisoned then is not any more.
template <class C>
class PoisonScope {
 public:
  static constexpr bool kActive = std::is_same_v<typename C::World, PoisonWorld>;

  explicit PoisonScope(const Arena<C>& arena) {
    if (!kActive || !arena.exists()) return;
    arena_ = &arena;
    slabs_ = 0;
    g_poison_hook.changed = changed;
  }
  PoisonScope(const PoisonScope&) = delete;
  PoisonScope& operator=(const PoisonScope&) = delete;
  ~PoisonScope() {
    g_poison_hook = {};
    if (arena_ != nullptr) poison(arena_->base(), slabs_ * C::Sizes::kSuperslabBytes, kEntryLive);
    arena_ = nullptr;
  }

 private:
  static void changed(const void* entry, EntryBits state) {
    const std::uintptr_t first =
        reinterpret_cast<std::uintptr_t>(arena_->slab_entries(SlabIndex(0)));
    const std::size_t number =
        (reinterpret_cast<std::uintptr_t>(entry) - first) / sizeof(EntryBits);
    const std::size_t slab = number / C::Sizes::kEntriesPerSuperslab;
    if (slab >= arena_->superslabs()) return;  // an entry of v1
    if (slab >= slabs_) slabs_ = slab + 1;
    // The first page of a superslab is lent first, so it tells the bin of them all.
    const SlabIndex index(static_cast<std::uint32_t>(slab));
    const BinInfo& bin = C::Sizes::kBinTable[arena_->page(arena_->first_unit(index)).bin];
    const std::size_t within = number % C::Sizes::kEntriesPerSuperslab;
    const std::size_t page = within / bin.entry_stride;
    const std::uintptr_t block = arena_->slab_address(index) + (page << bin.page_shift) +
                                 within % bin.entry_stride * bin.block_size;
    poison(block, bin.block_size, state);
  }

  static void poison(std::uintptr_t at, std::size_t bytes, EntryBits state) {
    if (state == kEntryLive)
      model::asan_open(at, bytes);
    else
      model::asan_close(at, bytes);
  }

  static inline const Arena<C>* arena_ = nullptr;
  static inline std::size_t slabs_ = 0;  // that have been written about
};

}  // namespace hakmem::fuzz
