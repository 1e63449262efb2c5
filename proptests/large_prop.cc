// The large heap alone against a list of live blocks: disjoint, aligned, contents kept through
// resizes, zeroed where asked for, every bad pointer refused with nothing changed; time passes, the
// system refuses, the cache is trimmed. Everything is given back at the end.
#include "large/large_heap.h"

#include <iterator>
#include <map>

#include "proptests/heap_property.h"

namespace hakmem::model {
namespace {

template <class C>
class LargeRun {
 public:
  explicit LargeRun(std::uint32_t seed) : rng_(seed) {
    budget_.init(platform_);
    heap_.init(platform_, limit_, budget_);
  }

  void step(Step step) {
    platform_.advance_clock_ms(rng_.below(400));
    const std::uint32_t what = step.below(32);
    if (what < 14) {
      allocate(1 + rng_.below(200000), std::size_t{16} << step.below(14), step.one_in(2));
    } else if (what < 22) {
      if (!blocks_.empty()) free_one(blocks_.pick(step.below(1000)));
    } else if (what < 29) {
      if (!blocks_.empty()) resize(blocks_.pick(step.below(1000)), 1 + rng_.below(300000));
    } else if (what == 29) {
      RC_LOG() << "trim\n";
      const std::size_t kept = heap_.bytes_cached();
      RC_ASSERT(heap_.trim() == kept);
      RC_ASSERT(heap_.bytes_cached() == 0u);
    } else if (what == 30) {
      platform_.advance_clock_ms(large::LargeHeap<C>::kKeepMs + 1);
      heap_.decay();
      RC_ASSERT(heap_.bytes_cached() == 0u);
    } else {
      const bool failing = step.one_in(2);
      RC_LOG() << "memory fails: " << failing << "\n";
      platform_.set_failing(false, failing);
    }
    RC_ASSERT(heap_.live_blocks() == blocks_.size());
    RC_ASSERT((heap_.bytes_cached() <= large::LargeHeap<C>::kKeepMin));  // never so much is live
    RC_ASSERT(heap_.bytes_charged() == limit_.held());
  }

  void finish() {
    platform_.set_failing(false, false);
    while (!blocks_.empty()) free_twice(heap_, blocks_, 0);
    heap_.trim();
    RC_ASSERT(heap_.bytes_cached() == 0u);
    RC_ASSERT(platform_.foreign_calls() == 0u);
  }

 private:
  void allocate(std::size_t n, std::size_t alignment, bool zero) {
    void* const p =
        heap_.allocate(n, alignment, zero ? large::Contents::kZero : large::Contents::kAny);
    RC_LOG() << "allocate: " << n << " at " << alignment << (p == nullptr ? ", no memory\n" : "\n");
    if (p == nullptr) {
      RC_ASSERT(platform_.failures() != 0u);
      return;
    }
    const Block b = block_at(p, heap_.locate(ClientPtr(p)).block_size, ++pattern_ * 77);
    RC_ASSERT((b.owned.address % alignment == 0));
    RC_ASSERT((b.usable >= n));
    // No longer than an eighth and a page beyond what was asked for: else a smaller one would do.
    RC_ASSERT((b.usable <= n + n / 8 + 3 * platform_.page_bytes()));
    if (zero) RC_ASSERT(Pattern::zero(b.bytes(), b.usable));
    enlist(blocks_, b);
  }

  void free_one(std::size_t at) {
    RC_LOG() << "free: " << blocks_.at(at).usable << "\n";
    check_refuses(heap_, blocks_.at(at), rng_);
    free_twice(heap_, blocks_, at);
  }

  void resize(std::size_t at, std::size_t n) {
    const Block old = blocks_.take(at);
    void* const moved = heap_.resize(ClientPtr(old.owned.address), n);
    RC_LOG() << "resize: " << old.usable << " to " << n
             << (moved == nullptr ? ", refused\n" : "\n");
    if (moved == nullptr) RC_ASSERT((n > old.usable));
    void* const p = moved == nullptr ? old.bytes() : moved;
    const Block now = block_at(p, heap_.locate(ClientPtr(p)).block_size, old.pattern);
    RC_ASSERT((moved == nullptr ? now.usable == old.usable : now.usable >= n));
    RC_ASSERT(Pattern::starts(now.bytes(), old.pattern, std::min(old.usable, now.usable)));
    if (now.owned.address != old.owned.address) {
      RC_ASSERT((heap_.deallocate(ClientPtr(old.owned.address)).fault != Fault::kNone));
    }
    enlist(blocks_, now);
  }

  RecyclingPlatform platform_;
  LimitOf<C> limit_;
  MappingBudget<C> budget_;
  large::LargeHeap<C> heap_;
  Rng rng_;
  Blocks blocks_;
  std::uint64_t pattern_ = 0;
};

// The map of extents against a plain list of ranges: which are free, which touch, which fits best.
class MapRun {
 public:
  using Map = large::ExtentMap<RecyclingPlatform>;

  MapRun() {
    map_.init(platform_);
    const large::Extent all = extent(kFirst, kPages * kPage, large::Use::kFree);
    RC_ASSERT(map_.insert(all));
    ranges_[kFirst] = {kPages, false};
  }

  void step(Step step) {
    const std::uint32_t what = step.below(4);
    if (what < 2) {
      take(1 + step.below(12), std::size_t{1} << step.below(15));
    } else if (what == 2) {
      give(step.below(1000));
    } else {
      join();
    }
    check();
  }

 private:
  struct Range {
    std::size_t pages = 0;
    bool live = false;
  };
  static constexpr std::size_t kPage = 4096, kPages = 200;
  static constexpr std::uintptr_t kFirst = 0x40000000;

  static large::Extent extent(std::uintptr_t key, std::size_t length, large::Use use) {
    large::Extent e;
    e.key = key;
    e.length = e.charged = length;
    e.use = use;
    e.unjoined = use == large::Use::kFree;
    return e;
  }

  void take(std::size_t pages, std::size_t alignment) {
    std::size_t tightest = ~std::size_t{0};
    for (const auto& [key, r] : ranges_) {
      const std::uintptr_t at = (key + alignment - 1) & ~(alignment - 1);
      const bool fits = !r.live && at + pages * kPage <= key + r.pages * kPage;
      if (fits) tightest = std::min(tightest, r.pages);
    }
    std::uintptr_t at = 0;
    large::Extent* const found = map_.best_fit(pages * kPage, alignment, &at);
    RC_ASSERT((found == nullptr) == (tightest == ~std::size_t{0}));
    if (found == nullptr) return;
    // Within an eighth of a size they are taken as they come.
    RC_ASSERT((found->length <= tightest * kPage + tightest * kPage / 8));
    const large::Extent whole = map_.remove(found);
    const large::Cut c = large::cut(whole, at, pages * kPage, 0, kPage);
    ranges_.erase(whole.key);
    for (const large::Extent* part : {&c.lead, &c.block, &c.tail}) {
      if (part->key == 0) continue;
      large::Extent e = *part;
      const bool live = part == &c.block;
      if (live) e.use = large::Use::kBlock;
      RC_ASSERT(map_.insert(e));
      ranges_[e.key] = {e.length / kPage, live};
    }
  }

  void give(std::size_t which) {
    auto at = ranges_.begin();
    std::advance(at, which % ranges_.size());
    if (!at->second.live) return;
    at->second.live = false;
    map_.change_use(map_.find(at->first), large::Use::kFree);
  }

  void join() {
    std::size_t guards = 0;
    map_.join(&guards);
    for (auto at = ranges_.begin(); at != ranges_.end();) {
      const auto next = std::next(at);
      const bool touch = next != ranges_.end() && !at->second.live && !next->second.live;
      if (!touch) {
        at = next;
        continue;
      }
      at->second.pages += next->second.pages;
      ranges_.erase(next);
    }
  }

  void check() {
    std::size_t live = 0, free_pages = 0;
    for (const auto& [key, r] : ranges_) {
      const large::Extent* const e = map_.find(key);
      RC_ASSERT((e != nullptr && e->length == r.pages * kPage));
      RC_ASSERT(e->is_live() == r.live);
      live += r.live ? 1 : 0;
      free_pages += r.live ? 0 : r.pages;
      large::Extent* const above = map_.above(*e);
      RC_ASSERT((above == nullptr) == (e->end() == kFirst + kPages * kPage));
      if (above != nullptr) RC_ASSERT(map_.below(*above)->key == key);
    }
    RC_ASSERT(map_.count() == ranges_.size());
    RC_ASSERT(map_.live_count() == live);
    RC_ASSERT(map_.free_bytes() == free_pages * kPage);
    RC_ASSERT((map_.oldest() == nullptr) == (free_pages == 0));
  }

  RecyclingPlatform platform_;
  Map map_;
  std::map<std::uintptr_t, Range> ranges_;
};

RC_GTEST_PROP(Large, TheMapAgainstAListOfRanges, ()) {
  MapRun run;
  for (const std::uint32_t bits : any_steps(200)) run.step(Step(bits));
}

template <class C>
void check_large() {
  LargeRun<C> run(*rc::gen::arbitrary<std::uint32_t>());
  for (const std::uint32_t bits : any_steps(120)) run.step(Step(bits));
  run.finish();
}
RC_GTEST_PROP(Large, AgainstAListOfBlocksInSmall, ()) { check_large<SmallHardened>(); }
RC_GTEST_PROP(Large, AgainstAListOfBlocksInProduction, ()) { check_large<ProductionHardened>(); }
RC_GTEST_PROP(Large, AgainstAListOfBlocksInProductionPerf, ()) { check_large<ProductionPerf>(); }

}  // namespace
}  // namespace hakmem::model
