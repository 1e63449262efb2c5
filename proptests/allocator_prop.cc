// The whole allocator in lockstep with the reference model: every kind of op, in the small geometry
// (every edge within a few ops) and in the production geometry, with and without checks. With
// 250 cases each, 500,000 ops.
#include "proptests/lockstep_property.h"

namespace hakmem::model {
namespace {

constexpr LockstepOptions kEveryOp{};
constexpr LockstepOptions kNowAndThen{1, default_policy(), 16, 256};

RC_GTEST_PROP(AllocatorLockstep, SmallHardened, ()) {
  check_lockstep<SmallHardened>(400, kEveryOp, "SmallHardened");
}

RC_GTEST_PROP(AllocatorLockstep, SmallPerf, ()) {
  check_lockstep<SmallPerf>(200, kEveryOp, "SmallPerf");
}

RC_GTEST_PROP(AllocatorLockstep, FourPagesASuperslab, ()) {
  check_lockstep<FourPagesHardened>(500, kEveryOp, "FourPagesHardened");
}

RC_GTEST_PROP(AllocatorLockstep, ProductionHardened, ()) {
  check_lockstep<ProductionHardened>(500, kNowAndThen, "ProductionHardened");
}

RC_GTEST_PROP(AllocatorLockstep, ProductionPerf, ()) {
  check_lockstep<ProductionPerf>(300, kNowAndThen, "ProductionPerf");
}

// The longest way round: every profile of the source design as the policy at the start.
RC_GTEST_PROP(AllocatorLockstep, ProfilesOfTheSourceDesign, ()) {
  LockstepOptions options;
  const auto mask = *rc::gen::element<std::uint32_t>(0, 0x80, 0xC0, 0xFF, 0x1FF, kMaskAll);
  options.policy.set_v3_mask(mask);
  options.policy.c6_hot = *rc::gen::arbitrary<bool>();
  check_lockstep<SmallHardened>(100, options, "SmallHardened");
}

// As shipped, Linux underneath: one long run, since each reserves an arena that stays.
TEST(AllocatorLockstep, LinuxLongRun) {
  LockstepOptions options = kNowAndThen;
  options.compare_every = 64;
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    const Trace trace = OpGenerator(seed, LinuxHardened::Sizes::kClasses).trace(3000);
    ASSERT_EQ(run_watched<LinuxHardened>(trace, options), "");
    ASSERT_EQ(run_watched<LinuxPerf>(trace, options), "");
  }
}

}  // namespace
}  // namespace hakmem::model
