// LargeHeap: blocks above the greatest size class, each a mapping of its own (mapping.h), known to
// an out-of-band registry by their first byte. A pointer from the program is looked up, never read.
//
//   allocate   cache | Mapper::make                          then register
//   deallocate unregister -> cache | Mapper::unmake          system calls without the lock held
//   resize     Mapper::shrink | Mapper::grow                 under the lock: the key may change
//
// A freed block that the system refuses to unmap stays in the registry as stuck: without memory, in
// wait for another use or another try. Law: a registered block is mapped and in no cache; a cached
// one is not registered. Everything is O(1) but diagnose, which walks the registry for a report,
// and what has to do with stuck ones. Tests: tests/unit/large_*.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/memory_limit.h"
#include "base/types.h"
#include "config/geometry.h"
#include "large/large_tally.h"
#include "large/mapping.h"
#include "large/mapping_cache.h"
#include "pal/address_table.h"
#include "pal/lock.h"
#include "report/fault.h"

namespace hakmem::large {

enum class Contents : std::uint8_t {
  kZero,  // the block reads as zero
  kAny,   // it may hold what an earlier large block left: cheaper
};

template <class C>
class LargeHeap {
 public:
  using P = typename C::Platform;

  constexpr LargeHeap() noexcept = default;

  void init(P& platform, typename C::Limit& limit, MappingBudget<C>& budget) noexcept {
    const LockGuard<C> guard(lock_);
    platform_ = &platform;
    limit_ = &limit;
    budget_ = &budget;
    mapper_.init(platform, limit, budget);
    table_.init(platform);
  }

  // Before the first use.
  void set_options(const MemoryOptions& options) noexcept { mapper_.set_options(options); }

  // nullptr when out of memory. Requires: n <= PTRDIFF_MAX, `alignment` is a power of two.
  void* allocate(std::size_t n, std::size_t alignment,
                 Contents contents = Contents::kZero) noexcept {
    if (n > PTRDIFF_MAX) return nullptr;
    const std::size_t length = mapper_.page_length(n);
    Mapping m = take_cached(length, alignment, contents);
    if (m.key == 0) m = mapper_.make(length, alignment);
    if (m.key == 0 && trim() != 0) m = mapper_.make(length, alignment);
    if (m.key != 0 && enroll(m)) return m.block();
    if (m.key != 0) discard(m);
    budget_->refused();
    return nullptr;
  }

  // Fault kNone for the start of a live block, else kNotMine: another heap may know it.
  BlockView locate(ClientPtr p) noexcept {
    const LockGuard<C> guard(lock_);
    return view_of(p);
  }

  // What is wrong with a pointer that no heap has: it lies inside a live block, or a block that was
  // there was freed lately; else kNotMine. O(blocks). To be asked last, for memory that a large
  // block gave back may meanwhile be another heap's.
  BlockView diagnose(ClientPtr p) noexcept {
    const LockGuard<C> guard(lock_);
    BlockView view = view_of(p);
    if (view.fault != Fault::kNotMine) return view;
    table_.for_each([&](const Mapping& m) noexcept {
      if (m.use != Use::kBlock || p.address() - m.key >= m.length) return true;
      const bool aligned = p.address() % kMinBlock == 0;
      view = live_view(m, p, aligned ? Fault::kInteriorFree : Fault::kMisalignedFree);
      return false;
    });
    return view.fault == Fault::kNotMine && was_freed(p) ? freed_view(p) : view;
  }

  // Checks and frees in one step. On a fault nothing has changed.
  BlockView deallocate(ClientPtr p) noexcept {
    Mapping m;
    BlockView view;
    {
      const LockGuard<C> guard(lock_);
      view = view_of(p);
      if (view.fault != Fault::kNone) return view;
      m = drop(p.address());
    }
    keep_or_unmake(m);
    return view;
  }

  // Resizes without copying, keeping contents; the place may change. nullptr when it must be
  // copied instead or `p` is no live block; then it is as before.
  void* resize(ClientPtr p, std::size_t n) noexcept {
    if (n > PTRDIFF_MAX) return nullptr;
    const LockGuard<C> guard(lock_);
    Mapping* const record = table_.find(p.address());
    if (record == nullptr || record->use != Use::kBlock) return nullptr;
    const std::size_t length = mapper_.page_length(n);
    if (length == record->length) return record->block();
    const Mapping before = *record;
    const Mapping after =
        length < before.length ? mapper_.shrink(before, length) : mapper_.grow(before, length);
    if (after.key == 0) return nullptr;  // else it may be as long as before, where it cannot shrink
    replace(record, after);
    return after.block();
  }

  // Gives cached blocks back; returns bytes.
  std::size_t trim() noexcept {
    std::size_t bytes = 0;
    for (Mapping m = take_any(); m.key != 0; m = take_any()) {
      bytes += m.bytes();
      discard(m);
    }
    return bytes + unmap_stuck();
  }
  // Gives back cached blocks that have been idle for long; cheap enough for any slow path.
  void decay() noexcept { make_room(0); }

  std::size_t live_blocks() noexcept {
    const LockGuard<C> guard(lock_);
    return table_.count() - stuck_;
  }
  std::size_t stuck_blocks() noexcept {
    const LockGuard<C> guard(lock_);
    return stuck_;
  }
  // Bytes of the live blocks' mappings, of cached and stuck ones and of the registry.
  std::size_t bytes_mapped() noexcept {
    const LockGuard<C> guard(lock_);
    return bytes_live_ + cache_.bytes() + bytes_stuck_ + table_.bytes_mapped();
  }
  std::size_t bytes_cached() noexcept {
    const LockGuard<C> guard(lock_);
    return cache_.bytes();
  }
  // What the memory limit is charged. O(blocks): for audits.
  std::size_t bytes_charged() noexcept {
    const LockGuard<C> guard(lock_);
    return cache_.block_bytes() + live_bytes();
  }

  // For a survey (front/survey.h), between try_lock or lock_for_fork and unlock_after_fork.
  bool try_lock() noexcept HAKMEM_UNCHECKED { return lock_.try_lock(); }
  LargeTally tally_locked() noexcept HAKMEM_UNCHECKED {
    return {table_.count() - stuck_, live_bytes(), bytes_live_ + cache_.bytes() + bytes_stuck_,
            cache_.bytes(), table_.bytes_mapped()};
  }

  // Around fork(): the parent holds the lock, so that the child gets a consistent heap.
  void lock_for_fork() noexcept HAKMEM_UNCHECKED { lock_.lock(); }
  void unlock_after_fork() noexcept HAKMEM_UNCHECKED { lock_.unlock(); }
  void reset_in_child() noexcept { lock_.reset_in_child(); }

 private:
  static constexpr std::size_t kRemembered = 64;  // freed starts, to tell double from invalid free
  static constexpr std::size_t kStuckBatch = 64;
  static constexpr bool kHideCached = C::kMitigations.check_frees;

  std::size_t live_bytes() noexcept HAKMEM_REQUIRES(lock_) {
    std::size_t bytes = 0;
    table_.for_each([&](const Mapping& m) noexcept {
      bytes += m.use == Use::kBlock ? m.length : 0;
      return true;
    });
    return bytes;
  }

  BlockView view_of(ClientPtr p) noexcept HAKMEM_REQUIRES(lock_) {
    const Mapping* const m = table_.find(p.address());
    const bool live = m != nullptr && m->use == Use::kBlock;
    return live ? live_view(*m, p, Fault::kNone) : BlockView{};
  }

  static BlockView live_view(const Mapping& m, ClientPtr p, Fault fault) noexcept {
    BlockView view;
    view.fault = fault;
    view.state = SlotState::kLive;
    view.page = m.key;
    view.block_size = m.length;
    view.offset = p.address() - m.key;
    view.heap = "large";
    return view;
  }

  bool was_freed(ClientPtr p) const noexcept HAKMEM_REQUIRES(lock_) {
    return p.address() != 0 && std::find(freed_.begin(), freed_.end(), p.address()) != freed_.end();
  }
  static BlockView freed_view(ClientPtr p) noexcept {
    BlockView view;
    view.fault = Fault::kDoubleFree;
    view.state = SlotState::kFree;
    view.page = p.address();
    view.heap = "large";
    return view;
  }

  bool enroll(const Mapping& m) noexcept {
    const LockGuard<C> guard(lock_);
    if (table_.insert(m) == nullptr) return false;
    bytes_live_ += m.bytes();
    return true;
  }

  // Requires: `key` is registered.
  Mapping drop(std::uintptr_t key) noexcept HAKMEM_REQUIRES(lock_) {
    Mapping* const record = table_.find(key);
    const Mapping m = *record;
    table_.erase(record);
    bytes_live_ -= m.bytes();
    freed_[next_freed_++ % kRemembered] = key;
    return m;
  }

  void replace(Mapping* record, const Mapping& after) noexcept HAKMEM_REQUIRES(lock_) {
    bytes_live_ += after.bytes() - record->bytes();
    if (record->key == after.key) {
      *record = after;
      return;
    }
    freed_[next_freed_++ % kRemembered] = record->key;
    table_.erase(record);
    table_.insert(after);  // cannot fail: there was room for the record just erased
  }

  // A cached block made ready for use, or key 0.
  Mapping take_cached(std::size_t length, std::size_t alignment, Contents contents) noexcept {
    make_room(0);
    Mapping m = take_kept(length, alignment);
    if (m.key == 0) m = take_stuck(length, alignment);
    if (m.key == 0) return m;
    if (contents == Contents::kZero && !platform_->purge(m.block(), m.length)) {
      std::memset(m.block(), 0, m.length);
    }
    return m;
  }

  Mapping take_kept(std::size_t length, std::size_t alignment) noexcept {
    const Mapping kept = take_fitting(length, alignment);
    if (kept.key == 0) return kept;
    const bool shown = !kHideCached || platform_->commit(kept.block(), kept.length);
    const Mapping m = shown ? fit(kept, length) : Mapping{};
    if (m.key == 0) discard(kept);
    return m;
  }

  // Key 0, and `kept` as before, when it cannot be made longer or shorter.
  Mapping fit(const Mapping& kept, std::size_t length) noexcept {
    if (MappingCache::fits(kept, length)) return kept;
    if (kept.length < length) return mapper_.grow(kept, length);
    const Mapping m = mapper_.shrink(kept, length);
    return m.length == length ? m : Mapping{};
  }

  void keep_or_unmake(const Mapping& m) noexcept {
    const bool keeps = MappingCache::accepts(m) && !limit_->crowded(Holder::kMappings);
    if (!keeps || (kHideCached && !platform_->protect(m.block(), m.length))) {
      discard(m);
      make_room(0);
      return;
    }
    make_room(m.bytes());
    if (!put(m)) discard(m);
  }

  // Unmaps what the program has freed. Where the system refuses, it gives up the memory at least.
  void discard(Mapping m) noexcept {
    limit_->refund(Holder::kMappings, m.length);
    if (mapper_.unmake(m)) return;
    const bool hidden = kHideCached && platform_->guard(m.block(), m.length);
    if (!hidden) platform_->purge(m.block(), m.length);
    m.use = hidden ? Use::kHidden : Use::kStuck;
    keep_stuck(m);
  }
  void keep_stuck(Mapping m) noexcept {
    const LockGuard<C> guard(lock_);
    m.pass = pass_;
    // As a rule there is room, for it was registered before; else address space is lost, no more.
    if (table_.insert(m) == nullptr) return;
    ++stuck_;
    bytes_stuck_ += m.bytes();
  }

  Mapping take_stuck(std::size_t length, std::size_t alignment) noexcept {
    Mapping m = find_stuck(length, alignment);
    if (m.key == 0) return m;
    if (!limit_->charge(Holder::kMappings, m.length)) {
      keep_stuck(m);
      return {};
    }
    const bool unguarded = m.use != Use::kHidden || platform_->unguard(m.block(), m.length);
    m.use = Use::kBlock;
    // It may have been hidden in the cache before.
    if (unguarded && (!kHideCached || platform_->commit(m.block(), m.length))) return m;
    discard(m);
    return {};
  }
  Mapping find_stuck(std::size_t length, std::size_t alignment) noexcept {
    const LockGuard<C> guard(lock_);
    if (stuck_ == 0) return {};
    Mapping found;
    table_.for_each([&](const Mapping& m) noexcept {
      const bool serves =
          m.use != Use::kBlock && (m.key & (alignment - 1)) == 0 && MappingCache::fits(m, length);
      if (serves) found = m;
      return !serves;
    });
    if (found.key != 0) forget_stuck(found.key);
    return found;
  }

  // Tries each stuck mapping once more; returns bytes unmapped.
  std::size_t unmap_stuck() noexcept {
    const LockGuard<C> guard(lock_);
    const std::size_t before = bytes_stuck_;
    ++pass_;
    while (unmap_some_stuck() == kStuckBatch) {
    }
    return before - bytes_stuck_;
  }
  // Up to kStuckBatch of them; returns how many were unmapped.
  std::size_t unmap_some_stuck() noexcept HAKMEM_REQUIRES(lock_) {
    std::array<std::uintptr_t, kStuckBatch> unmapped;
    std::size_t n = 0;
    const std::uint8_t pass = pass_;
    if (stuck_ == 0) return 0;
    table_.for_each([&](Mapping& m) noexcept {
      if (m.use == Use::kBlock || m.pass == pass) return true;
      m.pass = pass;
      if (mapper_.unmake(m)) unmapped[n++] = m.key;
      return n < kStuckBatch;
    });
    for (std::size_t i = 0; i < n; ++i) forget_stuck(unmapped[i]);
    return n;
  }
  void forget_stuck(std::uintptr_t key) noexcept HAKMEM_REQUIRES(lock_) {
    Mapping* const record = table_.find(key);
    bytes_stuck_ -= record->bytes();
    --stuck_;
    table_.erase(record);
  }

  // Unmaps what the cache may not keep any longer, one by one without the lock held.
  void make_room(std::size_t incoming) noexcept {
    for (Mapping m = take_oldest(incoming); m.key != 0; m = take_oldest(incoming)) {
      discard(m);
    }
  }

  Mapping take_oldest(std::size_t incoming) noexcept {
    const LockGuard<C> guard(lock_);
    return cache_.count() == 0 ? Mapping{} : cache_.make_room(incoming, platform_->clock_ms());
  }
  Mapping take_fitting(std::size_t length, std::size_t alignment) noexcept {
    const LockGuard<C> guard(lock_);
    return cache_.take(length, alignment, platform_->page_bytes());
  }
  Mapping take_any() noexcept {
    const LockGuard<C> guard(lock_);
    return cache_.take_any();
  }
  // False when another thread took the room meanwhile.
  bool put(const Mapping& m) noexcept {
    const LockGuard<C> guard(lock_);
    if (!cache_.has_room(m.bytes())) return false;
    cache_.put(m, platform_->clock_ms());
    return true;
  }

  P* platform_ = nullptr;
  typename C::Limit* limit_ = nullptr;
  MappingBudget<C>* budget_ = nullptr;
  Mapper<C> mapper_;
  Lock<C> lock_;
  AddressTable<P, Mapping> table_ HAKMEM_GUARDED_BY(lock_);
  MappingCache cache_ HAKMEM_GUARDED_BY(lock_);
  std::array<std::uintptr_t, kRemembered> freed_ HAKMEM_GUARDED_BY(lock_){};
  std::size_t next_freed_ HAKMEM_GUARDED_BY(lock_) = 0;
  std::size_t bytes_live_ HAKMEM_GUARDED_BY(lock_) = 0;
  std::size_t bytes_stuck_ HAKMEM_GUARDED_BY(lock_) = 0;
  std::size_t stuck_ HAKMEM_GUARDED_BY(lock_) = 0;
  std::uint8_t pass_ HAKMEM_GUARDED_BY(lock_) = 0;
};

}  // namespace hakmem::large
