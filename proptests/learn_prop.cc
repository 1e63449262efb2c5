// The learner: its decision within bounds, monotone, back to the defaults, one step at a time; the
// box against the model's; and the whole allocator in lockstep on traces whose pages come and go.
#include "learn/decision.h"

#include <gtest/gtest.h>

#include "laws/learn_laws.h"
#include "learn/learn_box.h"
#include "models/reference/learner.h"
#include "proptests/lockstep_property.h"

namespace hakmem::model {
namespace {

using C = ProductionHardened;

ClassDeltas any_deltas() {
  const auto pages =
      rc::gen::weightedOneOf<std::uint64_t>({{2, rc::gen::just<std::uint64_t>(0)},
                                             {3, rc::gen::inRange<std::uint64_t>(0, 50)},
                                             {1, rc::gen::arbitrary<std::uint64_t>()}});
  return {*pages, *pages, *rc::gen::inRange<std::uint64_t>(0, 20)};
}
std::uint32_t any_periods() { return *rc::gen::inRange<std::uint32_t>(1, 9); }
std::size_t any_class() { return *rc::gen::inRange<std::size_t>(0, kClassesMax); }

Learned decided(const Learned& now, std::uint32_t periods, const ClassDeltas& deltas,
                std::size_t c) {
  return decide(now, periods, deltas, learn_bounds<C>(c), learn_rule<C>());
}
// What some decisions after one another come to, from the defaults.
Learned any_learned(std::size_t c) {
  Learned now{default_policy().classes[c], 0};
  for (int i = *rc::gen::inRange(0, 12); i > 0; --i) {
    now = decided(now, any_periods(), any_deltas(), c);
  }
  return now;
}

RC_GTEST_PROP(Decision, StaysWithinBoundsByOneStep, ()) {
  const std::size_t c = any_class();
  const Learned now = any_learned(c);
  const Learned next = decided(now, any_periods(), any_deltas(), c);
  RC_ASSERT(laws::l1_limits_are_within_bounds(next.policy, learn_bounds<C>(c)) == laws::kHolds);
  RC_ASSERT(laws::l3_one_step(now.policy, next.policy, learn_bounds<C>(c)) == laws::kHolds);
  RC_ASSERT(next.policy.v3 == now.policy.v3);
  RC_ASSERT(next.policy.pinned == now.policy.pinned);
}

RC_GTEST_PROP(Decision, MoreChurnNeverMeansLess, ()) {
  const std::size_t c = any_class();
  const Learned now = any_learned(c);
  const std::uint32_t periods = any_periods();
  ClassDeltas less = any_deltas();
  less.refills /= 2;
  less.retires /= 2;
  ClassDeltas more = less;
  more.refills += *rc::gen::inRange<std::uint64_t>(0, 40);
  more.retires += *rc::gen::inRange<std::uint64_t>(0, 40);
  more.spares += *rc::gen::inRange<std::uint64_t>(0, 40);
  const ClassPolicy low = decided(now, periods, less, c).policy;
  const ClassPolicy high = decided(now, periods, more, c).policy;
  RC_ASSERT(low.max_partial <= high.max_partial);
  RC_ASSERT(low.warm_cap <= high.warm_cap);
}

RC_GTEST_PROP(Decision, CalmLeadsBackToTheDefaults, ()) {
  const std::size_t c = any_class();
  Learned now = any_learned(c);
  constexpr int kStepsMost = 4;  // 4 pages to 64
  for (int i = 0; i < kStepsMost * learn_rule<C>().calm_periods; ++i) now = decided(now, 1, {}, c);
  RC_ASSERT(now.policy == default_policy().classes[c]);
}

// A program that in every period uses and gives up so many pages so often: from some period on
// nothing changes any more.
RC_GTEST_PROP(Decision, SettlesWhenTheProgramDoesNotChange, ()) {
  const std::size_t c = any_class();
  const auto swing = *rc::gen::inRange<std::uint64_t>(0, 100);
  const auto times = *rc::gen::inRange<std::uint64_t>(0, 40);
  Learned now{default_policy().classes[c], 0};
  ClassPolicy settled;
  for (int period = 0; period < 100; ++period) {
    const std::uint64_t limit = now.policy.max_partial;
    const auto beyond = [&](std::uint64_t n) { return swing > n ? (swing - n) * times : 0; };
    const ClassDeltas seen{beyond(limit), beyond(limit), beyond(limit / 2) - beyond(limit)};
    now = decided(now, 1, seen, c);
    if (period == 30) settled = now.policy;
  }
  RC_ASSERT(now.policy == settled);
}

// ---- the box and the policy box, against the model's

PolicySnapshot any_policy() {
  PolicySnapshot policy = default_policy();
  policy.learn = true;
  policy.set_v3_mask(*rc::gen::element<std::uint32_t>(0, 0x80, 0xC0, kMaskAll));
  policy.c6_hot = *rc::gen::arbitrary<bool>();
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) {
    ClassPolicy& of_class = policy.classes[any_class()];
    of_class.pinned = true;
    of_class.max_partial = *rc::gen::inRange<std::uint16_t>(0, 9);
  }
  return policy;
}

struct BoxesAndModel {
  using Box = SmallHardened;
  RecyclingPlatform platform;
  PolicyBox<Box> policies;
  LearnBox<Box> box;
  Shape shape = shape_of<Box>();
  PolicySnapshot expected;
  Learner model;

  explicit BoxesAndModel(const PolicySnapshot& first) : expected(first), model(shape, first) {
    policies.init(platform, first);
  }
  void see(std::uint8_t c) {
    const auto refills = *rc::gen::inRange(0, 4), retires = *rc::gen::inRange(0, 4);
    const auto spares = *rc::gen::element(0, 0, 1);
    for (int i = 0; i < refills; ++i) box.note_refill(SizeClass(c));
    for (int i = 0; i < retires; ++i) box.note_retire(SizeClass(c));
    for (int i = 0; i < spares; ++i) box.note_spare(SizeClass(c));
    model.seen[c].refills += static_cast<std::size_t>(refills);
    model.seen[c].retires += static_cast<std::size_t>(retires);
    model.seen[c].spares += static_cast<std::size_t>(spares);
  }
  void decide_in(std::uint32_t period) {
    box.decide_in(period, [&](auto&& edit) {
      return policies.update_learned(edit, [](const PolicySnapshot&) {});
    });
    model.decide(period, expected, false);
  }
};

RC_GTEST_PROP(LearnBox, DoesWhatTheModelDoes, ()) {
  const PolicySnapshot first = any_policy();
  BoxesAndModel both(first);
  const std::uint64_t said = NextPlatform::times_said;
  std::uint32_t period = 0;
  for (int i = *rc::gen::inRange(1, 30); i > 0; --i) {
    for (int k = *rc::gen::inRange(0, 4); k > 0; --k) {
      both.see(static_cast<std::uint8_t>(*rc::gen::inRange(0, 10)));
    }
    period += static_cast<std::uint32_t>(*rc::gen::inRange(0, 3));
    const PolicySnapshot before = both.policies.current();
    both.decide_in(period);
    RC_ASSERT(both.policies.current() == both.expected);
    RC_ASSERT(laws::l2_only_limits_change(before, both.policies.current()) == laws::kHolds);
  }
  RC_ASSERT(both.policies.current().v3_mask() == first.v3_mask());
  RC_ASSERT(NextPlatform::times_said - said == (both.model.full ? 1 : 0));
}

// ---- the whole allocator

std::size_t g_limits_raised = 0;

// Rounds of many blocks of one size taken and given back, time going by after most; in between ops
// of every kind.
Trace churning_trace(std::uint64_t seed, unsigned classes) {
  Rng rng(seed);
  OpGenerator others(rng.next(), classes);
  Trace trace = others.trace(1 + rng.below(16));
  for (std::uint32_t round = 2 + rng.below(3); round > 0; --round) {
    const std::uint32_t size = (8u << rng.below(8)) - rng.below(3);
    const std::uint32_t blocks = 12 + rng.below(40);
    const auto thread = static_cast<std::uint16_t>(rng.below(2));
    for (std::uint32_t times = 1 + rng.below(3); times > 0; --times) {
      trace.insert(trace.end(), blocks, {OpKind::kMalloc, thread, 0, size, 0});
      trace.insert(trace.end(), blocks, {OpKind::kFree, thread, 0, 0, 0});
      if (rng.below(4) != 0) trace.push_back({OpKind::kClock, thread, 0, 0, 250 + rng.below(300)});
    }
    const Trace more = others.trace(1 + rng.below(8));
    trace.insert(trace.end(), more.begin(), more.end());
  }
  return trace;
}

RC_GTEST_PROP(LearnerLockstep, ChurningTraces, ()) {
  LockstepOptions options{1, default_policy(), 32, 8, 64};
  options.seed = *rc::gen::noShrink(rc::gen::arbitrary<std::uint32_t>());
  options.policy.learn = true;
  options.policy.count = options.seed % 3 == 0;
  const Trace trace = churning_trace(options.seed, SmallHardened::Sizes::kClasses);
  Lockstep<SmallHardened> run(options);
  for (const Op& op : trace) {
    if (!run.step(op)) break;
  }
  if (!run.finish()) check_trace<SmallHardened>(trace, options, "SmallHardened");
  for (const ClassPolicy& limits : run.model().policy().classes) {
    g_limits_raised += !limits.pinned && limits.max_partial > 4 ? 1 : 0;
  }
}

TEST(LearnerLockstep, ChurningTracesAreLearnedFrom) {
  std::printf("limits found raised at the end of a trace: %zu\n", g_limits_raised);
  EXPECT_GT(g_limits_raised, 0u);
}

// Pages of 15 blocks, a magazine of 256: 18 pages come and go, four times in a period.
TEST(LearnerLockstep, ProductionGeometry) {
  Trace trace;
  for (int period = 0; period < 2; ++period) {
    for (int times = 0; times < 3; ++times) {
      trace.insert(trace.end(), 500, {OpKind::kMalloc, 0, 0, 4096, 0});
      trace.insert(trace.end(), 500, {OpKind::kFree, 0, 0, 0, 0});
    }
    trace.push_back({OpKind::kClock, 0, 0, 0, 250});
  }
  trace.push_back({OpKind::kMalloc, 0, 0, 128, 0});
  LockstepOptions options{1, default_policy(), 1000, 100, 2000};
  options.policy.learn = true;
  Lockstep<ProductionHardened> run(options);
  for (const Op& op : trace) ASSERT_TRUE(run.step(op)) << run.difference();
  EXPECT_TRUE(run.finish()) << run.difference();
  EXPECT_EQ(run.real().policy().classes[9].max_partial, 8);
}

}  // namespace
}  // namespace hakmem::model
