// The cold box against the model's: which page is lent, tiers, warm pages, warm_cap, limit,
// decay, memory refused, trim.
#include "proptests/box_fixture.h"

namespace hakmem::model {
namespace {

template <class C>
class ColdRun {
 public:
  void step(Step step) {
    const std::uint32_t what = step.below(32);
    if (what < 16) {
      borrow(boxes_.shape.bins.size() - 1 - step.below(3) * 4, step.one_in(16));
    } else if (what < 27) {
      if (!lent_.empty()) retire(step.below(static_cast<std::uint32_t>(lent_.size())));
    } else if (what < 29) {
      const std::uint32_t ms = step.below(700);
      RC_LOG() << "clock: " << ms << " ms later\n";
      boxes_.advance(ms);
    } else if (what == 29) {
      RC_LOG() << "trim\n";
      RC_ASSERT(boxes_.cold.trim() == boxes_.model_cold->trim());
    } else if (what == 30) {
      const std::uint32_t hard = step.below(8);
      boxes_.set_limit(step.below(8), hard);
    } else {
      set_warm_cap(static_cast<std::uint8_t>(C::Sizes::kClasses - 1 - step.below(3)),
                   static_cast<std::uint16_t>(step.below(4)));
    }
    boxes_.compare_cold();
  }

 private:
  // Few bins: superslabs change hands.
  void borrow(std::size_t bin, bool commit_fails) {
    RC_LOG() << "refill: bin " << bin << (commit_fails ? ", commit fails\n" : "\n");
    const std::uint64_t refused_before = boxes_.platform.commits_refused();
    boxes_.platform.set_failing(commit_fails, false);
    SoPage<C>* const page = boxes_.borrow(bin);
    boxes_.platform.set_failing(false, false);
    // A superslab that changes hands asks for a commit only where its guards cost mappings.
    const bool refused = boxes_.platform.commits_refused() != refused_before;
    const Page* const expected = boxes_.borrow_in_model(bin, refused);
    RC_ASSERT((page == nullptr) == (expected == nullptr));
    if (page == nullptr) return;
    RC_ASSERT(std::size_t{page->head} == expected->head);
    RC_ASSERT(std::size_t{page->capacity} == boxes_.shape.bins[bin].capacity);
    RC_ASSERT((boxes_.broken_law(*page) == laws::kHolds));
    lent_.push_back(page);
  }
  void retire(std::size_t at) {
    RC_LOG() << "retire: page " << lent_[at]->head << "\n";
    boxes_.retire(*lent_[at], boxes_.model_cold->page(lent_[at]->head));
    lent_.erase(lent_.begin() + static_cast<std::ptrdiff_t>(at));
  }
  void set_warm_cap(std::uint8_t size_class, std::uint16_t cap) {
    RC_LOG() << "warm_cap: C" << int{size_class} << " " << cap << "\n";
    boxes_.cold.set_warm_cap(size_class, cap);
    boxes_.model_cold->warm_cap[size_class] = cap;
  }

  BoxFixture<C> boxes_;
  std::vector<SoPage<C>*> lent_;
};

template <class C>
void check_cold_box() {
  ColdRun<C> run;
  for (const std::uint32_t bits : any_steps(240)) run.step(Step(bits));
}
RC_GTEST_PROP(ColdBox, FollowsTheModelInSmall, ()) { check_cold_box<SmallHardened>(); }
RC_GTEST_PROP(ColdBox, FollowsTheModelWithFourPages, ()) { check_cold_box<FourPagesHardened>(); }
RC_GTEST_PROP(ColdBox, FollowsTheModelInProduction, ()) { check_cold_box<ProductionHardened>(); }

}  // namespace
}  // namespace hakmem::model
