// The model's cold box: which page is lent next, and what becomes of the ones that come back.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "models/reference/page.h"
#include "policy/policy_snapshot.h"

namespace hakmem::model {

enum class SlabTier : unsigned char { kUnused, kHot, kDraining, kFree };

struct Slab {
  std::size_t bin = 0;
  SlabTier tier = SlabTier::kUnused;
  std::vector<bool> free;      // page k is with the cold box
  std::vector<bool> warm;      // ... and still holds memory
  std::vector<bool> away;      // ... is being given back to the system at this moment
  std::size_t warm_since = 0;  // the decay period in which a page that came back was last in use
};

class Cold {
 public:
  Cold(const Shape& shape, std::size_t superslabs)
      : shape_(shape),
        superslabs_(superslabs),
        hot_(shape.bins.size()),
        draining_(shape.bins.size()) {}

  // Lends the page to `context`; nullptr over the hard limit, without superslabs, or when
  // the system refused memory for a new one. Above the soft limit no free page keeps its memory.
  Page* refill(std::size_t bin, std::size_t context, bool commit_fails) {
    const Bin& info = shape_.bins[bin];
    const std::size_t others = elsewhere();
    if (others + lent_bytes + warm_bytes + info.page > limit.soft) trim();
    if (others + lent_bytes + warm_bytes + info.page > limit.hard) return nullptr;
    const std::size_t i = slab_with_page(bin, commit_fails);
    if (i == kNone) return nullptr;
    Slab& slab = slabs[i];
    const std::size_t k = lowest(slab);
    slab.free[k] = false;
    const bool warm = slab.warm[k];
    if (warm) cool(i, k);
    if (std::count(slab.free.begin(), slab.free.end(), true) == 0) remove(hot_[bin], i);
    lent_bytes += info.page;
    if (!warm) note_growth(std::min(info.page, shape_.unit));  // a large one is touched bit by bit
    const std::size_t missed = warm ? 0 : std::min(info.page, early_bytes);
    early_bytes -= missed;
    missed_bytes += missed;
    const std::size_t head = i * units_per_slab() + k * (info.page / shape_.unit);
    pages_[head].lend(head, bin, info, context,
                      !warm && info.block >= shape_.fresh_bytes && !soiled(i));
    for (std::size_t u = head; u < head + info.page / shape_.unit; ++u) units_[u] = {head, bin};
    return &pages_[head];
  }

  // `used_in`: the decay period in which its context was last at work.
  void retire(Page& page, std::size_t used_in) {
    const Bin& info = shape_.bins[page.bin];
    const std::size_t i = page.head / units_per_slab();
    const std::size_t k = page.head % units_per_slab() / (info.page / shape_.unit);
    Slab& slab = slabs[i];
    page.owner = kNone;
    page.place = Place::kRetired;
    slab.free[k] = true;
    lent_bytes -= info.page;
    if (std::count(slab.warm.begin(), slab.warm.end(), true) == 0) warm_order_.push_back(i);
    slab.warm[k] = true;
    slab.warm_since = std::max(slab.warm_since, used_in);
    ++warm_pages[info.size_class];
    warm_bytes += info.page;
    place_after_return(i);
    if (over_soft()) {
      if (withdraw(i, kNone)) restore(i);
    } else if (warm_bytes > std::max(shape_.idle_bytes, lent_bytes / 8) + missed_bytes) {
      give_up_idle();
    }
  }

  std::size_t seen_period() const { return seen_period_; }
  std::size_t grown_bytes() const { return grown_bytes_; }
  // Of the time, and of growth: by an eighth of what there is, or by growth_bytes if that is more.
  std::size_t period() const { return clock_ms / kPeriodMs + periods_by_growth_; }
  // When a new decay period is first noticed: superslabs of which nothing was in use for a whole
  // one give up warm pages, highest first, as far as their class has more than warm_cap.
  void age() {
    const std::size_t now = period();
    if (now == seen_period_) return;
    seen_period_ = now;
    if (std::exchange(missed_in_, clock_ms / kPeriodMs) != clock_ms / kPeriodMs) {
      early_bytes /= 2;
      missed_bytes /= 2;
    }
    purge_warm([&](std::size_t i) { return now >= slabs[i].warm_since + 2 ? excess(i) : 0; });
  }
  bool over_soft() const { return elsewhere() + lent_bytes + warm_bytes > limit.soft; }

  std::size_t trim() {
    const std::size_t bytes = warm_bytes;
    purge_warm([](std::size_t) { return kNone; });
    return bytes;
  }

  // Requires: a page was lent whose first unit is `head`.
  Page& page(std::size_t head) { return pages_[head]; }
  // What is known about a unit: the page that it was part of last. In a superslab that has changed
  // its bin that page may be no more, and its head be part of another.
  struct Unit {
    std::size_t head = kNone;  // kNone: never lent
    std::size_t bin = kNone;
    bool operator==(const Unit&) const = default;
  };
  Unit unit(std::size_t number) const { return number < units_.size() ? units_[number] : Unit{}; }
  // The page that unit u was lent as part of, while it is still laid out; else nullptr.
  Page* page_of_unit(std::size_t number) {
    const Unit u = unit(number);
    return u.head != kNone && unit(u.head) == u ? &pages_[u.head] : nullptr;
  }

  std::vector<Slab> slabs;  // those ever committed
  struct Limit {            // bytes; soft <= hard
    std::size_t soft = kNone, hard = kNone;
  } limit;
  // What v1 and large hold when the limit is asked next: told.
  std::function<std::size_t()> elsewhere = [] { return std::size_t{0}; };
  // Whether the system refused to take memory of a superslab back: told.
  std::function<bool(std::size_t)> soiled = [](std::size_t) { return false; };
  std::size_t clock_ms = 0;
  std::size_t lent_bytes = 0, warm_bytes = 0;
  // Purged before they had aged; of these, taken anew. Half of each is forgotten in each period.
  std::size_t early_bytes = 0, missed_bytes = 0;
  std::array<std::size_t, kClassesMax> warm_pages{};
  std::array<std::size_t, kClassesMax> warm_cap{};

  static constexpr std::size_t kPeriodMs = 250;

 private:
  static constexpr std::size_t kBatch = 16, kLooks = 64, kIdleLooks = 4;
  using List = std::vector<std::size_t>;  // back = first choice

  static void remove(List& list, std::size_t i) { std::erase(list, i); }

  // Memory that is still there first; then the lowest.
  static std::size_t lowest(const Slab& slab) {
    for (std::size_t k = 0; k < slab.free.size(); ++k)
      if (slab.free[k] && slab.warm[k]) return k;
    for (std::size_t k = 0; k < slab.free.size(); ++k)
      if (slab.free[k]) return k;
    return kNone;
  }

  std::size_t slab_with_page(std::size_t bin, bool commit_fails) {
    if (!hot_[bin].empty()) return hot_[bin].back();
    if (!draining_[bin].empty()) {
      const std::size_t i = draining_[bin].back();
      draining_[bin].pop_back();
      return make_hot(i);
    }
    const std::size_t i = empty_slab(bin, commit_fails);
    if (i == kNone) return kNone;
    Slab& slab = slabs[i];
    slab.bin = bin;
    slab.free.assign(shape_.bins[bin].pages, true);
    slab.warm.resize(shape_.bins[bin].pages, false);
    return make_hot(i);
  }

  // An empty superslab that served the bin before, any empty one (its memory is given back), a new.
  std::size_t empty_slab(std::size_t bin, bool commit_fails) {
    for (std::size_t at = free_.size(); at-- > 0;) {
      if (slabs[free_[at]].bin == bin) return take_free(free_[at]);
    }
    if (!free_.empty()) {
      cool_all(free_.back());
      // The one thing that the system can refuse here: to take the guards of the old layout away.
      if (commit_fails) return kNone;
      return take_free(free_.back());
    }
    if (commit_fails || slabs.size() == superslabs_) return kNone;
    slabs.push_back({});
    pages_.resize(slabs.size() * units_per_slab());
    units_.resize(pages_.size());
    return slabs.size() - 1;
  }
  std::size_t take_free(std::size_t i) {
    remove(free_, i);
    return i;
  }
  std::size_t make_hot(std::size_t i) {
    slabs[i].tier = SlabTier::kHot;
    hot_[slabs[i].bin].push_back(i);
    return i;
  }

  // Empty -> FREE. Three quarters empty while others can serve -> DRAINING. Else HOT.
  void place_after_return(std::size_t i) {
    Slab& slab = slabs[i];
    remove(list_of(slab), i);
    const auto free =
        static_cast<std::size_t>(std::count(slab.free.begin(), slab.free.end(), true));
    if (free == slab.free.size()) {
      slab.tier = SlabTier::kFree;
      free_.push_back(i);
    } else if (slab.tier == SlabTier::kDraining ||
               (free * 4 >= slab.free.size() * 3 && !hot_[slab.bin].empty())) {
      slab.tier = SlabTier::kDraining;
      draining_[slab.bin].push_back(i);
    } else {
      make_hot(i);
    }
  }

  // Superslabs with warm pages, those that have had some for longest first, give up as many pages
  // as `most(superslab)` says. In batches: what a batch gives up is out of reach until all of it is
  // purged.
  template <class Most>
  void purge_warm(Most&& most) {
    const List order = warm_order_;
    for (std::size_t at = 0; at < order.size();) {
      List batch;
      for (std::size_t n = 0; n < kLooks && at < order.size() && batch.size() < kBatch; ++n, ++at)
        if (withdraw(order[at], most(order[at]))) batch.push_back(order[at]);
      for (const std::size_t given : batch) restore(given);
    }
  }
  // The first of a few superslabs whose class has more warm pages than its cap; those looked at
  // wait for their next turn behind all others.
  void give_up_idle() {
    for (std::size_t n = 0; n < kIdleLooks; ++n) {
      const std::size_t i = warm_order_.front();
      const std::size_t had = warm_bytes;
      const bool some = withdraw(i, excess(i));
      early_bytes += had - warm_bytes;
      if (std::count(slabs[i].warm.begin(), slabs[i].warm.end(), true) != 0) {
        remove(warm_order_, i);
        warm_order_.push_back(i);
      }
      if (some) return restore(i);
    }
  }
  std::size_t excess(std::size_t i) const {
    const unsigned c = shape_.bins[slabs[i].bin].size_class;
    return warm_pages[c] > warm_cap[c] ? warm_pages[c] - warm_cap[c] : 0;
  }
  // False when the superslab has nothing to give up.
  bool withdraw(std::size_t i, std::size_t most) {
    Slab& slab = slabs[i];
    slab.away.assign(slab.free.size(), false);
    for (std::size_t k = slab.free.size(); k-- > 0 && most > 0;) {
      if (!slab.warm[k]) continue;
      cool(i, k);
      slab.free[k] = false;
      slab.away[k] = true;
      --most;
    }
    if (std::count(slab.away.begin(), slab.away.end(), true) == 0) return false;
    remove(list_of(slab), i);
    const bool some_left = std::count(slab.free.begin(), slab.free.end(), true) != 0;
    if (some_left && slab.tier != SlabTier::kFree) list_of(slab).push_back(i);
    return true;
  }
  void restore(std::size_t i) {
    Slab& slab = slabs[i];
    for (std::size_t k = 0; k < slab.free.size(); ++k) slab.free[k] = slab.free[k] || slab.away[k];
    place_after_return(i);
  }
  List& list_of(const Slab& slab) {
    if (slab.tier == SlabTier::kFree) return free_;
    return slab.tier == SlabTier::kDraining ? draining_[slab.bin] : hot_[slab.bin];
  }

  void cool(std::size_t i, std::size_t k) {
    Slab& slab = slabs[i];
    const Bin& info = shape_.bins[slab.bin];
    slab.warm[k] = false;
    if (std::count(slab.warm.begin(), slab.warm.end(), true) == 0) remove(warm_order_, i);
    --warm_pages[info.size_class];
    warm_bytes -= info.page;
  }
  void cool_all(std::size_t i) {
    for (std::size_t k = 0; k < slabs[i].warm.size(); ++k)
      if (slabs[i].warm[k]) cool(i, k);
  }

  std::size_t units_per_slab() const { return shape_.superslab / shape_.unit; }

  const Shape& shape_;
  std::size_t superslabs_;
  std::vector<List> hot_, draining_;
  List free_;
  List warm_order_;  // with warm pages: front = for longest
  void note_growth(std::size_t bytes) {
    grown_bytes_ += bytes;
    if (grown_bytes_ < std::max(shape_.growth_bytes, (lent_bytes + warm_bytes) / 8)) return;
    grown_bytes_ = 0;
    ++periods_by_growth_;
  }

  std::size_t seen_period_ = 0, missed_in_ = 0;
  std::size_t grown_bytes_ = 0, periods_by_growth_ = 0;
  std::deque<Page> pages_;  // by first unit
  std::vector<Unit> units_;
};

}  // namespace hakmem::model
