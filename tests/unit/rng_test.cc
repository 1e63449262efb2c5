// The generator: reproducible from its seed, within bounds, stirred by a fork.
#include "base/rng.h"

#include <gtest/gtest.h>

#include <array>

namespace hakmem {
namespace {

TEST(Rng, FollowsTheReferenceSequence) {
  Rng rng(1234567);  // splitmix64's published test vector
  EXPECT_EQ(rng.next(), 6457827717110365317u);
  EXPECT_EQ(rng.next(), 3203168211198807973u);
}

TEST(Rng, BelowStaysBelowAndReachesEverything) {
  Rng rng(1);
  std::array<int, 7> seen{};
  for (int i = 0; i < 7000; ++i) ++seen.at(rng.below(7));
  for (const int n : seen) EXPECT_NEAR(n, 1000, 200);
  EXPECT_EQ(rng.below(1), 0u);
}

TEST(Rng, StirringChangesTheSequence) {
  Rng parent(42);
  Rng child = parent;
  child.stir(99);
  EXPECT_NE(parent.next(), child.next());
}

}  // namespace
}  // namespace hakmem
