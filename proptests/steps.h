// Random steps for the state machines of single boxes: numbers that a suite reads its operations
// out of. A failing sequence is made small by leaving steps out; what is printed then, beside the
// numbers, is the suite's own log of that sequence, and the RC_PARAMS that repeats it.
#pragma once

#include <cstdint>
#include <vector>

#include "proptests/fixed_seed.h"

namespace hakmem::model {

// Up to `most` of them; more often many than few.
inline std::vector<std::uint32_t> any_steps(int most) {
  constexpr int kWholeRange = 100;
  return *rc::gen::resize(most,
                          rc::gen::container<std::vector<std::uint32_t>>(rc::gen::noShrink(
                              rc::gen::resize(kWholeRange, rc::gen::arbitrary<std::uint32_t>()))));
}

// One step taken apart: each call uses up some of its bits.
class Step {
 public:
  explicit Step(std::uint32_t bits) : bits_(bits) {}
  std::uint32_t below(std::uint32_t n) {
    const std::uint32_t value = bits_ % n;
    bits_ /= n;
    return value;
  }
  bool one_in(std::uint32_t n) { return below(n) == 0; }

 private:
  std::uint32_t bits_;
};

}  // namespace hakmem::model
