// Integer arithmetic: rounding at the edges, and division by reciprocal against the machine's own.
#include "base/bits.h"

#include <gtest/gtest.h>

#include <bit>

namespace hakmem {
namespace {

TEST(Bits, PowersOfTwo) {
  EXPECT_FALSE(is_power_of_two(0));
  for (unsigned k = 0; k < 64; ++k) {
    EXPECT_TRUE(is_power_of_two(std::uint64_t{1} << k));
    EXPECT_TRUE(k < 2 || !is_power_of_two((std::uint64_t{1} << k) - 1));
  }
}

TEST(Bits, Rounding) {
  EXPECT_EQ(round_up(0, 16), 0u);
  EXPECT_EQ(round_up(1, 16), 16u);
  EXPECT_EQ(round_up(16, 16), 16u);
  EXPECT_EQ(round_up(~std::uint64_t{0}, 16), 0u) << "wraps, as documented";
  EXPECT_EQ(round_down(31, 16), 16u);
  EXPECT_EQ(round_down(15, 16), 0u);
}

TEST(Bits, Log2CeilIsTheSmallestPowerThatHolds) {
  for (std::uint64_t n = 1; n < 70000; ++n) {
    const unsigned k = log2_ceil(n);
    EXPECT_GE(std::uint64_t{1} << k, n);
    EXPECT_TRUE(k == 0 || (std::uint64_t{1} << (k - 1)) < n) << n;
  }
}

// Every offset for small divisors, and around every multiple for large ones.
TEST(Bits, DivideAgreesWithDivision) {
  for (std::uint32_t d = 16; d <= 262144; d += 16) {
    const std::uint64_t reciprocal = reciprocal_of(d);
    for (std::uint64_t k = 0; k * d < (1u << 21); k += (d < 1024 ? 97 : 1)) {
      for (const std::uint64_t x : {k * d, k * d + 1, k * d + d - 1}) {
        const Quotient q = divide(x, reciprocal);
        ASSERT_EQ(q.value, x / d) << x << " / " << d;
        ASSERT_EQ(q.fraction < reciprocal, x % d == 0) << x << " / " << d;
      }
    }
  }
}

}  // namespace
}  // namespace hakmem
