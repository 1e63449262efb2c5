// V1Heap: what the front sees of v1. TinyHeap and pool behind one lock; serves any bin, alone if
// need be. Every pointer from the program is checked against out-of-band state before anything
// happens to it, in the same terms as v3 (base/block_view.h), so that reports do not depend on
// which heap a class is on.
//
//   allocate(bin)   -> tiny | pool: take
//   deallocate(p)   -> locate in tiny, then pool; live block: give; else a fault and no change
//
// A block may be parked in the front cache: its entry then says CACHED. The
// front cache writes entries without the lock, for it holds the block. Tests: tests/unit/v1_*.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/block_view.h"
#include "base/types.h"
#include "pal/lock.h"
#include "v1/pool.h"
#include "v1/tiny_heap.h"

namespace hakmem::v1 {

template <class C>
class V1Heap {
 public:
  using Entry = typename Run<C>::Entry;

  constexpr V1Heap() noexcept = default;

  void init(typename C::Platform& platform, LimitOf<C>& limit, MappingBudget<C>& budget) noexcept {
    const LockGuard<C> guard(lock_);
    tiny_.init(platform, limit, budget);
    pool_.init(platform, limit, budget);
  }

  // Before the first use.
  void set_options(const MemoryOptions& options) noexcept HAKMEM_UNCHECKED {
    tiny_.set_options(options);
    pool_.set_options(options);
  }

  // nullptr when out of memory. The contents are arbitrary. Ensures: aligned to the greatest power
  // of two up to the size of a unit that divides the bin's block size.
  void* allocate(BinIndex bin) noexcept {
    const LockGuard<C> guard(lock_);
    return TinyHeap<C>::serves(bin) ? tiny_.take(bin) : pool_.take(bin);
  }

  // Fault kNone for the start of a live block, kNotMine outside v1's chunks.
  BlockView locate(ClientPtr p) noexcept {
    const LockGuard<C> guard(lock_);
    return find(p).place.view;
  }

  // Checks and frees in one step. On a fault nothing has changed.
  BlockView deallocate(ClientPtr p) noexcept {
    const LockGuard<C> guard(lock_);
    Found found = find(p);
    BlockView& view = found.place.view;
    if (view.fault == Fault::kNone && !give(found, kEntryLive)) view.fault = Fault::kDoubleFree;
    return view;
  }

  // Parks a block in the front cache: LIVE becomes CACHED. Its entry, valid until it comes back, or
  // nullptr: it was no live block, and is left as it was.
  Entry* cache(ClientPtr p) noexcept {
    const LockGuard<C> guard(lock_);
    const Found found = find(p);
    if (found.place.view.fault != Fault::kNone) return nullptr;
    Entry& entry = found.place.run->entries[found.place.view.slot];
    if constexpr (C::kMitigations.check_frees) entry.store_relaxed(kEntryCached);  // under the lock
    return &entry;
  }

  // The front cache gives a parked block back: CACHED becomes free. view.fault is kNone on success.
  BlockView release_cached(ClientPtr p) noexcept {
    const LockGuard<C> guard(lock_);
    Found found = find(p);
    BlockView& view = found.place.view;
    if (expect_cached(found) && !give(found, kEntryCached)) view.fault = Fault::kCorruption;
    return view;
  }

  // Gives back what is empty; returns bytes.
  std::size_t trim() noexcept {
    const LockGuard<C> guard(lock_);
    return tiny_.trim() + pool_.trim();
  }

  // Only empty chunks, which is quick; returns bytes.
  std::size_t unmap_empty() noexcept {
    const LockGuard<C> guard(lock_);
    return tiny_.unmap_empty() + pool_.unmap_empty();
  }

  // Blocks out at the moment, those in the front cache included.
  std::size_t live_blocks(BinIndex bin) noexcept {
    const LockGuard<C> guard(lock_);
    return tiny_.live_blocks(bin) + pool_.live_blocks(bin);
  }
  std::size_t bytes_mapped() noexcept {
    const LockGuard<C> guard(lock_);
    return tiny_.bytes_mapped() + pool_.bytes_mapped();
  }

  // What the memory limit is charged.
  std::size_t bytes_charged() noexcept {
    const LockGuard<C> guard(lock_);
    return (tiny_.chunks() + pool_.chunks()) * Layout<C>::kChunkBytes;
  }

  // For memory statistics (inspect/memory_statistics.h), between try_lock or lock, and unlock.
  bool try_lock() noexcept HAKMEM_UNCHECKED { return lock_.try_lock(); }
  V1Tally tally_locked() noexcept HAKMEM_UNCHECKED {
    V1Tally tally;
    tiny_.count(tally);
    pool_.count(tally);
    return tally;
  }

  // Around fork(): the parent holds the lock, so that the child gets a consistent heap.
  void lock() noexcept HAKMEM_UNCHECKED { lock_.lock(); }
  void unlock() noexcept HAKMEM_UNCHECKED { lock_.unlock(); }

 private:
  enum class Owner : std::uint8_t { kTiny, kPool };
  struct Found {
    Place<C> place;
    Owner owner = Owner::kTiny;
  };

  Found find(ClientPtr p) noexcept HAKMEM_REQUIRES(lock_) {
    const Place<C> in_tiny = tiny_.locate(p);
    if (in_tiny.view.fault != Fault::kNotMine) return {in_tiny, Owner::kTiny};
    return {pool_.locate(p), Owner::kPool};
  }
  bool give(const Found& found, EntryBits from) noexcept HAKMEM_REQUIRES(lock_) {
    return found.owner == Owner::kTiny ? tiny_.give(found.place, from)
                                       : pool_.give(found.place, from);
  }

  // Turns the view of a parked block into one without fault; anything else but a pointer fault is
  // the front cache and this heap contradicting each other.
  bool expect_cached(Found& found) noexcept HAKMEM_REQUIRES(lock_) {
    BlockView& view = found.place.view;
    const SlotState parked = C::kMitigations.check_frees ? SlotState::kCached : SlotState::kLive;
    const bool is_parked =
        found.place.run != nullptr && view.state == parked && found.place.run->is_set(view.slot);
    if (is_parked) {
      view.fault = Fault::kNone;
    } else if (view.fault == Fault::kNone) {
      view.fault = Fault::kCorruption;
    }
    return is_parked;
  }

  Lock<C> lock_;
  TinyHeap<C> tiny_ HAKMEM_GUARDED_BY(lock_);
  Pool<C> pool_ HAKMEM_GUARDED_BY(lock_);
};

}  // namespace hakmem::v1
