// The cold box: superslabs, their tiers and the page guards, behind ColdInterface.
// Everything here is off the hot path and under one lock.
//
//   refill_page: HOT with a free page -> DRAINING -> FREE (purged if it changes its bin) -> new
//   retire_page: the page keeps its memory (it is warm). Up to warm_cap such pages of a class stay.
//                Beyond an eighth of what is lent (kIdleMin at least) those that came back first
//                are purged at once, whatever the time: the program may never call again.
//   age:         the others are purged, superslab by superslab, once all of theirs have been out of
//                use for one to two decay periods. Whoever is on a slow path looks at the time: no
//                thread is needed, and no owner. A period ends by the clock or by growth.
//
// A page is charged to the memory limit (limits/memory_limit.h) while it is lent or warm. Above the
// soft limit none is warm: the refill that would cross it purges all, a retire its superslab's.
//
// A superslab serves one bin until it is empty, so a stale pointer never sees another type's
// blocks. Laws: S1-S4 (laws/slab_laws.h). Tests: tests/unit/cold_test.cc.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "cold/cold_interface.h"
#include "cold/idle_account.h"
#include "cold/page_guards.h"
#include "cold/page_records.h"
#include "cold/purger.h"
#include "cold/slab_table.h"
#include "cold/superslab_source.h"
#include "config/memory_options.h"
#include "limits/mapping_budget.h"
#include "limits/memory_limit.h"
#include "page/arena.h"
#include "pal/lock.h"

namespace hakmem {

// Whether the caller holds a context's lock, for which a fork waits: then it waits for what the
// caller has taken out of everybody's reach as well.
enum class Caller : std::uint8_t { kHoldsAContext, kHoldsNone };

template <class C>
class ColdBox {
 public:
  using Platform = typename C::Platform;
  using Sizes = typename C::Sizes;
  using Page = SoPage<C>;
  using Limit = LimitOf<C>;
  static constexpr std::uint64_t kDecayPeriodMs = 250;

  bool init(Platform& platform, Arena<C>& arena, Limit& limit,
            MappingBudget<C>& mappings) noexcept {
    platform_ = &platform;
    arena_ = &arena;
    limit_ = &limit;
    mappings_ = &mappings;
    records_.init(arena);
    guards_.init(platform, mappings);
    purger_.init(platform, arena, limit);
    const LockGuard<C> guard(lock_);
    const bool done = source_.init(platform, arena, mappings);
    table_.init(source_.records());
    return done;
  }

  // System calls are made without the lock: the page is already the borrower's alone.
  Page* refill_page(BinIndex bin, PageOwner<C> owner) noexcept {
    const Lent lent = lend_page(bin);
    if (lent.slab == Superslab::kNone) return nullptr;
    Page& page = records_.set_up(bin, SlabIndex(lent.slab), lent.page);
    page.was_zero = lent.is_zero && guards_pages();  // without guards a huge page may lie there
    if (lent.is_zero) page.fresh = Sizes::fresh_slots(bin);
    if (guards_pages() && !lent.has_guard) install_guard(page, lent);
    if (!lent.is_warm && options_.prefault == Prefault::kYes) prefault(page);
    records_.set_owner(page, owner);
    return &page;
  }

  // Before the first use.
  void set_options(const MemoryOptions& options) noexcept { options_ = options; }
  const MemoryOptions& options() const noexcept { return options_; }

  // Requires: page.used == 0, and no context uses the page any more; one did in period `used_in`.
  void retire_page(Page& page, std::uint32_t used_in) noexcept {
    page.flags = PageFlag::kRetired;
    records_.set_owner(page, {});
    take_back(page, used_in);
  }

  // What no block lies on of a lent page goes back to the system, which gives it anew when it is
  // touched. Returns the bytes that were not given back before. Requires: the caller may take slots
  // from the page, and nobody does meanwhile.
  std::size_t purge_unused(Page& page) noexcept {
    return keeps_pages_whole() ? 0 : purger_.purge_unused(page);
  }

  // The decay period that it is now, a running number.
  std::uint32_t period() noexcept {
    return period_by_clock() + periods_by_growth_.load_relaxed();  // relaxed: a hint only
  }
  // Once per period: purges what has been warm for more than one, beyond the caps.
  void age(std::uint32_t now, Caller caller = Caller::kHoldsAContext) noexcept {
    if (HAKMEM_LIKELY(now == seen_period_.load_relaxed())) return;  // relaxed: a hint only
    seen_period_.store_relaxed(now);
    {
      const LockGuard<C> guard(lock_);
      HAKMEM_AUDIT(table_.adds_up(), "slab-bytes", now);
      idle_.forget_half_in(period_by_clock());
    }
    const auto decayed = [&](std::uint32_t i)
                             HAKMEM_REQUIRES(lock_) { return table_.decayed(i, now, warm_cap_); };
    purge_warm(caller, decayed);
  }

  // Free pages of a class that keep their memory; set from the policy snapshot.
  void set_warm_cap(std::uint8_t size_class, std::uint32_t pages) noexcept {
    const LockGuard<C> guard(lock_);
    warm_cap_[size_class] = pages;
  }

  // Gives back the memory of every free page. Returns the bytes given back.
  std::size_t trim(Caller caller = Caller::kHoldsAContext) noexcept {
    const auto all = [&](std::uint32_t i) HAKMEM_REQUIRES(lock_) { return table_[i].warm_pages; };
    return purge_warm(caller, all);
  }

  ColdTotals totals() noexcept {
    const LockGuard<C> guard(lock_);
    return table_.totals();
  }
  Tier tier_of(SlabIndex slab) noexcept {
    const LockGuard<C> guard(lock_);
    return slab.value() < table_.used() ? table_[slab.value()].tier : Tier::kUnused;
  }
  std::uint32_t superslabs_used() noexcept {
    const LockGuard<C> guard(lock_);
    return table_.used();
  }
  // For memory statistics (inspect/memory_statistics.h), between try_lock or lock, and unlock.
  bool try_lock() noexcept HAKMEM_TRY_ACQUIRE(true, lock_) { return lock_.try_lock(); }
  void lock() noexcept HAKMEM_ACQUIRE(lock_) { lock_.lock(); }
  void unlock() noexcept HAKMEM_RELEASE(lock_) { lock_.unlock(); }
  std::uint32_t superslabs_used_locked() noexcept HAKMEM_REQUIRES(lock_) { return table_.used(); }
  const Superslab& superslab_locked(SlabIndex slab) noexcept HAKMEM_REQUIRES(lock_) {
    return table_[slab.value()];
  }
  // Calls visit(entries, purged) for every page of a superslab that is not free, with the bytes
  // given back of it. Of the pages' records it reads nothing but that: they are their owners'.
  template <class Visit>
  void for_each_lent_page_locked(SlabIndex i, Visit&& visit) noexcept HAKMEM_REQUIRES(lock_) {
    const Superslab& slab = table_[i.value()];
    for (std::uint32_t k = 0; k < slab.pages; ++k) {
      if ((slab.free_pages >> k & 1) != 0) continue;
      const Page& page = records_.page_of(i, slab.bin, k);
      visit(records_.entries_of(i, slab.bin, k),
            page.purged.load_relaxed() * platform_->page_bytes());  // relaxed: a count
    }
  }
  // Calls visit(page) for pages that were with a context when their superslab was looked at.
  template <class Visit>
  void for_each_lent_page(Visit&& visit) noexcept {
    for (std::uint32_t i = 0; i < superslabs_used(); ++i) {
      const Superslab slab = copy_of(i);
      for (std::uint32_t k = 0; k < slab.pages; ++k) {
        if ((slab.free_pages >> k & 1) == 0) visit(records_.page_of(SlabIndex(i), slab.bin, k));
      }
    }
  }
  // For audits of a box at rest (inspect/audit.h). `bin` is of no meaning for FREE.
  Superslab& record_for_test(SlabIndex slab) noexcept HAKMEM_UNCHECKED {
    return table_[slab.value()];
  }
  std::uint32_t list_head_for_test(Tier tier, BinIndex bin) noexcept HAKMEM_UNCHECKED {
    return table_.list_head(tier, bin);
  }

  // Around fork(): no superslab is out of everybody's reach then.
  void lock_for_fork() noexcept HAKMEM_UNCHECKED {
    batch_.lock();
    lock_.lock();
  }
  void unlock_after_fork() noexcept HAKMEM_UNCHECKED {
    lock_.unlock();
    batch_.unlock();
  }

 private:
  static constexpr std::uint32_t kIdleLooks = 4;
  static constexpr std::uint32_t kLooks = 64;  // at superslabs, with the lock held

  static constexpr std::size_t page_bytes(const Page& page) noexcept {
    return SlabTable<Sizes>::page_bytes(static_cast<std::uint8_t>(page.bin));
  }

  // A superslab with a page for the bin: one that serves it, else a FREE one, else a new one. The
  // lock is let go of while the system is asked: the superslab is on no list, out of reach.
  std::uint32_t slab_with_page(BinIndex bin) noexcept HAKMEM_REQUIRES(lock_) {
    std::uint32_t i = table_.with_page(bin);
    if (i != Superslab::kNone) return i;
    i = table_.take_free(bin);
    if (i == Superslab::kNone) {
      i = commit_new_slab();
    } else if (table_[i].bin != bin.value() && !clear_for(bin, i)) {
      table_.put_free(i);
      return Superslab::kNone;
    }
    if (i != Superslab::kNone) table_.serve(i, bin);
    return i;
  }

  // What another bin left in a superslab goes. False when the system refuses.
  bool clear_for(BinIndex bin, std::uint32_t i) noexcept HAKMEM_REQUIRES(lock_) {
    Purge purge = table_.cool_down(i);
    // Pages of another size end elsewhere: old guards would lie in the middle of new pages.
    const bool guards_stay = same_page_size(table_[i].bin, bin.value());
    if (purge.pages == 0 && guards_stay) return true;
    Superslab slab = table_[i];  // memory statistics copy the record meanwhile
    lock_.unlock();
    purger_.purge(purge, bin_of(i));
    const bool cleared = guards_stay || guards_.take_down(slab, address_of(i));
    lock_.lock();
    table_[i].guarded = slab.guarded;
    table_[i].protected_guards = slab.protected_guards;
    table_.note_purged(purge);
    return cleared;
  }

  void* address_of(std::uint32_t slab) const noexcept {
    return reinterpret_cast<void*>(arena_->slab_address(SlabIndex(slab)));
  }
  static constexpr bool same_page_size(std::uint8_t a, std::uint8_t b) noexcept {
    return Sizes::kBinTable[a].page_shift == Sizes::kBinTable[b].page_shift;
  }

  std::uint32_t commit_new_slab() noexcept HAKMEM_REQUIRES(lock_) {
    const std::uint32_t i = table_.reserve_next(arena_->superslabs());
    if (i == Superslab::kNone) return i;
    bool committed = source_.open_records(i);
    if (committed) {
      lock_.unlock();
      committed = source_.commit(i, options_);
      lock_.lock();
    }
    if (!committed) {
      table_.give_up(i);
      return Superslab::kNone;
    }
    table_.committed();
    arena_->put_in_use(SlabIndex(i));
    return i;
  }

  struct Lent {
    std::uint32_t slab = Superslab::kNone;
    std::uint32_t page = 0;  // number within the superslab
    bool has_guard = false;
    bool is_warm = false;  // it has its memory
    bool is_zero = false;
  };

  Lent lend_page(BinIndex bin) noexcept {
    const std::size_t bytes = SlabTable<Sizes>::page_bytes(bin.value());
    if (limit_->over_soft(Holder::kPages, bytes)) trim();
    const LockGuard<C> guard(lock_);
    // A warm page is charged already. But where a charge can be refused, none is left.
    if (!limit_->charge(Holder::kPages, bytes)) return {};
    const std::uint32_t i = slab_with_page(bin);
    if (i == Superslab::kNone) {
      limit_->refund(Holder::kPages, bytes);
      return {};
    }
    const std::size_t warm = table_.totals().warm_bytes;
    const std::uint32_t k = table_.lend(i);
    const bool is_warm = table_.totals().warm_bytes != warm;
    if (is_warm) {
      limit_->refund(Holder::kPages, bytes);
    } else {
      const ColdTotals& now = table_.totals();
      const std::size_t grown = std::min(bytes, Sizes::kUnitBytes);  // touched bit by bit
      if (idle_.grown_by(grown, now.lent_bytes + now.warm_bytes)) {
        periods_by_growth_.fetch_add_relaxed(1);  // relaxed: a hint only
      }
      idle_.taken_anew(bytes);
    }
    const bool has_guard = (table_[i].guarded & (1u << k)) != 0;
    if (guards_pages()) table_[i].guarded |= 1u << k;
    return {i, k, has_guard, is_warm, !is_warm && !table_[i].soiled};
  }

  // A guard keeps the system from using a huge page.
  bool guards_pages() const noexcept {
    return Sizes::kGuardBytes != 0 && options_.huge != HugePages::kAlways;
  }
  // Without one the page gets its next chance when it is lent again.
  void install_guard(const Page& page, const Lent& lent) noexcept {
    const std::uintptr_t end = page.base + page_bytes(page);
    const Guard guard = guards_.put_up(reinterpret_cast<void*>(end - Sizes::kGuardBytes));
    if (guard == Guard::kInstalled) return;
    const LockGuard<C> hold(lock_);
    if (guard == Guard::kProtected) {
      table_[lent.slab].protected_guards |= 1u << lent.page;
    } else {
      table_[lent.slab].guarded &= ~(1u << lent.page);
    }
  }

  // Huge pages would be split, and what is prefaulted is there to stay.
  bool keeps_pages_whole() const noexcept {
    return options_.asks_for_huge() || options_.prefault == Prefault::kYes;
  }

  // Best effort: what is refused is faulted in when it is touched.
  void prefault(const Page& page) noexcept {
    platform_->prefault(reinterpret_cast<void*>(page.base), page_bytes(page) - Sizes::kGuardBytes);
  }

  void take_back(const Page& page, std::uint32_t used_in) noexcept {
    PurgeBatch batch;
    {
      const LockGuard<C> guard(lock_);
      const std::uint32_t i = page.slab_ref.value();
      table_.take_back(i, records_.number_of(page), used_in);
      if (limit_->over_soft(Holder::kPages)) {
        batch.add(table_.withdraw(i, table_[i].warm_pages));
      } else if (table_.totals().warm_bytes > idle_.allowed(table_.totals().lent_bytes)) {
        choose_idle(batch);
      }
    }
    purge_batch(batch);
  }

  // One superslab of those that have had warm pages for longest: each free pays for about one page.
  void choose_idle(PurgeBatch& batch) noexcept HAKMEM_REQUIRES(lock_) {
    for (std::uint32_t n = 0; n < kIdleLooks && batch.size == 0; ++n) {
      const std::uint32_t i = table_.longest_warm();
      const std::uint32_t pages = table_.beyond_cap(i, warm_cap_);
      if (pages != 0) {
        batch.add(table_.withdraw(i, pages));
        idle_.purged_early(static_cast<std::size_t>(std::popcount(pages)) *
                           SlabTable<Sizes>::page_bytes(table_[i].bin));
      }
      if (table_[i].warm_pages != 0) table_.look_later(i);
    }
  }
  std::uint32_t period_by_clock() noexcept {
    return static_cast<std::uint32_t>(platform_->clock_ms() / kDecayPeriodMs);
  }

  // Returns the bytes given back.
  std::size_t purge_batch(PurgeBatch& batch) noexcept {
    if (batch.size == 0) return 0;
    std::size_t bytes = 0;
    for (std::size_t k = 0; k < batch.size; ++k) {
      bytes += purger_.purge(batch.purges[k], bin_of(batch.purges[k].slab));
    }
    const LockGuard<C> guard(lock_);
    for (std::size_t k = 0; k < batch.size; ++k) table_.restore(batch.purges[k]);
    return bytes;
  }

  // Purges what `choose(superslab)` says, of each superslab with warm pages once, those that have
  // had some for longest first. Returns the bytes given back.
  template <class Choose>
  std::size_t purge_warm(Caller caller, Choose& choose) noexcept HAKMEM_UNCHECKED {
    std::size_t bytes = 0;
    std::uint32_t left = ~std::uint32_t{0};
    do {
      PurgeBatch batch;
      if (caller == Caller::kHoldsNone) batch_.lock();
      left = choose_batch(batch, left, choose);
      bytes += purge_batch(batch);
      if (caller == Caller::kHoldsNone) batch_.unlock();
    } while (left != 0);
    return bytes;
  }
  // Returns how many superslabs are still to be looked at, of the `left` before.
  template <class Choose>
  std::uint32_t choose_batch(PurgeBatch& batch, std::uint32_t left, Choose& choose) noexcept {
    const LockGuard<C> guard(lock_);
    left = std::min(left, table_.warm_slabs());
    for (std::uint32_t n = 0; n < kLooks && left != 0 && !batch.full(); ++n, --left) {
      const std::uint32_t i = table_.longest_warm();
      const std::uint32_t pages = choose(i);
      if (pages != 0) batch.add(table_.withdraw(i, pages));
      if (table_[i].warm_pages != 0) table_.look_later(i);
    }
    return left;
  }

  Superslab copy_of(std::uint32_t i) noexcept {
    const LockGuard<C> guard(lock_);
    return table_[i];
  }

  // The bin of a superslab changes only while none of its pages is lent or withdrawn.
  std::uint8_t bin_of(std::uint32_t slab) noexcept HAKMEM_UNCHECKED { return table_[slab].bin; }

  Platform* platform_ = nullptr;
  Arena<C>* arena_ = nullptr;
  Limit* limit_ = nullptr;
  MappingBudget<C>* mappings_ = nullptr;
  PageRecords<C> records_;
  PageGuards<C> guards_;
  Purger<C> purger_;
  SuperslabSource<C> source_;  // its records: under lock_
  MemoryOptions options_{};
  Lock<C>
      batch_;  // over system calls too: only a fork waits for it, and others of Caller::kHoldsNone
  Lock<C> lock_;
  SlabTable<Sizes> table_ HAKMEM_GUARDED_BY(lock_);
  std::array<std::uint32_t, kClassesMax> warm_cap_ HAKMEM_GUARDED_BY(lock_){};
  IdleAccount<typename C::Tuning> idle_ HAKMEM_GUARDED_BY(lock_);
  typename C::World::template atomic<std::uint32_t> seen_period_{0};
  typename C::World::template atomic<std::uint32_t> periods_by_growth_{0};
};

}  // namespace hakmem
