// Laws of what the learner may do to a policy.
//
//   L1  the limits of every class that it may change lie between the defaults and the bounds
//   L2  a decision changes nothing but the limits of classes that are not pinned
//   L3  a decision goes one step at most: each limit is kept, doubled or halved, as far as its
//       bounds let it, and no class goes up with one limit and down with the other
#pragma once

#include <cstddef>
#include <cstdint>

#include "laws/law.h"
#include "learn/decision.h"
#include "policy/policy_snapshot.h"

namespace hakmem::laws {

constexpr Broken l1_limits_are_within_bounds(const ClassPolicy& policy,
                                             const ClassBounds& bounds) noexcept {
  const bool held = policy.max_partial >= bounds.max_partial_least &&
                    policy.max_partial <= bounds.max_partial_most;
  const bool warm =
      policy.warm_cap >= bounds.warm_cap_least && policy.warm_cap <= bounds.warm_cap_most;
  return law("L1", policy.pinned || (held && warm));
}

constexpr Broken l2_only_limits_change(const PolicySnapshot& before,
                                       const PolicySnapshot& after) noexcept {
  PolicySnapshot with_old_limits = after;
  for (std::size_t c = 0; c < kClassesMax; ++c) {
    if (before.classes[c].pinned) continue;
    with_old_limits.classes[c].max_partial = before.classes[c].max_partial;
    with_old_limits.classes[c].warm_cap = before.classes[c].warm_cap;
  }
  return law("L2", with_old_limits == before);
}

// -1 halved, 0 kept, 1 doubled, 2 none of these.
constexpr int limit_step(unsigned before, unsigned after, unsigned least, unsigned most) noexcept {
  if (after == before) return 0;
  const unsigned doubled = 2 * before < most ? 2 * before : most;
  const unsigned halved = before / 2 > least ? before / 2 : least;
  if (after > before) return after == doubled ? 1 : 2;
  return after == halved ? -1 : 2;
}

constexpr Broken l3_one_step(const ClassPolicy& before, const ClassPolicy& after,
                             const ClassBounds& bounds) noexcept {
  const int held = limit_step(before.max_partial, after.max_partial, bounds.max_partial_least,
                              bounds.max_partial_most);
  const int warm =
      limit_step(before.warm_cap, after.warm_cap, bounds.warm_cap_least, bounds.warm_cap_most);
  return law("L3", held != 2 && warm != 2 && held * warm != -1);
}

}  // namespace hakmem::laws
