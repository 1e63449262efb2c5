// What the learner decides, as a pure function: how many pages of a class came and went in a decay
// period, and what is in force -> what shall be. It doubles the limits of a class whose pages go
// back and forth, up to a bound in bytes, and halves them again, down to the defaults, when the
// class has been calm for some periods. Routes, masks and pinned classes are never touched.
//
// It settles: limits are halved only when fewer than `calm_pages` empty pages lay in the half that
// goes, and that is what would go back and forth then; doubling takes `churn_pages`, which is more.
//
// Laws: L1-L3 (laws/learn_laws.h). Model: models/reference/learner.h. Tests:
// tests/unit/learn_test.cc, proptests/learn_prop.cc. docs/LEARNING.md.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "policy/policy_snapshot.h"

namespace hakmem {

// What happened to the pages of one class since the last decision.
struct ClassDeltas {
  std::uint64_t refills = 0;  // borrowed from the cold box
  std::uint64_t retires = 0;  // given back because max_partial others were there
  std::uint64_t spares = 0;   // kept empty, where half of max_partial would not have kept them
};

struct LearnRule {
  std::uint16_t churn_pages = 0;   // so many back and forth in a period: too many
  std::uint16_t calm_pages = 0;    // fewer than so many: the class is calm
  std::uint16_t calm_periods = 0;  // so long calm: limits go down
};

// The limits that may be learned: from the defaults up to what the bound in bytes allows.
struct ClassBounds {
  std::uint16_t max_partial_least = 0, max_partial_most = 0;
  std::uint16_t warm_cap_least = 0, warm_cap_most = 0;
};

struct Learned {
  ClassPolicy policy;
  std::uint16_t calm = 0;  // periods that the class has been calm for, up to calm_periods
};

constexpr std::uint16_t doubled_limit(std::uint16_t limit, std::uint16_t most) noexcept {
  if (limit >= most) return limit;
  return static_cast<std::uint16_t>(std::min<unsigned>(std::max(1u, 2u * limit), most));
}
constexpr std::uint16_t halved_limit(std::uint16_t limit, std::uint16_t least) noexcept {
  if (limit <= least) return limit;
  return std::max(static_cast<std::uint16_t>(limit / 2), least);
}

// `now.calm`: what the last decision returned. `periods`: since then, at least 1.
constexpr Learned decide(const Learned& now, std::uint32_t periods, const ClassDeltas& deltas,
                         const ClassBounds& bounds, const LearnRule& rule) noexcept {
  Learned next = now;
  ClassPolicy& policy = next.policy;
  next.calm = 0;
  if (policy.pinned) return next;
  if (std::min(deltas.refills, deltas.retires) >= rule.churn_pages) {
    policy.max_partial = doubled_limit(policy.max_partial, bounds.max_partial_most);
    policy.warm_cap = doubled_limit(policy.warm_cap, bounds.warm_cap_most);
    return next;
  }
  if (deltas.retires + deltas.spares >= rule.calm_pages) return next;
  const std::uint64_t calm = std::uint64_t{now.calm} + periods;
  if (calm < rule.calm_periods) {
    next.calm = static_cast<std::uint16_t>(calm);
    return next;
  }
  policy.max_partial = halved_limit(policy.max_partial, bounds.max_partial_least);
  policy.warm_cap = halved_limit(policy.warm_cap, bounds.warm_cap_least);
  return next;
}

// A limit of `least` pages may grow to as many as fit in `bytes`.
constexpr std::uint16_t most_pages(std::uint16_t least, std::size_t bytes,
                                   std::size_t page_bytes) noexcept {
  return static_cast<std::uint16_t>(std::max<std::size_t>(least, bytes / page_bytes));
}

// Every bin of a class has pages of the same size. A class that the geometry has not keeps what it
// has by default.
template <class C>
constexpr ClassBounds learn_bounds(std::size_t size_class) noexcept {
  using Tuning = typename C::Tuning;
  const ClassPolicy least = default_policy().classes[size_class];
  ClassBounds bounds{least.max_partial, least.max_partial, least.warm_cap, least.warm_cap};
  for (const BinInfo& bin : C::Sizes::kBinTable) {
    if (bin.size_class != size_class) continue;
    const std::size_t page = std::size_t{1} << bin.page_shift;
    bounds.max_partial_most = most_pages(least.max_partial, Tuning::kLearnHoldBytes, page);
    bounds.warm_cap_most = most_pages(least.warm_cap, Tuning::kLearnWarmBytes, page);
  }
  return bounds;
}

template <class C>
constexpr LearnRule learn_rule() noexcept {
  using Tuning = typename C::Tuning;
  static_assert(Tuning::kLearnCalmPages < Tuning::kLearnChurnPages,
                "or limits would go up and down for ever");
  static_assert(Tuning::kLearnCalmPages > 0 && Tuning::kLearnCalmPeriods > 0);
  return {Tuning::kLearnChurnPages, Tuning::kLearnCalmPages, Tuning::kLearnCalmPeriods};
}

}  // namespace hakmem
