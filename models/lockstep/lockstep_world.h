// The ops that change what is around the blocks, for Lockstep (lockstep.h): threads that exit, a
// fork's child, policy, limit, a system that refuses, trim, time.
#pragma once

#include "models/lockstep/lockstep.h"

namespace hakmem::model {

template <class C, class Rules>
void Lockstep<C, Rules>::thread_exit() {
  Thread& t = threads_[actor_];
  if (t.real != nullptr) {
    real_->park_context(*t.real);
    model_->park(t.model);
  }
  t = {};
}

// What the child of a fork does, without the fork: the other threads are gone. Their blocks stay.
template <class C, class Rules>
void Lockstep<C, Rules>::fork_child() {
  const Thread mine = thread();
  real_->fork_prepare(mine.real);
  real_->fork_child(mine.real);
  model_->fork_child(mine.model);
  threads_.assign(kThreads, Thread{});
  threads_[actor_] = mine;
  if (C::kMitigations.randomize_slots && mine.real != nullptr) {
    Context& model = model_->contexts()[mine.model];
    for (std::size_t b = 0; b < model.bins.size() && difference_.empty(); ++b)
      follow_magazine(*mine.real, model, b);
  }
}

template <class C, class Rules>
void Lockstep<C, Rules>::change_policy(const Op& op) {
  const Thread& t = thread();
  PolicySnapshot policy = model_->policy();
  edit_policy(op, policy);
  const bool published = real_->publish_policy(t.real, policy);
  expect(published || system_refused(), "the policy could not be published");
  if (published) model_->publish(t.model, policy);
  expect(real_->policy() == model_->policy(), "the policy in force");
}

template <class C, class Rules>
void Lockstep<C, Rules>::edit_policy(const Op& op, PolicySnapshot& policy) {
  ClassPolicy& of_class = policy.classes[op.size % C::Sizes::kClasses];
  switch (op.kind) {
    case OpKind::kRoute:
      of_class.v3 = op.arg % 2 != 0;
      break;
    case OpKind::kMask:
      policy.set_v3_mask(op.arg);
      break;
    case OpKind::kMaxPartial:
      of_class.max_partial = static_cast<std::uint16_t>(op.arg % 4);
      of_class.pinned = true;
      break;
    case OpKind::kWarmCap:
      of_class.warm_cap = static_cast<std::uint16_t>(op.arg % 4);
      of_class.pinned = true;
      break;
    case OpKind::kC6Hot:
      policy.c6_hot = op.arg % 2 != 0;
      break;
    case OpKind::kCount:
      policy.count = op.arg % 2 != 0;
      break;
    case OpKind::kLearn:
      policy.learn = op.arg % 2 != 0;
      break;
    default:
      break;
  }
}

template <class C, class Rules>
void Lockstep<C, Rules>::set_limit(const Op& op) {
  const std::size_t held = real_->boxes().limit.held();
  const std::size_t hard = limit_level(op.arg, held, model_->shape().unit);
  const std::size_t soft = limit_level(op.size, held, model_->shape().unit);
  real_->set_limit({soft, hard});
  model_->set_limit({soft < hard ? soft : hard, hard}, held);
}

template <class C, class Rules>
void Lockstep<C, Rules>::set_failing(const Op& op) {
  (op.kind == OpKind::kCommitFails ? commit_failing_ : memory_failing_) = op.arg % 2 != 0;
  if constexpr (kFake) real_->boxes().platform.set_failing(commit_failing_, memory_failing_);
}

template <class C, class Rules>
void Lockstep<C, Rules>::trim() {
  const Thread& t = thread();
  const std::size_t bytes = real_->trim(t.real);
  const std::size_t small = model_->trim(t.model);
  expect(bytes >= small || system_refused(), "trim gives back what is free");
}

// Gives back what is free, and leaves nothing to do.
template <class C, class Rules>
void Lockstep<C, Rules>::purge() {
  const std::size_t bytes = real_->purge();
  const std::size_t small = model_->purge();
  expect(bytes >= small || system_refused(), "purge gives back what is free");
  if (!system_refused()) expect(real_->purge() == 0, "a second purge found something");
  model_->purge();
}

template <class C, class Rules>
void Lockstep<C, Rules>::advance_clock(const Op& op) {
  if constexpr (kFake) real_->boxes().platform.advance_clock_ms(op.arg % 5000);
}

}  // namespace hakmem::model
