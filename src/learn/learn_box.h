// The learning box (SPEC S16): counts page events of each class, and once per decay period lets
// `decide` (decision.h) look at them. All it can do is ask for an edit of the policy.
//
//   note_refill, note_retire, note_spare   on slow paths, by any thread, while a policy says
//   `learn` decide                                 by whoever first sees a new period; others go on
//
// Counters are relaxed: an event that two decisions argue about counts for one of them, and nothing
// is read through them. `calm_` and the decision itself are under a try-lock, so nobody ever waits.
// Model: models/reference/learner.h. Tests: tests/unit/learn_test.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/attributes.h"
#include "base/types.h"
#include "learn/decision.h"
#include "pal/lock.h"
#include "policy/policy_box.h"

namespace hakmem {

template <class C>
class LearnBox {
 public:
  void note_refill(SizeClass c) noexcept { add(of(c).refills); }
  void note_retire(SizeClass c) noexcept { add(of(c).retires); }
  void note_spare(SizeClass c) noexcept { add(of(c).spares); }

  // Since the last decision; each number by itself, while others count on.
  ClassDeltas seen(SizeClass c) const noexcept {
    const Counts& counts = counts_[c.value()];
    return {counts.refills.load_relaxed(), counts.retires.load_relaxed(),
            counts.spares.load_relaxed()};
  }

  // Whether `period`, a running number, is one that no decision was made in.
  bool due(std::uint32_t period) const noexcept {
    return period != seen_period_.load_relaxed();  // relaxed: a hint only
  }

  // Calls publish(edit), with `edit(PolicySnapshot&)` deciding for every class; `publish` says what
  // became of it. Does nothing when another thread is at it, or was in this period.
  template <class Publish>
  void decide_in(std::uint32_t period, Publish&& publish) noexcept {
    if (!lock_.try_lock()) return;
    const std::uint32_t periods = period - seen_period_.load_relaxed();  // relaxed: under the lock
    if (static_cast<std::int32_t>(periods) > 0) {  // else this thread read the clock before another
      seen_period_.store_relaxed(period);
      const std::array<ClassDeltas, kClassesMax> deltas = take_deltas();
      // Unchecked: called with the lock held, which the analysis cannot see through `publish`.
      const Published result = publish(
          [&](PolicySnapshot& policy) HAKMEM_UNCHECKED { decide_all(policy, periods, deltas); });
      if (result == Published::kFull) say_full();
    }
    lock_.unlock();
  }

  void lock_for_fork() noexcept HAKMEM_ACQUIRE(lock_) { lock_.lock(); }
  void unlock_after_fork() noexcept HAKMEM_RELEASE(lock_) { lock_.unlock(); }

 private:
  using Count = typename C::World::template atomic<std::uint64_t>;
  struct Counts {
    Count refills{0}, retires{0}, spares{0};
  };

  Counts& of(SizeClass c) noexcept { return counts_[c.value()]; }
  static void add(Count& count) noexcept { count.fetch_add_relaxed(1); }

  std::array<ClassDeltas, kClassesMax> take_deltas() noexcept {
    std::array<ClassDeltas, kClassesMax> deltas;
    for (std::size_t c = 0; c < kClassesMax; ++c) {
      Counts& counts = counts_[c];
      deltas[c] = {counts.refills.exchange_relaxed(0), counts.retires.exchange_relaxed(0),
                   counts.spares.exchange_relaxed(0)};
    }
    return deltas;
  }

  void decide_all(PolicySnapshot& policy, std::uint32_t periods,
                  const std::array<ClassDeltas, kClassesMax>& deltas) noexcept
      HAKMEM_REQUIRES(lock_) {
    if (!policy.learn) return;  // turned off since
    for (std::size_t c = 0; c < kClassesMax; ++c) {
      const Learned next = decide({policy.classes[c], calm_[c]}, periods, deltas[c],
                                  learn_bounds<C>(c), learn_rule<C>());
      policy.classes[c] = next.policy;
      calm_[c] = next.calm;
    }
  }

  HAKMEM_COLD void say_full() noexcept HAKMEM_REQUIRES(lock_) {
    if (said_full_) return;
    said_full_ = true;
    static constexpr char kText[] =
        "hakmem: warning: HAKMEM_LEARN has made as many policies as it may; it goes on with "
        "those\n";
    C::Platform::write_error(kText, sizeof kText - 1);
  }

  std::array<Counts, kClassesMax> counts_{};
  typename C::World::template atomic<std::uint32_t> seen_period_{0};
  Lock<C> lock_;
  std::array<std::uint16_t, kClassesMax> calm_ HAKMEM_GUARDED_BY(lock_){};
  bool said_full_ HAKMEM_GUARDED_BY(lock_) = false;
};

}  // namespace hakmem
