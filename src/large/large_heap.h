// LargeHeap: blocks above the greatest size class and of large alignment, known to an out-of-band
// registry (extent_map.h) by their first byte. A pointer from the program is looked up, never read.
//
//   allocate   best fitting free extent, cut | Mapper::make     one lock; then guards, if they
//   moved deallocate the block is free where it lies                  then unmap what is too old or
//   too much resize     cut | the free extent above | Mapper::grow       taken out of the registry
//   meanwhile
//
// A freed block stays readable, with its pages and its guards, for its next use: an eighth of what
// is live and kKeepMin at least, or as much more as the program took anew after it was given up,
// for half a second; then it is unmapped. It is known as freed at once. No system call that another
// thread may wait for happens with the lock held, except for the registry's own memory. One that
// the system refuses to unmap stays in the registry, its unmap pending: without memory, in wait for
// another use or another try. Everything is O(1) but diagnose, which walks the registry for a
// report, and what has to do with pending unmaps. Tests: tests/unit/large_*,
// proptests/large_prop.cc. The paths that take longer are in large_heap_slow.h; docs/decisions/0004
// says why it is so.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/block_view.h"
#include "base/early_returns.h"
#include "base/types.h"
#include "config/geometry.h"
#include "large/extent_map.h"
#include "large/large_tally.h"
#include "large/mapper.h"
#include "limits/memory_limit.h"
#include "pal/lock.h"

namespace hakmem::large {

enum class Contents : std::uint8_t {
  kZero,  // the block reads as zero
  kAny,   // it may hold what an earlier large block left: cheaper
};

template <class C>
class LargeHeap {
 public:
  using P = typename C::Platform;

  static constexpr std::size_t kKeepMin = std::size_t{64} << 20;  // bytes that may always be kept
  static constexpr std::uint64_t kKeepMs = 500;
  static constexpr std::uint64_t kMissedMs = 4000;

  constexpr LargeHeap() noexcept = default;

  void init(P& platform, LimitOf<C>& limit, MappingBudget<C>& budget) noexcept {
    const LockGuard<C> guard(lock_);
    platform_ = &platform;
    limit_ = &limit;
    budget_ = &budget;
    mapper_.init(platform, limit, budget);
    map_.init(platform);
  }

  // Before the first use.
  void set_options(const MemoryOptions& options) noexcept { mapper_.set_options(options); }

  // nullptr when out of memory. `room`: bytes behind the block for it to grow into, usable already.
  // Requires: n <= PTRDIFF_MAX, `alignment` is a power of two.
  void* allocate(std::size_t n, std::size_t alignment, Contents contents = Contents::kZero,
                 std::size_t room = 0) noexcept {
    if (n > PTRDIFF_MAX || room > PTRDIFF_MAX - n) return nullptr;
    const Wanted w{mapper_.page_length(n + room), alignment, n};
    Extent b = take_kept(w);
    if (b.key == 0) b = map_new(w);
    if (b.key == 0 && trim() != 0) b = map_new(w);
    if (b.key == 0) budget_->refused();
    if (b.key == 0) return nullptr;
    if (contents == Contents::kZero && !b.fresh) clear(b);
    return b.block();
  }

  // Fault kNone for the start of a live block, else kNotMine: another heap may know it.
  BlockView locate(ClientPtr p) noexcept {
    const LockGuard<C> guard(lock_);
    return view_of(p);
  }

  // What is wrong with a pointer that no heap has: it lies inside a live block, or a block that was
  // there was freed lately; else kNotMine. O(blocks). To be asked last, for memory that a large
  // block gave back may meanwhile be another heap's.
  BlockView diagnose(ClientPtr p) noexcept;

  // Checks and frees in one step. On a fault nothing has changed.
  BlockView deallocate(ClientPtr p) noexcept {
    const std::uint64_t now = platform_->clock_ms();
    const bool keeps = !limit_->over_soft(Holder::kMappings);
    Extent out;
    {
      const LockGuard<C> guard(lock_);
      const BlockView view = view_of(p);
      if (view.fault != Fault::kNone) return view;
      note_time(now);
      Extent* const block = map_.find(p.address());
      if (keeps && can_keep(block->length)) {
        block->freed_ms = now;
        map_.change_use(block, Use::kFree);
        out = take_surplus(now);
        if (out.key == 0) return view;
      } else {
        out = withdraw(block);
      }
    }
    discard(out);
    discard_surplus();
    return live_view(out, p, Fault::kNone);
  }

  // Resizes without copying, keeping contents; the place may change. nullptr when it must be
  // copied instead or `p` is no live block; then it is as before. A block that becomes shorter
  // always stays, perhaps as long as it was. `room` as for allocate, when it grows.
  void* resize(ClientPtr p, std::size_t n, std::size_t room = 0) noexcept;
  // The program has a live block for n bytes now; it stays as it is.
  void restate(ClientPtr p, std::size_t n) noexcept;

  // Gives free extents back; returns bytes of memory.
  std::size_t trim() noexcept;
  // Gives back what has been free for long; cheap enough for any slow path.
  void decay() noexcept { discard_surplus(); }

  std::size_t live_blocks() noexcept {
    const LockGuard<C> guard(lock_);
    return map_.live_count();
  }
  std::size_t unmap_pending_blocks() noexcept {
    const LockGuard<C> guard(lock_);
    return unmap_pending_;
  }
  // Bytes of all extents, with guards, and of the registry.
  std::size_t bytes_mapped() noexcept {
    const LockGuard<C> guard(lock_);
    return map_.bytes() + map_.record_bytes();
  }
  // Bytes of free extents that may hold memory.
  std::size_t bytes_cached() noexcept {
    const LockGuard<C> guard(lock_);
    return map_.free_bytes();
  }
  // What the memory limit is charged.
  std::size_t bytes_charged() noexcept {
    const LockGuard<C> guard(lock_);
    return map_.free_bytes() + map_.live_bytes();
  }

  // For memory statistics (inspect/memory_statistics.h), between try_lock or lock, and unlock.
  bool try_lock() noexcept HAKMEM_UNCHECKED { return lock_.try_lock(); }
  LargeTally tally_locked() noexcept HAKMEM_UNCHECKED {
    return {map_.live_count(), map_.live_bytes(), map_.bytes(), map_.free_bytes(),
            map_.record_bytes()};
  }

  // Around fork(): the parent holds the lock, so that the child gets a consistent heap.
  void lock() noexcept HAKMEM_UNCHECKED { lock_.lock(); }
  void unlock() noexcept HAKMEM_UNCHECKED { lock_.unlock(); }

 private:
  static constexpr std::size_t kRemembered = 64;  // starts that no extent has any more
  static constexpr std::size_t kRetriesAtOnce = 64;
  static constexpr std::size_t kWrittenMax = std::size_t{2} << 20;  // zeroed by writing
  static constexpr bool kHides = C::kMitigations.check_frees;

  struct Wanted {
    std::size_t length = 0;  // whole system pages
    std::size_t alignment = 1;
    std::size_t asked = 0;
  };

  BlockView view_of(ClientPtr p) noexcept HAKMEM_REQUIRES(lock_) {
    const Extent* const e = map_.find(p.address());
    return e != nullptr && e->use == Use::kBlock ? live_view(*e, p, Fault::kNone) : BlockView{};
  }
  static BlockView live_view(const Extent& e, ClientPtr p, Fault fault) noexcept {
    BlockView view;
    view.fault = fault;
    view.state = SlotState::kLive;
    view.page = e.key;
    view.block_size = e.length;
    view.asked = e.asked;
    view.offset = p.address() - e.key;
    view.heap = "large";
    return view;
  }

  // ---- a free extent becomes a block

  Extent take_kept(const Wanted& w) noexcept {
    Extent b = carve(w);
    if (b.key == 0) return take_unmap_pending(w);
    if (!mapper_.open(b, b.key)) {
      take_away(b.key);
      return {};
    }
    if (mapper_.enclose(b)) note_guards(b);
    return b;
  }

  // The block is live in the registry already; the caller opens and encloses it.
  Extent carve(const Wanted& w) noexcept {
    const std::uint64_t now = platform_->clock_ms();
    Extent surplus, b;
    {
      const LockGuard<C> guard(lock_);
      note_time(now);
      std::uintptr_t at = 0;
      Extent* found = map_.best_fit(w.length, w.alignment, &at);
      if (found == nullptr && join() != 0) found = map_.best_fit(w.length, w.alignment, &at);
      if (found != nullptr) {
        const Extent whole = map_.remove(found);
        b = enlist(cut_of(whole, at, w.length), whole, w.asked, Use::kBlock);
        if (b.key == 0) map_.insert(whole);
      }
      surplus = take_surplus(now);
    }
    if (surplus.key != 0) {
      discard(surplus);
      discard_surplus();
    }
    return b;
  }

  Extent map_new(const Wanted& w) noexcept;
  Cut cut_of(const Extent& whole, std::uintptr_t at, std::size_t length) noexcept {
    return cut(whole, at, length, mapper_.guard_bytes(), platform_->page_bytes());
  }

  // Registers all parts of `whole`, which is not in the registry, and charges what they may hold
  // beyond what it was charged with. Returns the block as it is in memory; key 0, and nothing
  // changed, when there is no memory.
  Extent enlist(const Cut& c, const Extent& whole, std::size_t asked, Use use) noexcept
      HAKMEM_REQUIRES(lock_) {
    const std::size_t charged = c.block.charged + c.lead.charged + c.tail.charged;
    if (charged > whole.charged && !limit_->charge(Holder::kMappings, charged - whole.charged)) {
      return {};
    }
    Extent record = c.block;
    record.use = use;
    record.asked = asked;
    record.fresh = record.seams = record.sealed = record.unjoined = false;
    if (!insert_parts(record, c)) {
      if (charged > whole.charged) limit_->refund(Holder::kMappings, charged - whole.charged);
      return {};
    }
    if (whole.charged > charged) limit_->refund(Holder::kMappings, whole.charged - charged);
    const std::size_t kept_guards =
        c.block.protected_guards() + c.lead.protected_guards() + c.tail.protected_guards();
    if (whole.protected_guards() > kept_guards)
      budget_->give_guards(whole.protected_guards() - kept_guards);
    note_count();
    record.fresh = c.block.fresh;
    record.seams = c.block.seams;
    record.sealed = c.block.sealed;
    return record;
  }
  bool insert_parts(const Extent& block, const Cut& c) noexcept HAKMEM_REQUIRES(lock_) {
    if (!map_.insert(block)) return false;
    const bool lead = c.lead.key == 0 || map_.insert(c.lead);
    if (lead && (c.tail.key == 0 || map_.insert(c.tail))) return true;
    if (lead && c.lead.key != 0) map_.remove(map_.find(c.lead.key));
    map_.remove(map_.find(block.key));
    return false;
  }

  void note_guards(const Extent& b) noexcept {
    const LockGuard<C> guard(lock_);
    Extent* const record = map_.find(b.key);
    if (record == nullptr) return;
    record->front_guard = b.front_guard;
    record->back_guard = b.back_guard;
  }

  void clear(const Extent& b) noexcept;

  // ---- how much is kept

  void note_count() noexcept HAKMEM_REQUIRES(lock_) {
    const std::size_t count = map_.count();
    budget_->add(count - counted_);  // about as many mappings
    counted_ = count;
  }
  // A program that frees much and then makes no call has given it back with these frees.
  std::size_t keep_max() noexcept HAKMEM_REQUIRES(lock_) {
    return std::max(kKeepMin, map_.live_bytes() / 8) + early_.missed();
  }
  bool can_keep(std::size_t length) noexcept HAKMEM_REQUIRES(lock_) {
    if (length <= keep_max()) return true;
    early_.returned(length);
    return false;
  }
  void note_time(std::uint64_t now) noexcept HAKMEM_REQUIRES(lock_) {
    if (now <= halved_ms_ + kMissedMs) return;
    halved_ms_ = now;
    early_.forget_half();
  }

  // The oldest free extent when it must go, out of the registry; else key 0.
  Extent take_surplus(std::uint64_t now) noexcept HAKMEM_REQUIRES(lock_) {
    Extent* const e = map_.oldest();
    if (e == nullptr) return {};
    if (now <= e->freed_ms + kKeepMs) {
      if (map_.free_bytes() <= keep_max()) return {};
      early_.returned(e->length);
    }
    return withdraw(e);
  }
  void discard_surplus() noexcept {
    for (Extent e = next_surplus(); e.key != 0; e = next_surplus()) discard(e);
  }
  Extent next_surplus() noexcept {
    const std::uint64_t now = platform_->clock_ms();
    const LockGuard<C> guard(lock_);
    note_time(now);
    return take_surplus(now);
  }

  std::size_t join() noexcept HAKMEM_REQUIRES(lock_) {
    std::size_t guards = 0;
    const std::size_t joins = map_.join(&guards);
    budget_->give_guards(guards);
    return joins;
  }

  // Out of the registry, with the address space around it that nobody uses.
  Extent withdraw(Extent* e) noexcept HAKMEM_REQUIRES(lock_) {
    note_freed(e->key);
    std::size_t guards = 0;
    const Extent out = map_.remove_with_holes(e, &guards);
    budget_->give_guards(guards);
    note_count();
    return out;
  }
  void take_away(std::uintptr_t key) noexcept {
    Extent e;
    {
      const LockGuard<C> guard(lock_);
      Extent* const record = map_.find(key);
      if (record == nullptr) return;
      e = withdraw(record);
    }
    discard(e);
  }
  void note_freed(std::uintptr_t key) noexcept HAKMEM_REQUIRES(lock_) {
    freed_[next_freed_++ % kRemembered] = key;
  }

  void discard(Extent e) noexcept;
  void keep_unmap_pending(Extent e) noexcept;
  Extent take_unmap_pending(const Wanted& w) noexcept;
  Extent find_unmap_pending(const Wanted& w) noexcept;
  std::size_t retry_unmaps() noexcept;
  std::size_t retry_some_unmaps(std::size_t* bytes) noexcept HAKMEM_REQUIRES(lock_);
  Extent forget_unmap_pending(std::uintptr_t key) noexcept HAKMEM_REQUIRES(lock_);
  bool was_freed(ClientPtr p) const noexcept HAKMEM_REQUIRES(lock_);
  static bool holds(const Extent& e, ClientPtr p, BlockView& view) noexcept;
  static BlockView freed_view(ClientPtr p) noexcept;
  Extent next_free() noexcept;

  enum class Step : std::uint8_t { kNone, kDone, kShrunk, kExtended, kTakenOut };
  struct Resizing {
    Step step = Step::kNone;
    Extent block;            // as it is now, or taken out
    Extent rest;             // cut off, and not to be kept
    std::uintptr_t old_end;  // of the block
  };
  Resizing begin_resize(ClientPtr p, const Wanted& w, std::size_t room, bool keeps) noexcept;
  Resizing shrink(const Extent& e, const Wanted& w, bool keeps) noexcept HAKMEM_REQUIRES(lock_);
  Resizing extend(const Extent& e, const Wanted& w, std::size_t room) noexcept
      HAKMEM_REQUIRES(lock_);
  bool finish_extending(Extent b, std::uintptr_t old_end) noexcept;
  void* move(const Extent& e, const Wanted& w, std::size_t room) noexcept;

  P* platform_ = nullptr;
  LimitOf<C>* limit_ = nullptr;
  MappingBudget<C>* budget_ = nullptr;
  Mapper<C> mapper_;
  Lock<C> lock_;
  ExtentMap<P> map_ HAKMEM_GUARDED_BY(lock_);
  std::array<std::uintptr_t, kRemembered> freed_ HAKMEM_GUARDED_BY(lock_){};
  std::size_t next_freed_ HAKMEM_GUARDED_BY(lock_) = 0;
  EarlyReturns early_ HAKMEM_GUARDED_BY(lock_);
  std::uint64_t halved_ms_ HAKMEM_GUARDED_BY(lock_) = 0;
  std::size_t counted_ HAKMEM_GUARDED_BY(lock_) = 0;  // extents that the budget knows of
  std::size_t unmap_pending_ HAKMEM_GUARDED_BY(lock_) = 0;
  std::uint8_t pass_ HAKMEM_GUARDED_BY(lock_) = 0;
};

}  // namespace hakmem::large

#include "large/large_heap_slow.h"  // IWYU pragma: export
