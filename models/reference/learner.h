// The model's learner (S16): what it has seen of each class since it last decided, and what it then
// makes of the limits. And the policies that were ever published: the learner may add only so many.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "models/reference/shape.h"
#include "policy/policy_snapshot.h"

namespace hakmem::model {

class Learner {
 public:
  Learner(const Shape& shape, const PolicySnapshot& first) : shape_(shape), published_{first} {
    for (const Bin& bin : shape.bins) page_of_class_[bin.size_class] = bin.page;
  }

  struct Seen {
    std::size_t refills = 0;
    std::size_t retires = 0;  // because max_partial others were there
    std::size_t spares = 0;   // empty pages kept with at least half of max_partial others
  };
  std::array<Seen, kClassesMax> seen{};

  // Once in a period, with a policy that says `learn`. False: the policy stays as it was, because
  // it is right, there is no memory for another, or the learner has made as many as it may.
  bool decide(std::size_t period, PolicySnapshot& policy, bool no_memory) {
    const std::size_t periods = period - period_;
    if (periods == 0) return false;
    period_ = period;
    PolicySnapshot wanted = policy;
    for (std::size_t c = 0; c < kClassesMax; ++c) decide(c, periods, wanted.classes[c]);
    seen = {};
    if (wanted == policy) return false;
    if (!is_known(wanted)) {
      if (made_ == shape_.learned_policies_max) full = true;
      if (made_ == shape_.learned_policies_max || no_memory) return false;
      ++made_;
      published_.push_back(wanted);
    }
    policy = wanted;
    return true;
  }
  void published(const PolicySnapshot& policy) {
    if (!is_known(policy)) published_.push_back(policy);
  }

  bool full = false;  // it was refused one more policy
  // What its next decision depends on.
  template <class Visit>
  void each_remembered(Visit&& visit) const {
    for (std::size_t c = 0; c < kClassesMax; ++c) {
      for (const std::size_t n : {seen[c].refills, seen[c].retires, seen[c].spares, calm_[c]})
        visit(n);
    }
    visit(made_);
  }
  std::size_t period() const { return period_; }

 private:
  bool is_known(const PolicySnapshot& policy) const {
    return std::find(published_.begin(), published_.end(), policy) != published_.end();
  }

  void decide(std::size_t c, std::size_t periods, ClassPolicy& limits) {
    const std::size_t calm_so_far = calm_[c];
    calm_[c] = 0;
    if (limits.pinned) return;
    const Seen& s = seen[c];
    if (s.refills >= shape_.learn_churn_pages && s.retires >= shape_.learn_churn_pages) {
      return go(c, limits, +1);
    }
    if (s.retires + s.spares >= shape_.learn_calm_pages) return;
    if (calm_so_far + periods >= shape_.learn_calm_periods) return go(c, limits, -1);
    calm_[c] = calm_so_far + periods;
  }

  // Limits are the defaults times a power of two, and no more than fit in so many bytes.
  void go(std::size_t c, ClassPolicy& limits, int step) const {
    const ClassPolicy least = default_policy().classes[c];
    limits.max_partial =
        next(limits.max_partial, least.max_partial, step, shape_.learn_hold_bytes, c);
    limits.warm_cap = next(limits.warm_cap, least.warm_cap, step, shape_.learn_warm_bytes, c);
  }
  std::uint16_t next(std::size_t limit, std::size_t least, int step, std::size_t bytes,
                     std::size_t c) const {
    const std::size_t fit = page_of_class_[c] == 0 ? 0 : bytes / page_of_class_[c];
    const std::size_t most = fit > least ? fit : least;
    const std::size_t wanted = step > 0 ? limit * 2 : limit / 2;
    return static_cast<std::uint16_t>(wanted < least ? least : (wanted > most ? most : wanted));
  }

  const Shape& shape_;
  std::vector<PolicySnapshot> published_;
  std::array<std::size_t, kClassesMax> page_of_class_{};
  std::array<std::size_t, kClassesMax> calm_{};
  std::size_t made_ = 0;
  std::size_t period_ = 0;
};

}  // namespace hakmem::model
