// SlabTable: the records of all superslabs, the lists of their tiers, and what is counted about
// them. Bookkeeping only: no system call, no lock. The cold box holds its lock around every call
// and makes the system calls in between (cold_box.h).
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "cold/superslab.h"
#include "config/geometry.h"

namespace hakmem {

struct ColdTotals {
  std::size_t committed_bytes = 0;  // superslabs that have ever been handed out
  std::size_t lent_bytes = 0;       // pages with contexts
  std::size_t warm_bytes = 0;       // free pages that still hold memory
  std::array<std::uint32_t, 4> superslabs_by_tier{};
};

// Free pages of one superslab that are on their way back to the system.
struct Purge {
  std::uint32_t slab = Superslab::kNone;
  std::uint32_t pages = 0;  // bit k: page k
  bool refused = false;     // the system did not take all of them
  bool whole = false;       // nothing else of the superslab is in use or warm
};

template <class Sizes>
class SlabTable {
 public:
  static constexpr std::size_t page_bytes(std::uint8_t bin) noexcept {
    return std::size_t{1} << Sizes::kBinTable[bin].page_shift;
  }

  void init(Superslab* records) noexcept { slabs_ = records; }
  Superslab& operator[](std::uint32_t i) noexcept { return slabs_[i]; }
  const ColdTotals& totals() const noexcept { return totals_; }
  std::uint32_t used() const noexcept { return used_; }
  std::uint32_t list_head(Tier tier, BinIndex bin) const noexcept {
    if (tier == Tier::kFree) return free_.front();
    return tier == Tier::kDraining ? draining_[bin.value()].front() : hot_[bin.value()].front();
  }

  // A superslab never used so far, for the caller to commit; kNone when `limit` are in use.
  std::uint32_t reserve_next(std::uint32_t limit) noexcept {
    const std::uint32_t i = refused_.front();
    if (i == Superslab::kNone) return used_ == limit ? i : used_++;
    unlink_slab(slabs_, refused_, i);
    return i;
  }
  void committed() noexcept { totals_.committed_bytes += Sizes::kSuperslabBytes; }
  // It could not be committed.
  void give_up(std::uint32_t i) noexcept {
    if (i + 1 == used_) {
      --used_;
    } else {
      link_slab(slabs_, refused_, i);
      slabs_[i].listed = false;
    }
  }

  // A superslab that can lend a page of the bin: HOT, else DRAINING, which then is HOT again.
  std::uint32_t with_page(BinIndex bin) noexcept {
    SlabList& hot = hot_[bin.value()];
    if (!hot.empty()) return hot.front();
    const std::uint32_t i = draining_[bin.value()].front();
    if (i == Superslab::kNone) return i;
    unlink_slab(slabs_, draining_[bin.value()], i);
    set_tier(i, Tier::kHot);
    link_slab(slabs_, hot, i);
    return i;
  }

  // A FREE superslab, best one that served this bin before; it is then on no list.
  std::uint32_t take_free(BinIndex bin) noexcept {
    std::uint32_t i = free_of_[bin.value()].front();
    if (i == Superslab::kNone) i = free_.front();
    if (i != Superslab::kNone) unlist(i);
    return i;
  }

  // Undoes take_free.
  void put_free(std::uint32_t i) noexcept { list(i); }

  // Requires: the superslab is on no list, and none of its pages is lent, or warm for another bin.
  void serve(std::uint32_t i, BinIndex bin) noexcept {
    Superslab& slab = slabs_[i];
    const std::uint32_t pages = Sizes::info(bin).pages_per_superslab;
    slab.bin = bin.value();
    slab.pages = static_cast<std::uint8_t>(pages);
    slab.free_pages = all_pages(slab);
    set_tier(i, Tier::kHot);
    link_slab(slabs_, hot_[bin.value()], i);
  }

  // Requires: the superslab is HOT and has a free page. Returns the page's number, a warm one
  // first.
  std::uint32_t lend(std::uint32_t i) noexcept {
    Superslab& slab = slabs_[i];
    HAKMEM_DCHECK(slab.free_pages != 0, "slab-pages", i);
    const std::uint32_t warm = slab.free_pages & slab.warm_pages;
    const auto k = static_cast<std::uint32_t>(std::countr_zero(warm != 0 ? warm : slab.free_pages));
    slab.free_pages &= ~(1u << k);
    if ((slab.warm_pages & (1u << k)) != 0) forget_warm(i, k);
    if (slab.free_pages == 0) unlink_slab(slabs_, hot_[slab.bin], i);
    totals_.lent_bytes += page_bytes(slab.bin);
    return k;
  }

  // A lent page came back, warm, that was in use in decay period `used_in`.
  void take_back(std::uint32_t i, std::uint32_t k, std::uint32_t used_in) noexcept {
    Superslab& slab = slabs_[i];
    HAKMEM_DCHECK(k < slab.pages && (slab.free_pages & (1u << k)) == 0, "slab-pages", i);
    HAKMEM_DCHECK(totals_.lent_bytes >= page_bytes(slab.bin), "slab-bytes", i);
    slab.free_pages |= 1u << k;
    slab.warm_pages |= 1u << k;
    if (static_cast<std::int32_t>(used_in - slab.warm_since) > 0) slab.warm_since = used_in;
    if (slab.warm_pages == 1u << k) warm_slabs_.push_back(slabs_, i);
    ++warm_[class_of(slab)];
    totals_.warm_bytes += page_bytes(slab.bin);
    totals_.lent_bytes -= page_bytes(slab.bin);
    update_tier(i);
  }

  // Superslabs with warm pages, and the one that has had some for longest.
  std::uint32_t warm_slabs() const noexcept { return warm_slabs_.size(); }
  std::uint32_t longest_warm() const noexcept { return warm_slabs_.front(); }
  // It waits for its next turn behind all others.
  void look_later(std::uint32_t i) noexcept {
    forget_warm_slab(i);
    warm_slabs_.push_back(slabs_, i);
  }

  // The warm pages of a superslab of which none was in use for a whole period, beyond the cap of
  // their class; 0 for none.
  std::uint32_t decayed(std::uint32_t i, std::uint32_t now,
                        const std::array<std::uint32_t, kClassesMax>& caps) noexcept {
    const Superslab& slab = slabs_[i];
    if (slab.warm_pages == 0 || static_cast<std::int32_t>(now - slab.warm_since) < 2) return 0;
    return beyond_cap(i, caps);
  }
  // The warm pages of a superslab that the cap of their class would not keep.
  std::uint32_t beyond_cap(std::uint32_t i,
                           const std::array<std::uint32_t, kClassesMax>& caps) noexcept {
    const Superslab& slab = slabs_[i];
    const std::uint32_t warm = warm_[class_of(slab)];
    const std::uint32_t cap = caps[class_of(slab)];
    const std::uint32_t excess = warm > cap ? warm - cap : 0;
    std::uint32_t pages = slab.warm_pages;
    while (static_cast<std::uint32_t>(std::popcount(pages)) > excess) pages &= pages - 1;
    return pages;
  }

  // Takes free warm pages out of everybody's reach; they are then neither warm nor lent.
  Purge withdraw(std::uint32_t i, std::uint32_t pages) noexcept {
    Superslab& slab = slabs_[i];
    if (slab.listed) unlist(i);
    slab.free_pages &= ~pages;
    forget_warm_pages(i, pages);
    // A FREE superslab stays off its list meanwhile: whoever adopts one takes all of its pages.
    if (slab.free_pages != 0 && slab.tier != Tier::kFree) list(i);
    // Pages that somebody else has withdrawn come back earlier, perhaps, and are lent.
    const bool all_here = (slab.free_pages | pages) == all_pages(slab);
    return {i, pages, false, all_here && slab.tier == Tier::kFree && slab.warm_pages == 0};
  }

  // Withdrawn pages can be lent again.
  void restore(const Purge& purge) noexcept {
    slabs_[purge.slab].free_pages |= purge.pages;
    note_purged(purge);
    update_tier(purge.slab);
  }

  // The warm pages of a superslab on no list are no longer warm. Returns which they were.
  Purge cool_down(std::uint32_t i) noexcept {
    const Purge purge{i, slabs_[i].warm_pages};
    forget_warm_pages(i, purge.pages);
    return purge;
  }
  void note_purged(const Purge& purge) noexcept { slabs_[purge.slab].soiled |= purge.refused; }

  // Whether the totals are what the records say.
  bool adds_up() const noexcept {
    std::size_t warm = 0;
    std::uint32_t slabs = 0;
    for (std::uint32_t i = 0; i < used_; ++i) {
      warm +=
          static_cast<std::size_t>(std::popcount(slabs_[i].warm_pages)) * page_bytes(slabs_[i].bin);
      slabs += slabs_[i].warm_pages != 0 ? 1 : 0;
    }
    return warm == totals_.warm_bytes && slabs == warm_slabs_.size();
  }

 private:
  static constexpr std::uint8_t class_of(const Superslab& slab) noexcept {
    return Sizes::kBinTable[slab.bin].size_class;
  }

  static constexpr std::uint32_t all_pages(const Superslab& slab) noexcept {
    return slab.pages == 32 ? ~0u : (1u << slab.pages) - 1;
  }

  SlabList& list_of(const Superslab& slab) noexcept {
    if (slab.tier == Tier::kFree) return free_;
    return slab.tier == Tier::kDraining ? draining_[slab.bin] : hot_[slab.bin];
  }

  // Each on the list of its tier; FREE ones also on that of the bin they served.
  void list(std::uint32_t i) noexcept {
    link_slab(slabs_, list_of(slabs_[i]), i);
    if (slabs_[i].tier == Tier::kFree) free_of_[slabs_[i].bin].push_front(slabs_, i);
  }
  void unlist(std::uint32_t i) noexcept {
    unlink_slab(slabs_, list_of(slabs_[i]), i);
    if (slabs_[i].tier != Tier::kFree) return;
    HAKMEM_DCHECK(free_of_[slabs_[i].bin].may_hold(slabs_, i), "slab-links", i);
    free_of_[slabs_[i].bin].remove(slabs_, i);
  }

  void forget_warm_slab(std::uint32_t i) noexcept {
    HAKMEM_DCHECK(warm_slabs_.may_hold(slabs_, i), "slab-links", i);
    warm_slabs_.remove(slabs_, i);
  }

  void forget_warm(std::uint32_t i, std::uint32_t k) noexcept {
    Superslab& slab = slabs_[i];
    HAKMEM_DCHECK((slab.warm_pages & (1u << k)) != 0, "slab-pages", i);
    HAKMEM_DCHECK(totals_.warm_bytes >= page_bytes(slab.bin), "slab-bytes", i);
    slab.warm_pages &= ~(1u << k);
    if (slab.warm_pages == 0) forget_warm_slab(i);
    --warm_[class_of(slab)];
    totals_.warm_bytes -= page_bytes(slab.bin);
  }
  void forget_warm_pages(std::uint32_t i, std::uint32_t pages) noexcept {
    for (; pages != 0; pages &= pages - 1) {
      forget_warm(i, static_cast<std::uint32_t>(std::countr_zero(pages)));
    }
  }

  // After a page came back: empty -> FREE; sparse while others can serve -> DRAINING; else HOT.
  void update_tier(std::uint32_t i) noexcept {
    Superslab& slab = slabs_[i];
    const auto free = static_cast<std::uint32_t>(std::popcount(slab.free_pages));
    if (slab.listed) unlist(i);
    if (free == slab.pages) {
      set_tier(i, Tier::kFree);
    } else {
      const bool sparse = free * 4 >= slab.pages * 3u;
      const bool others = !hot_[slab.bin].empty();
      const bool drains = slab.tier == Tier::kDraining || (sparse && others);
      set_tier(i, drains ? Tier::kDraining : Tier::kHot);
    }
    list(i);
  }

  void set_tier(std::uint32_t i, Tier tier) noexcept {
    Superslab& slab = slabs_[i];
    auto& counts = totals_.superslabs_by_tier;
    if (slab.tier != Tier::kUnused) --counts[static_cast<std::size_t>(slab.tier)];
    ++counts[static_cast<std::size_t>(tier)];
    slab.tier = tier;
  }

  Superslab* slabs_ = nullptr;
  std::uint32_t used_ = 0;
  std::array<SlabList, Sizes::kBins> hot_{};
  std::array<SlabList, Sizes::kBins> draining_{};
  SlabList free_{};
  std::array<IndexQueue<&Superslab::same_bin>, Sizes::kBins> free_of_{};
  SlabList refused_{};  // reserved, but the system would not commit them
  IndexQueue<&Superslab::warm> warm_slabs_{};
  std::array<std::uint32_t, kClassesMax> warm_{};
  ColdTotals totals_{};
};

}  // namespace hakmem
