// The cold box: superslabs, their tiers, the budget and the page guards, behind ColdInterface.
// Everything here is off the hot path and under one lock.
//
//   refill_page: HOT with a free page -> DRAINING -> FREE (purged if it changes its bin) -> new
//   retire_page: the page keeps its memory (it is warm). Up to warm_cap such pages of a class stay;
//                the others are purged, superslab by superslab, once nothing has come to theirs for
//                one to two decay periods. Time is looked at in refill, retire and age: no thread
//                is needed, and no owner.
//
// A page is charged to the memory limit (base/memory_limit.h) while it is lent or warm. Above the
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

#include "base/memory_limit.h"
#include "cold/cold_interface.h"
#include "cold/mapping_budget.h"
#include "cold/slab_table.h"
#include "config/memory_options.h"
#include "page/arena.h"
#include "pal/lock.h"

namespace hakmem {

template <class C>
class ColdBox {
 public:
  using Platform = typename C::Platform;
  using Geometry = typename C::Geometry;
  using Sizes = typename C::Sizes;
  using Page = SoPage<C>;
  using Limit = typename C::Limit;
  static constexpr std::uint64_t kDecayPeriodMs = 250;

  bool init(Platform& platform, Arena<C>& arena, Limit& limit,
            MappingBudget<C>& mappings) noexcept {
    platform_ = &platform;
    arena_ = &arena;
    limit_ = &limit;
    mappings_ = &mappings;
    void* const records = platform.sparse(arena.superslabs() * sizeof(Superslab));
    const LockGuard<C> guard(lock_);
    table_.init(static_cast<Superslab*>(records));
    return records != nullptr;
  }

  // System calls are made without the lock: the page is already the borrower's alone.
  Page* refill_page(BinIndex bin, PageOwner<C> owner) noexcept {
    const Lent lent = lend_page(bin);
    if (lent.slab == Superslab::kNone) return nullptr;
    purge_decayed();
    Page& page = set_up_page(bin, lent);
    if (guards_pages() && !lent.has_guard) install_guard(page, lent);
    if (!lent.is_warm && options_.prefault == Prefault::kYes) prefault(page);
    set_owner(page, owner);
    return &page;
  }

  // Before the first use.
  void set_options(const MemoryOptions& options) noexcept { options_ = options; }
  const MemoryOptions& options() const noexcept { return options_; }

  // Requires: page.used == 0, and no context uses the page any more.
  void retire_page(Page& page) noexcept {
    page.flags = PageFlag::kRetired;
    set_owner(page, {});
    purge_decayed();  // first: it looks at the clock, and this page's time starts now
    take_back(page);
  }

  // Purges what is due, for callers that neither borrow nor return a page.
  void age() noexcept { purge_decayed(); }
  // The decay period that was last noticed, a running number.
  std::uint32_t seen_period() const noexcept {
    return seen_period_.load_relaxed();  // relaxed: a hint only
  }

  // Free pages of a class that keep their memory; set from the policy snapshot.
  void set_warm_cap(std::uint8_t size_class, std::uint32_t pages) noexcept {
    const LockGuard<C> guard(lock_);
    warm_cap_[size_class] = pages;
  }
  // Bytes that contexts may borrow in total; 0 = no limit.
  void set_budget(std::size_t bytes) noexcept {
    const LockGuard<C> guard(lock_);
    budget_ = bytes;
  }

  // Gives back the memory of every free page. Returns the bytes given back.
  std::size_t trim() noexcept {
    const LockGuard<C> guard(lock_);
    return cool_everything();
  }

  ColdTotals totals() noexcept {
    const LockGuard<C> guard(lock_);
    return table_.totals();
  }
  Tier tier_of(SlabIndex slab) noexcept {
    const LockGuard<C> guard(lock_);
    return table_[slab.value()].tier;
  }
  std::uint32_t superslabs_used() noexcept {
    const LockGuard<C> guard(lock_);
    return table_.used();
  }
  // For a survey (front/survey.h), between try_lock or lock_for_fork and unlock_after_fork.
  bool try_lock() noexcept HAKMEM_TRY_ACQUIRE(true, lock_) { return lock_.try_lock(); }
  ColdTotals totals_locked() noexcept HAKMEM_REQUIRES(lock_) { return table_.totals(); }
  // Calls visit(bin, entries) for every page that is with a context. Reads superslab records only,
  // not the pages': those are their owners'.
  template <class Visit>
  void for_each_lent_page_locked(Visit&& visit) noexcept HAKMEM_REQUIRES(lock_) {
    for (std::uint32_t i = 0; i < table_.used(); ++i) {
      const Superslab& slab = table_[i];
      const std::size_t stride = Sizes::kBinTable[slab.bin].entry_stride;
      for (std::uint32_t k = 0; k < slab.pages; ++k) {
        if ((slab.free_pages >> k & 1) != 0) continue;
        visit(BinIndex(slab.bin), arena_->slab_entries(SlabIndex(i)) + k * stride);
      }
    }
  }
  // For audits of a box at rest (front/audit.h). `bin` is of no meaning for FREE.
  Superslab& record_for_test(SlabIndex slab) noexcept HAKMEM_UNCHECKED {
    return table_[slab.value()];
  }
  std::uint32_t list_head_for_test(Tier tier, BinIndex bin) noexcept HAKMEM_UNCHECKED {
    return table_.list_head(tier, bin);
  }

  void lock_for_fork() noexcept HAKMEM_ACQUIRE(lock_) { lock_.lock(); }
  void unlock_after_fork() noexcept HAKMEM_RELEASE(lock_) { lock_.unlock(); }

 private:
  static constexpr std::size_t kPurgeBatch = 16;
  static constexpr std::uint32_t kSlabsAhead = 512;

  static constexpr std::size_t page_bytes(const Page& page) noexcept {
    return SlabTable<Sizes>::page_bytes(static_cast<std::uint8_t>(page.bin));
  }
  static constexpr std::uint32_t units_per_page(std::uint8_t bin) noexcept {
    return 1u << (Sizes::kBinTable[bin].page_shift - Geometry::kUnitShift);
  }
  std::uint32_t page_number(const Page& page) const noexcept {
    const std::uint32_t within = arena_->unit_of(page) - arena_->first_unit(page.slab_ref);
    return within / units_per_page(static_cast<std::uint8_t>(page.bin));
  }

  // Returns the bytes given back.
  std::size_t cool_everything() noexcept HAKMEM_REQUIRES(lock_) {
    const std::size_t bytes = table_.totals().warm_bytes;
    if (bytes == 0) return 0;
    for (std::uint32_t i = 0; i < table_.used(); ++i) purge_pages(table_.cool_down(i));
    return bytes;
  }

  // A superslab with a page for the bin: one that serves it, else a FREE one, else a new one.
  std::uint32_t slab_with_page(BinIndex bin) noexcept HAKMEM_REQUIRES(lock_) {
    std::uint32_t i = table_.with_page(bin);
    if (i != Superslab::kNone) return i;
    i = table_.take_free(bin);
    if (i == Superslab::kNone) i = commit_new_slab();
    if (i == Superslab::kNone) return i;
    const std::uint8_t before = table_[i].bin;
    if (before != bin.value()) purge_pages(table_.cool_down(i));
    if (!same_page_size(before, bin.value()) && !remove_guards(i)) {
      table_.put_free(i);
      return Superslab::kNone;
    }
    table_.serve(i, bin);
    return i;
  }

  static constexpr bool same_page_size(std::uint8_t a, std::uint8_t b) noexcept {
    return Sizes::kBinTable[a].page_shift == Sizes::kBinTable[b].page_shift;
  }

  // Pages of another size end elsewhere: old guards would lie in the middle of new pages. False
  // when the system refuses; guards are then as they were, or some of them gone.
  bool remove_guards(std::uint32_t i) noexcept HAKMEM_REQUIRES(lock_) {
    Superslab& slab = table_[i];
    void* const at = reinterpret_cast<void*>(arena_->slab_address(SlabIndex(i)));
    if (slab.fenced != 0) {
      if (!platform_->commit(at, Sizes::kSuperslabBytes)) return false;
      mappings_->give_guards(static_cast<std::size_t>(std::popcount(slab.fenced)));
      slab.guarded &= ~slab.fenced;
      slab.fenced = 0;
    }
    if (slab.guarded != 0 && !platform_->unguard(at, Sizes::kSuperslabBytes)) return false;
    slab.guarded = 0;
    return true;
  }

  // Neighbours are committed one after the other, so that all together are one mapping.
  std::uint32_t commit_new_slab() noexcept HAKMEM_REQUIRES(lock_) {
    const std::uint32_t i = table_.used();
    if (i == arena_->superslabs()) return Superslab::kNone;
    void* const at = reinterpret_cast<void*>(arena_->slab_address(SlabIndex(i)));
    if (i % kSlabsAhead == 0) prepare_ahead(i, at);
    if (!platform_->commit(at, Sizes::kSuperslabBytes)) {
      mappings_->refused();
      return Superslab::kNone;
    }
    table_.add();
    return i;
  }
  // What else tells one mapping from another is said ahead for a part of the arena. Said after the
  // commit, it would first cut a mapping in two, which needs one more just when there may be none.
  void prepare_ahead(std::uint32_t i, void* at) noexcept {
    const std::uint32_t slabs = std::min(arena_->superslabs() - i, kSlabsAhead);
    const std::size_t bytes = slabs * Sizes::kSuperslabBytes;
    platform_->reveal(at, bytes);
    if (options_.huge != HugePages::kSystem) {
      platform_->advise_huge(at, bytes, advice_of(options_));
    }
  }

  struct Lent {
    std::uint32_t slab = Superslab::kNone;
    std::uint32_t page = 0;  // number within the superslab
    bool has_guard = false;
    bool is_warm = false;  // it has its memory
  };

  Lent lend_page(BinIndex bin) noexcept {
    const LockGuard<C> guard(lock_);
    const std::size_t bytes = SlabTable<Sizes>::page_bytes(bin.value());
    if (budget_ != 0 && table_.totals().lent_bytes + bytes > budget_) return {};
    if (limit_->crowded(Holder::kPages, bytes)) cool_everything();
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
    if (is_warm) limit_->refund(Holder::kPages, bytes);
    const bool has_guard = (table_[i].guarded & (1u << k)) != 0;
    if (guards_pages()) table_[i].guarded |= 1u << k;
    return {i, k, has_guard, is_warm};
  }

  // In every unit of the page. Relaxed: while it has no owner the page has no live block, and its
  // blocks reach other threads only after its owner has handed them out.
  void set_owner(Page& page, PageOwner<C> owner) noexcept {
    const std::uint32_t units = units_per_page(static_cast<std::uint8_t>(page.bin));
    for (std::uint32_t u = page.head; u < page.head + units; ++u) {
      arena_->page(u).magazine = owner.magazine;
      arena_->page(u).owner.store_relaxed(owner.context);
    }
  }

  Page& set_up_page(BinIndex bin, const Lent& lent) noexcept {
    const BinInfo& info = Sizes::info(bin);
    const SlabIndex slab(lent.slab);
    const std::uint32_t units = units_per_page(bin.value());
    const std::uint32_t head = arena_->first_unit(slab) + lent.page * units;
    for (std::uint32_t u = head; u < head + units; ++u) {
      Page& page = arena_->page(u);
      page.base = arena_->unit_address(head);
      page.reciprocal = info.reciprocal;
      page.entries = arena_->slab_entries(slab) + std::size_t{lent.page} * info.entry_stride;
      page.block_size = info.block_size;
      page.head = head;
      page.slab_ref = slab;
      page.capacity = info.capacity;
      page.bin = bin.value();
      page.class_idx = info.size_class;
    }
    Page& page = arena_->page(head);
    page.freelist = kNoSlot;
    page.used = 0;
    page.carved = 0;
    page.next = page.prev = Page::kNoPage;
    page.remote_head.store_relaxed(kNoSlot);  // relaxed: nobody else can reach the page yet
    return page;
  }

  // A guard keeps the system from using a huge page.
  bool guards_pages() const noexcept {
    return Sizes::kGuardBytes != 0 && options_.huge != HugePages::kAlways;
  }
  // Best effort: without a guard the page is as good as in a flavour that has none, and gets its
  // next chance when it is lent again.
  void install_guard(const Page& page, const Lent& lent) noexcept {
    const std::uintptr_t end = page.base + page_bytes(page);
    void* const at = reinterpret_cast<void*>(end - Sizes::kGuardBytes);
    if (platform_->guard(at, Sizes::kGuardBytes)) return;
    const bool fenced = fence(at);
    const LockGuard<C> guard(lock_);
    if (fenced) {
      table_[lent.slab].fenced |= 1u << lent.page;
    } else {
      table_[lent.slab].guarded &= ~(1u << lent.page);
    }
  }
  bool fence(void* at) noexcept {
    if (!mappings_->take_guard()) return false;
    if (platform_->protect(at, Sizes::kGuardBytes)) return true;
    mappings_->give_guards(1);
    return false;
  }

  // Best effort: what is refused is faulted in when it is touched.
  void prefault(const Page& page) noexcept {
    platform_->prefault(reinterpret_cast<void*>(page.base), page_bytes(page) - Sizes::kGuardBytes);
  }

  void take_back(const Page& page) noexcept {
    const LockGuard<C> guard(lock_);
    const std::uint32_t i = page.slab_ref.value();
    table_.take_back(i, page_number(page), period_);
    if (limit_->crowded(Holder::kPages)) purge_pages(table_.cool_down(i));
  }

  // Once per period: purges what has been warm for more than one, beyond the caps.
  void purge_decayed() noexcept {
    const auto now = static_cast<std::uint32_t>(platform_->clock_ms() / kDecayPeriodMs);
    if (HAKMEM_LIKELY(now == seen_period_.load_relaxed())) return;  // relaxed: a hint only
    seen_period_.store_relaxed(now);
    for (std::uint32_t next = 0; next != Superslab::kNone;) next = purge_some(next, now);
  }

  // Purges up to kPurgeBatch superslabs from number `i` on; the pages are out of reach meanwhile,
  // so that the system calls need no lock. Returns where to go on, kNone at the end.
  std::uint32_t purge_some(std::uint32_t i, std::uint32_t now) noexcept {
    std::array<Purge, kPurgeBatch> batch;
    std::size_t n = 0;
    {
      const LockGuard<C> guard(lock_);
      period_ = now;
      for (; i < table_.used() && n < kPurgeBatch; ++i) {
        const std::uint32_t pages = table_.decayed(i, now, warm_cap_);
        if (pages != 0) batch[n++] = table_.withdraw(i, pages);
      }
      if (i == table_.used()) i = Superslab::kNone;
    }
    for (std::size_t k = 0; k < n; ++k) purge_pages(batch[k]);
    const LockGuard<C> guard(lock_);
    for (std::size_t k = 0; k < n; ++k) table_.restore(batch[k]);
    return i;
  }

  // Pages that were warm until now. One call per run of neighbours.
  void purge_pages(const Purge& purge) noexcept {
    if (purge.pages == 0) return;
    const std::uintptr_t base = arena_->slab_address(SlabIndex(purge.slab));
    const std::size_t bytes = bytes_of_pages_in(purge.slab);
    for (std::uint32_t rest = purge.pages; rest != 0;) {
      const auto first = static_cast<std::uint32_t>(std::countr_zero(rest));
      const auto count = static_cast<std::uint32_t>(std::countr_one(rest >> first));
      platform_->purge(reinterpret_cast<void*>(base + first * bytes), count * bytes);
      rest &= count + first == 32 ? 0u : ~0u << (first + count);
    }
    limit_->refund(Holder::kPages, static_cast<std::size_t>(std::popcount(purge.pages)) * bytes);
  }

  // The bin of a superslab changes only while none of its pages is lent or withdrawn.
  std::size_t bytes_of_pages_in(std::uint32_t slab) noexcept HAKMEM_UNCHECKED {
    return SlabTable<Sizes>::page_bytes(table_[slab].bin);
  }

  Platform* platform_ = nullptr;
  Arena<C>* arena_ = nullptr;
  Limit* limit_ = nullptr;
  MappingBudget<C>* mappings_ = nullptr;
  MemoryOptions options_{};
  Lock<C> lock_;
  SlabTable<Sizes> table_ HAKMEM_GUARDED_BY(lock_);
  std::array<std::uint32_t, kClassesMax> warm_cap_ HAKMEM_GUARDED_BY(lock_){};
  std::size_t budget_ HAKMEM_GUARDED_BY(lock_) = 0;
  std::uint32_t period_ HAKMEM_GUARDED_BY(lock_) = 0;
  typename C::World::template atomic<std::uint32_t> seen_period_{0};
};

}  // namespace hakmem
