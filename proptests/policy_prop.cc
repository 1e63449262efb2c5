// The policy box: what was published last is in force, earlier snapshots stay as they were, equal
// ones are one object, a refused one changes nothing. The route of every class.
#include "policy/policy_box.h"

#include <gtest/gtest.h>

#include <vector>

#include "models/lockstep_configs.h"
#include "proptests/fixed_seed.h"

namespace hakmem::model {
namespace {

PolicySnapshot any_policy() {
  PolicySnapshot p = default_policy();
  p.set_v3_mask(*rc::gen::element<std::uint32_t>(0, 0x80, 0xC0, kMaskAll));
  p.c6_hot = *rc::gen::arbitrary<bool>();
  p.count = *rc::gen::arbitrary<bool>();
  p.classes[3].max_partial = *rc::gen::inRange<std::uint16_t>(0, 3);
  return p;
}

RC_GTEST_PROP(Policy, LastPublishedIsInForceAndNoneEverChanges, ()) {
  ModelPlatform platform;
  PolicyBox<SmallHardened> box;
  box.init(platform, any_policy());
  std::vector<std::pair<const PolicySnapshot*, PolicySnapshot>> seen;
  seen.emplace_back(&box.current(), box.current());
  const auto count = *rc::gen::inRange(1, 60);
  for (int i = 0; i < count; ++i) {
    const PolicySnapshot wanted = any_policy();
    const bool refuse = *rc::gen::inRange(0, 8) == 0;
    platform.set_failing(false, refuse);
    const PolicySnapshot before = box.current();
    const bool published = box.publish(wanted);
    RC_ASSERT(published || refuse);
    RC_ASSERT(box.current() == (published ? wanted : before));
    seen.emplace_back(&box.current(), box.current());
  }
  for (const auto& [object, value] : seen) {
    RC_ASSERT(*object == value);
    for (const auto& [other, same] : seen) RC_ASSERT((object == other) == (value == same));
  }
}

RC_GTEST_PROP(Policy, RoutesFollowTheMask, (std::uint32_t mask)) {
  PolicySnapshot p = default_policy();
  p.set_v3_mask(mask);
  RC_ASSERT(p.v3_mask() == (mask & kMaskAll));
  for (std::uint8_t c = 0; c < kClassesMax; ++c) {
    const Route v1 = c < 9 ? Route::kTinyV1 : Route::kPoolV1;
    RC_ASSERT((p.route_of(SizeClass(c)) == (((mask >> c) & 1) != 0 ? Route::kSmallHeapV3 : v1)));
  }
}

}  // namespace
}  // namespace hakmem::model
