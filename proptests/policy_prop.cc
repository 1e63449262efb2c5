// The policy box: what was published last is in force, earlier snapshots stay as they were, equal
// ones are one object, a refused one changes nothing; an update starts from the one in force. The
// route of every class.
#include "policy/policy_box.h"

#include <gtest/gtest.h>

#include <vector>

#include "models/lockstep/lockstep_configs.h"
#include "proptests/steps.h"

namespace hakmem::model {
namespace {

// Few different ones, so that equal ones meet.
void edit(PolicySnapshot& policy, Step& step) {
  constexpr std::array<std::uint32_t, 4> kMasks{0, kMaskC7, 0xC0, kMaskAll};
  switch (step.below(5)) {
    case 0:
      policy.set_v3_mask(kMasks[step.below(4)]);
      break;
    case 1:
      policy.c6_hot = !policy.c6_hot;
      break;
    case 2:
      policy.count = !policy.count;
      break;
    case 3:
      policy.classes[step.below(kClassesMax)].max_partial =
          static_cast<std::uint16_t>(step.below(3));
      break;
    default:
      policy.classes[step.below(kClassesMax)].warm_cap = static_cast<std::uint16_t>(step.below(3));
      break;
  }
}

template <class C>
class PolicyRun {
 public:
  PolicyRun() {
    PolicySnapshot first = default_policy();
    first.c6_hot = true;
    box_.init(platform_, first);
    RC_ASSERT(box_.current() == first);
    remember();
  }

  void step(Step step) {
    const bool refuse = step.one_in(8);
    platform_.set_failing(false, refuse);
    const PolicySnapshot before = box_.current();
    PolicySnapshot wanted = before;
    const std::uint32_t how = step.below(4);
    if (how == 0) wanted = seen_[step.below(static_cast<std::uint32_t>(seen_.size()))].second;
    edit(wanted, step);
    bool published = false, full = false;
    if (how < 2) {
      published = box_.publish(wanted);
    } else {
      const auto edit_to_wanted = [&](PolicySnapshot& policy) {
        started_from_ = policy;
        policy = wanted;
      };
      std::size_t told = 0;
      const auto then = [&](const PolicySnapshot& now) { told += now == wanted ? 1u : 100u; };
      if (how == 2) {
        published = box_.update(edit_to_wanted, then);
      } else {
        const Published answer = box_.update_learned(edit_to_wanted, then);
        published = answer == Published::kDone || answer == Published::kUnchanged;
        RC_ASSERT(((answer == Published::kUnchanged) == (wanted == before)));
        if (answer == Published::kUnchanged) told = 1;
        full = answer == Published::kFull;
      }
      RC_ASSERT((started_from_ == before));
      RC_ASSERT(told == (published ? 1u : 0u));
    }
    RC_LOG() << (how < 2 ? "publish" : "update") << (published ? "\n" : ": no memory\n");
    RC_ASSERT((published || refuse || full));
    RC_ASSERT(box_.current() == (published ? wanted : before));
    remember();
  }

  void finish() {
    for (const auto& [object, value] : seen_) {
      RC_ASSERT(*object == value);
      for (const auto& [other, same] : seen_) RC_ASSERT((object == other) == (value == same));
    }
  }

 private:
  void remember() { seen_.emplace_back(&box_.current(), box_.current()); }

  RecyclingPlatform platform_;
  PolicyBox<C> box_;
  PolicySnapshot started_from_;
  std::vector<std::pair<const PolicySnapshot*, PolicySnapshot>> seen_;  // object, what it said
};

template <class C>
void check_policy() {
  PolicyRun<C> run;
  for (const std::uint32_t bits : any_steps(150)) run.step(Step(bits));
  run.finish();
}
RC_GTEST_PROP(Policy, LastPublishedIsInForceInSmall, ()) { check_policy<SmallHardened>(); }
RC_GTEST_PROP(Policy, LastPublishedIsInForceInProduction, ()) {
  check_policy<ProductionHardened>();
}

RC_GTEST_PROP(Policy, RoutesFollowTheMask, (std::uint32_t mask)) {
  PolicySnapshot p = default_policy();
  p.set_v3_mask(mask);
  p.c6_hot = *rc::gen::arbitrary<bool>();
  RC_ASSERT(p.v3_mask() == (mask & kMaskAll));
  for (std::uint8_t c = 0; c < kClassesMax; ++c) {
    const Route v1 = c < 9 ? Route::kTinyV1 : Route::kPoolV1;
    const bool on_v3 = ((mask >> c) & 1) != 0;
    RC_ASSERT(p.route_of(SizeClass(c)) == (on_v3 ? Route::kSmallHeapV3 : v1));
    RC_ASSERT(p.front_cached(SizeClass(c)) == (on_v3 || (c == 6 && p.c6_hot)));
  }
}

}  // namespace
}  // namespace hakmem::model
