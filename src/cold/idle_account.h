// IdleAccount: how much free pages may keep until they have aged, and when growth ends a decay
// period. Numbers only; under the cold box's lock.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/early_returns.h"

namespace hakmem {

template <class Tuning>
class IdleAccount {
 public:
  std::size_t allowed(std::size_t lent_bytes) const noexcept {
    return std::max(Tuning::kIdleMin, lent_bytes / 8) + early_.missed();
  }
  void purged_early(std::size_t bytes) noexcept { early_.returned(bytes); }
  void taken_anew(std::size_t bytes) noexcept { early_.taken_anew(bytes); }
  // `period`: by the clock alone, for growing is what such a program does.
  void forget_half_in(std::uint32_t period) noexcept {
    if (period == forgot_in_) return;
    forgot_in_ = period;
    early_.forget_half();
  }

  // A heap that takes much new memory gives up what is at rest, however little time has passed: an
  // eighth of what it has at a time, so that growing costs no more for that. Whether it is due.
  bool grown_by(std::size_t bytes, std::size_t held) noexcept {
    grown_bytes_ += bytes;
    if (grown_bytes_ < std::max(Tuning::kGrowthMin, held / 8)) return false;
    grown_bytes_ = 0;
    return true;
  }

 private:
  EarlyReturns early_;
  std::size_t grown_bytes_ = 0;  // in this period by growth
  std::uint32_t forgot_in_ = 0;
};

}  // namespace hakmem
