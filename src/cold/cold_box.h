// The cold box: superslabs, their tiers, the budget and the page guards, behind ColdInterface.
// Everything here is off the hot path and under one lock.
//
//   refill_page: HOT with a free page -> DRAINING -> FREE (purged if it changes its bin) -> new
//   retire_page: the page keeps its memory (it is warm). Up to warm_cap such pages of a class stay;
//                the others are purged, superslab by superslab, once nothing has come to theirs for
//                one to two decay periods. Time is looked at in refill and retire: no thread is
//                needed, and no owner.
//
// A superslab serves one bin until it is empty, so a stale pointer never sees another type's
// blocks. Laws: S1-S4 (laws/slab_laws.h). Tests: tests/unit/cold_test.cc.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/rng.h"
#include "cold/cold_interface.h"
#include "cold/superslab.h"
#include "page/arena.h"
#include "pal/lock.h"

namespace hakmem {

struct ColdTotals {
  std::size_t committed_bytes = 0;  // superslabs that have ever been handed out
  std::size_t lent_bytes = 0;       // pages with contexts
  std::size_t warm_bytes = 0;       // free pages that still hold memory
  std::array<std::uint32_t, 4> superslabs_by_tier{};
};

template <class C>
class ColdBox {
 public:
  using Platform = typename C::Platform;
  using Geometry = typename C::Geometry;
  using Sizes = typename C::Sizes;
  using Page = SoPage<C>;
  static constexpr std::uint64_t kDecayPeriodMs = 250;

  bool init(Platform& platform, Arena<C>& arena) noexcept {
    platform_ = &platform;
    arena_ = &arena;
    slabs_ = static_cast<Superslab*>(platform.sparse(arena.superslabs() * sizeof(Superslab)));
    return slabs_ != nullptr;
  }

  // System calls are made without the lock: the page is already the borrower's alone.
  Page* refill_page(BinIndex bin, PageOwner<C> owner) noexcept {
    const Lent lent = lend_page(bin);
    if (lent.slab == Superslab::kNone) return nullptr;
    purge_decayed();
    Page& page = set_up_page(bin, lent);
    if (!lent.has_guard) install_guard(page);
    set_owner(page, owner);
    return &page;
  }

  // Requires: page.used == 0, and no context uses the page any more.
  void retire_page(Page& page) noexcept {
    const BinIndex bin(static_cast<std::uint8_t>(page.bin));
    page.flags = PageFlag::kRetired;
    set_owner(page, {});
    purge_decayed();  // first: it looks at the clock, and this page's time starts now
    take_back(page, page_bytes(bin));
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
    const std::size_t before = totals_.warm_bytes;
    for (std::uint32_t i = 0; i < slabs_used_; ++i) purge_warm_pages(i);
    return before - totals_.warm_bytes;
  }

  ColdTotals totals() noexcept {
    const LockGuard<C> guard(lock_);
    return totals_;
  }
  Tier tier_of(SlabIndex slab) noexcept {
    const LockGuard<C> guard(lock_);
    return slabs_[slab.value()].tier;
  }
  std::uint32_t superslabs_used() noexcept {
    const LockGuard<C> guard(lock_);
    return slabs_used_;
  }
  // Calls visit(bin, entries) for every page that is with a context. Reads superslab records only,
  // not the pages': those are their owners'.
  template <class Visit>
  void for_each_lent_page(Visit&& visit) noexcept {
    const LockGuard<C> guard(lock_);
    for (std::uint32_t i = 0; i < slabs_used_; ++i) {
      const Superslab& slab = slabs_[i];
      const std::size_t stride = Sizes::kBinTable[slab.bin].entry_stride;
      for (std::uint32_t k = 0; k < slab.pages; ++k) {
        if ((slab.free_pages >> k & 1) != 0) continue;
        visit(BinIndex(slab.bin), arena_->slab_entries(SlabIndex(i)) + k * stride);
      }
    }
  }
  // For audits of a box at rest (front/audit.h). `bin` is of no meaning for FREE.
  Superslab& record_for_test(SlabIndex slab) noexcept HAKMEM_UNCHECKED {
    return slabs_[slab.value()];
  }
  std::uint32_t list_head_for_test(Tier tier, BinIndex bin) noexcept HAKMEM_UNCHECKED {
    if (tier == Tier::kFree) return free_.head;
    return tier == Tier::kDraining ? draining_[bin.value()].head : hot_[bin.value()].head;
  }

  void lock_for_fork() noexcept HAKMEM_ACQUIRE(lock_) { lock_.lock(); }
  void unlock_after_fork() noexcept HAKMEM_RELEASE(lock_) { lock_.unlock(); }

 private:
  static constexpr std::size_t kPurgeBatch = 16;

  static constexpr std::size_t page_bytes(BinIndex bin) noexcept {
    return std::size_t{1} << Sizes::info(bin).page_shift;
  }
  static constexpr std::uint32_t units_per_page(std::uint8_t bin) noexcept {
    return 1u << (Sizes::kBinTable[bin].page_shift - Geometry::kUnitShift);
  }
  std::uint32_t page_number(const Page& page) const noexcept {
    const std::uint32_t within = arena_->unit_of(page) - arena_->first_unit(page.slab_ref);
    return within / units_per_page(static_cast<std::uint8_t>(page.bin));
  }

  std::uint32_t slab_with_page(BinIndex bin) noexcept HAKMEM_REQUIRES(lock_) {
    SlabList& hot = hot_[bin.value()];
    if (hot.head != Superslab::kNone) return hot.head;
    SlabList& draining = draining_[bin.value()];
    if (draining.head != Superslab::kNone) {
      const std::uint32_t i = draining.head;
      unlink_slab(slabs_, draining, i);
      set_tier(i, Tier::kHot);
      link_slab(slabs_, hot, i);
      return i;
    }
    return adopt_empty_slab(bin);
  }

  // A FREE superslab, best one that served this bin before, else a new one; it becomes HOT.
  std::uint32_t adopt_empty_slab(BinIndex bin) noexcept HAKMEM_REQUIRES(lock_) {
    std::uint32_t i = free_.head;
    while (i != Superslab::kNone && slabs_[i].bin != bin.value()) i = slabs_[i].next;
    if (i == Superslab::kNone) i = free_.head;
    if (i != Superslab::kNone) {
      unlink_slab(slabs_, free_, i);
      if (slabs_[i].bin != bin.value()) purge_warm_pages(i);
    } else {
      i = commit_new_slab();
      if (i == Superslab::kNone) return i;
    }
    Superslab& slab = slabs_[i];
    if (!same_page_size(slab.bin, bin.value())) remove_guards(i);
    const std::uint32_t pages = Sizes::info(bin).pages_per_superslab;
    slab.bin = bin.value();
    slab.pages = static_cast<std::uint8_t>(pages);
    slab.free_pages = pages == 32 ? ~0u : (1u << pages) - 1;
    set_tier(i, Tier::kHot);
    link_slab(slabs_, hot_[bin.value()], i);
    return i;
  }

  static constexpr bool same_page_size(std::uint8_t a, std::uint8_t b) noexcept {
    return Sizes::kBinTable[a].page_shift == Sizes::kBinTable[b].page_shift;
  }

  // Pages of another size end elsewhere: old guards would lie in the middle of new pages.
  void remove_guards(std::uint32_t i) noexcept HAKMEM_REQUIRES(lock_) {
    if (slabs_[i].guarded == 0) return;
    void* const at = reinterpret_cast<void*>(arena_->slab_address(SlabIndex(i)));
    platform_->unguard(at, Sizes::kSuperslabBytes);
    slabs_[i].guarded = 0;
  }

  std::uint32_t commit_new_slab() noexcept HAKMEM_REQUIRES(lock_) {
    if (slabs_used_ == arena_->superslabs()) return Superslab::kNone;
    const std::uint32_t i = slabs_used_;
    void* const at = reinterpret_cast<void*>(arena_->slab_address(SlabIndex(i)));
    if (!platform_->commit(at, Sizes::kSuperslabBytes)) return Superslab::kNone;
    ++slabs_used_;
    totals_.committed_bytes += Sizes::kSuperslabBytes;
    return i;
  }

  struct Lent {
    std::uint32_t slab = Superslab::kNone;
    std::uint32_t page = 0;  // number within the superslab
    bool has_guard = false;
  };

  Lent lend_page(BinIndex bin) noexcept {
    const LockGuard<C> guard(lock_);
    if (budget_ != 0 && totals_.lent_bytes + page_bytes(bin) > budget_) return {};
    const std::uint32_t i = slab_with_page(bin);
    if (i == Superslab::kNone) return {};
    Superslab& slab = slabs_[i];
    const std::uint32_t warm = slab.free_pages & slab.warm_pages;
    const auto k = static_cast<std::uint32_t>(std::countr_zero(warm != 0 ? warm : slab.free_pages));
    slab.free_pages &= ~(1u << k);
    if ((slab.warm_pages & (1u << k)) != 0) forget_warm(slab, k);
    if (slab.free_pages == 0) unlink_slab(slabs_, hot_[slab.bin], i);
    totals_.lent_bytes += page_bytes(BinIndex(slab.bin));
    const bool has_guard = (slab.guarded & (1u << k)) != 0;
    slab.guarded |= 1u << k;
    return {i, k, has_guard};
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

  void install_guard(const Page& page) noexcept {
    if constexpr (Sizes::kGuardBytes != 0) {
      const std::uintptr_t end = page.base + page_bytes(BinIndex(static_cast<std::uint8_t>(page.bin)));
      platform_->guard(reinterpret_cast<void*>(end - Sizes::kGuardBytes), Sizes::kGuardBytes);
    }
  }

  void take_back(Page& page, std::size_t bytes) noexcept {
    const LockGuard<C> guard(lock_);
    const std::uint32_t i = page.slab_ref.value();
    Superslab& slab = slabs_[i];
    const std::uint32_t bit = 1u << page_number(page);
    slab.free_pages |= bit;
    slab.warm_pages |= bit;
    slab.warm_since = period_;
    ++warm_[page.class_idx];
    totals_.warm_bytes += bytes;
    totals_.lent_bytes -= bytes;
    update_tier(i);
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
      for (; i < slabs_used_ && n < kPurgeBatch; ++i) {
        const std::uint32_t pages = decayed_pages(slabs_[i], now);
        if (pages != 0) batch[n++] = withdraw(i, pages);
      }
      if (i == slabs_used_) i = Superslab::kNone;
    }
    for (std::size_t k = 0; k < n; ++k) purge_pages(batch[k]);
    const LockGuard<C> guard(lock_);
    for (std::size_t k = 0; k < n; ++k) {
      slabs_[batch[k].slab].free_pages |= batch[k].pages;
      update_tier(batch[k].slab);
    }
    return i;
  }

  struct Purge {
    std::uint32_t slab;
    std::uint32_t pages;       // bit k: page k
    std::size_t page_bytes;
  };

  // The warm pages of a superslab that nothing has come to for a whole period, beyond the cap.
  std::uint32_t decayed_pages(const Superslab& slab, std::uint32_t now) noexcept
      HAKMEM_REQUIRES(lock_) {
    if (slab.warm_pages == 0 || now - slab.warm_since < 2) return 0;
    const std::uint8_t size_class = Sizes::kBinTable[slab.bin].size_class;
    const std::uint32_t excess =
        warm_[size_class] > warm_cap_[size_class] ? warm_[size_class] - warm_cap_[size_class] : 0;
    std::uint32_t pages = slab.warm_pages;
    while (static_cast<std::uint32_t>(std::popcount(pages)) > excess) pages &= pages - 1;
    return pages;
  }

  // Takes free warm pages out of everybody's reach; they are then neither warm nor lent.
  Purge withdraw(std::uint32_t i, std::uint32_t pages) noexcept HAKMEM_REQUIRES(lock_) {
    Superslab& slab = slabs_[i];
    if (slab.listed) unlink_slab(slabs_, list_of(slab), i);
    slab.free_pages &= ~pages;
    for (std::uint32_t rest = pages; rest != 0; rest &= rest - 1) {
      forget_warm(slab, static_cast<std::uint32_t>(std::countr_zero(rest)));
    }
    // A FREE superslab stays off its list meanwhile: whoever adopts one takes all of its pages.
    if (slab.free_pages != 0 && slab.tier != Tier::kFree) link_slab(slabs_, list_of(slab), i);
    return {i, pages, page_bytes(BinIndex(slab.bin))};
  }

  // One call per run of neighbours.
  void purge_pages(const Purge& purge) noexcept {
    const std::uintptr_t base = arena_->slab_address(SlabIndex(purge.slab));
    for (std::uint32_t rest = purge.pages; rest != 0;) {
      const auto first = static_cast<std::uint32_t>(std::countr_zero(rest));
      const auto count = static_cast<std::uint32_t>(std::countr_one(rest >> first));
      platform_->purge(reinterpret_cast<void*>(base + first * purge.page_bytes),
                       count * purge.page_bytes);
      rest &= count + first == 32 ? 0u : ~0u << (first + count);
    }
  }

  SlabList& list_of(const Superslab& slab) noexcept HAKMEM_REQUIRES(lock_) {
    if (slab.tier == Tier::kFree) return free_;
    return slab.tier == Tier::kDraining ? draining_[slab.bin] : hot_[slab.bin];
  }

  void forget_warm(Superslab& slab, std::uint32_t k) noexcept HAKMEM_REQUIRES(lock_) {
    slab.warm_pages &= ~(1u << k);
    --warm_[Sizes::kBinTable[slab.bin].size_class];
    totals_.warm_bytes -= page_bytes(BinIndex(slab.bin));
  }

  void purge_warm_pages(std::uint32_t i) noexcept HAKMEM_REQUIRES(lock_) {
    Superslab& slab = slabs_[i];
    const std::size_t bytes = page_bytes(BinIndex(slab.bin));
    while (slab.warm_pages != 0) {
      const auto k = static_cast<std::uint32_t>(std::countr_zero(slab.warm_pages));
      const std::uintptr_t at = arena_->slab_address(SlabIndex(i)) + k * bytes;
      platform_->purge(reinterpret_cast<void*>(at), bytes);
      forget_warm(slab, k);
    }
  }

  // After a page came back: empty -> FREE; sparse while others can serve -> DRAINING; else HOT.
  void update_tier(std::uint32_t i) noexcept HAKMEM_REQUIRES(lock_) {
    Superslab& slab = slabs_[i];
    const auto free = static_cast<std::uint32_t>(std::popcount(slab.free_pages));
    if (slab.listed) unlink_slab(slabs_, list_of(slab), i);
    if (free == slab.pages) {
      set_tier(i, Tier::kFree);
      link_slab(slabs_, free_, i);
      return;
    }
    const bool sparse = free * 4 >= slab.pages * 3u;
    const bool others = hot_[slab.bin].head != Superslab::kNone;
    const bool drains = slab.tier == Tier::kDraining || (sparse && others);
    set_tier(i, drains ? Tier::kDraining : Tier::kHot);
    link_slab(slabs_, drains ? draining_[slab.bin] : hot_[slab.bin], i);
  }

  void set_tier(std::uint32_t i, Tier tier) noexcept HAKMEM_REQUIRES(lock_) {
    Superslab& slab = slabs_[i];
    if (slab.tier != Tier::kUnused) --totals_.superslabs_by_tier[static_cast<std::size_t>(slab.tier)];
    ++totals_.superslabs_by_tier[static_cast<std::size_t>(tier)];
    slab.tier = tier;
  }

  Platform* platform_ = nullptr;
  Arena<C>* arena_ = nullptr;
  Superslab* slabs_ HAKMEM_GUARDED_BY(lock_) = nullptr;
  Lock<C> lock_;
  std::uint32_t slabs_used_ HAKMEM_GUARDED_BY(lock_) = 0;
  std::array<SlabList, Sizes::kBins> hot_ HAKMEM_GUARDED_BY(lock_){};
  std::array<SlabList, Sizes::kBins> draining_ HAKMEM_GUARDED_BY(lock_){};
  SlabList free_ HAKMEM_GUARDED_BY(lock_){};
  std::array<std::uint32_t, kClassesMax> warm_ HAKMEM_GUARDED_BY(lock_){};
  std::array<std::uint32_t, kClassesMax> warm_cap_ HAKMEM_GUARDED_BY(lock_){};
  std::size_t budget_ HAKMEM_GUARDED_BY(lock_) = 0;
  std::uint32_t period_ HAKMEM_GUARDED_BY(lock_) = 0;
  typename C::World::template atomic<std::uint32_t> seen_period_{0};
  ColdTotals totals_ HAKMEM_GUARDED_BY(lock_){};
};

}  // namespace hakmem
