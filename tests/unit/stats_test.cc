// The statistics' own arithmetic: every counter is summed, none twice. What each one counts is
// tested where it is counted (allocator_stats_test.cc).
#include "stats/stats_v3.h"

#include <gtest/gtest.h>

#include <set>

#include "test_heap.h"

namespace hakmem::test {
namespace {

TEST(Stats, ForEachCounterVisitsEveryCounterOnce) {
  StatsV3 sum;
  auto part = std::make_unique<ContextStats<Small>>();
  std::set<const void*> sums, parts;
  for_each_counter(sum, *part, [&](std::uint64_t& s, StatCounter<Small>& p) {
    EXPECT_TRUE(sums.insert(&s).second);
    EXPECT_TRUE(parts.insert(&p).second);
    // The same place in both structures.
    EXPECT_EQ(reinterpret_cast<char*>(&s) - reinterpret_cast<char*>(&sum),
              reinterpret_cast<char*>(&p) - reinterpret_cast<char*>(part.get()));
  });
  EXPECT_EQ(sums.size() * sizeof(std::uint64_t), sizeof(StatsV3)) << "a counter was forgotten";
}

TEST(Stats, CountersStartAtZeroAndAdd) {
  StatCounter<Small> counter;
  EXPECT_EQ(counter.get(), 0u);
  counter.add();
  counter.add(41);
  EXPECT_EQ(counter.get(), 42u);
}

}  // namespace
}  // namespace hakmem::test
