// Remote frees against lists: what is posted is drained, once, the last page first and of each page
// the last slot first; posts and drains in any order. A block posted twice is refused.
#include "proptests/box_fixture.h"

namespace hakmem::model {
namespace {

template <class C>
class RemoteRun {
 public:
  explicit RemoteRun(Rng& rng) : rng_(rng) {
    for (std::size_t p = 0; p < 3; ++p) {
      pages_.push_back(boxes_.borrow(C::Sizes::kBins - 1 - p % 2));
      take_all(p);
    }
    posted_.resize(pages_.size());
  }

  void step(Step step) {
    const std::uint32_t what = step.below(16);
    if (what < 12 && !live_.empty()) {
      post_one(step.below(static_cast<std::uint32_t>(live_.size())));
    } else if (what < 14) {
      take_all(step.below(static_cast<std::uint32_t>(pages_.size())));
    } else {
      drain();
    }
    RC_ASSERT(pending_.empty() == order_.empty());
    for (const SoPage<C>* page : pages_) RC_ASSERT((boxes_.broken_law(*page) == laws::kHolds));
  }

  void drain() {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> drained;  // drain is noexcept: check later
    drain_owner_only(boxes_.arena, pending_, [&](SoPage<C>& page, std::uint32_t slot) {
      drained.emplace_back(page.head, slot);
      give_slot_owner_only(page, slot);
    });
    RC_LOG() << "drain: " << drained.size() << " slots\n";
    for (const auto& [head, slot] : drained) {
      RC_ASSERT(!order_.empty());
      const std::size_t p = order_.back();
      RC_ASSERT(head == pages_[p]->head);
      RC_ASSERT(slot == posted_[p].back());
      posted_[p].pop_back();
      if (posted_[p].empty()) order_.pop_back();
    }
    RC_ASSERT(order_.empty());
    RC_ASSERT(pending_.empty());
  }

 private:
  static constexpr bool kChecks = C::kMitigations.check_frees;

  // A few slots more, as many as there are.
  void take_all(std::size_t p) {
    for (int n = 0; n < 8 && pages_[p]->has_free_slot(); ++n) {
      live_.emplace_back(p, take_slot_owner_only(*pages_[p], kEntryLive, rng_));
    }
  }

  void post_one(std::size_t at) {
    const auto [p, slot] = live_[at];
    live_.erase(live_.begin() + static_cast<std::ptrdiff_t>(at));
    RC_LOG() << "post: page " << p << " slot " << slot << "\n";
    SoPage<C>& page = *pages_[p];
    std::uint32_t head = 0;
    RC_ASSERT(mark_remote(page, slot, &head));
    RC_ASSERT(head == (posted_[p].empty() ? std::uint32_t{kNoSlot} : posted_[p].back()));
    post(boxes_.arena, pending_, page, slot, head);
    if (kChecks && rng_.below(4) == 0) {  // a second free, before it is drained
      const EntryBits before = page.entries[slot].load_relaxed();
      std::uint32_t again = 0;
      RC_ASSERT(!mark_remote(page, slot, &again));
      RC_ASSERT(page.entries[slot].load_relaxed() == before);
    }
    if (posted_[p].empty()) order_.push_back(p);
    posted_[p].push_back(slot);
  }

  Rng& rng_;
  BoxFixture<C> boxes_;
  PendingPages<C> pending_;
  std::vector<SoPage<C>*> pages_;
  std::vector<std::pair<std::size_t, std::uint32_t>> live_;  // page of pages_, slot
  std::vector<std::vector<std::uint32_t>> posted_;           // of each page, last posted last
  std::vector<std::size_t> order_;                           // pages with posts, first post last
};

template <class C>
void check_remote() {
  Rng rng(*rc::gen::arbitrary<std::uint32_t>());
  RemoteRun<C> run(rng);
  for (const std::uint32_t bits : any_steps(200)) run.step(Step(bits));
  run.drain();
}
RC_GTEST_PROP(Remote, DrainsWhatWasPostedInSmall, ()) { check_remote<SmallHardened>(); }
RC_GTEST_PROP(Remote, DrainsWhatWasPostedInSmallPerf, ()) { check_remote<SmallPerf>(); }
RC_GTEST_PROP(Remote, DrainsWhatWasPostedInProduction, ()) { check_remote<ProductionHardened>(); }
RC_GTEST_PROP(Remote, DrainsWhatWasPostedInProductionPerf, ()) { check_remote<ProductionPerf>(); }

}  // namespace
}  // namespace hakmem::model
