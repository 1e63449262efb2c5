// The memory limit by itself: what is charged and refused, to the byte, also by many threads.
#include "limits/memory_limit.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/atomic.h"

namespace hakmem::test {
namespace {

using Limit = MemoryLimit<StdWorld>;
constexpr std::size_t kNone = LimitBytes::kNone;

TEST(MemoryLimit, WithoutOneNothingIsRefusedOrCrowded) {
  Limit limit;
  EXPECT_EQ(limit.get(), (LimitBytes{kNone, kNone}));
  EXPECT_TRUE(limit.charge(Holder::kPages, std::size_t{1} << 50));
  EXPECT_FALSE(limit.over_soft(Holder::kPages));
  EXPECT_FALSE(limit.over_soft(Holder::kPages, std::size_t{1} << 50));
  EXPECT_EQ(limit.held(), std::size_t{1} << 50);
}

TEST(MemoryLimit, RefusesWhatGoesBeyondTheHardOneAndOnlyThat) {
  Limit limit;
  limit.set({kNone, 1000});
  EXPECT_TRUE(limit.charge(Holder::kPages, 600));
  EXPECT_FALSE(limit.charge(Holder::kChunks, 401));
  EXPECT_EQ(limit.refusals(Holder::kChunks), 1u);
  EXPECT_TRUE(limit.charge(Holder::kChunks, 400));
  EXPECT_FALSE(limit.charge(Holder::kMappings, 1));
  EXPECT_FALSE(limit.charge(Holder::kMappings, kNone));
  EXPECT_EQ(limit.refusals(Holder::kMappings), 2u);
  EXPECT_EQ(limit.refusals(Holder::kPages), 0u);
  EXPECT_EQ(limit.held(), 1000u);
  limit.refund(Holder::kPages, 600);
  EXPECT_EQ(limit.held(), 400u);
  EXPECT_EQ(limit.held_by(Holder::kPages), 0u);
  EXPECT_EQ(limit.held_by(Holder::kChunks), 400u);
  EXPECT_TRUE(limit.charge(Holder::kMappings, 600));
  EXPECT_EQ(limit.held_by(Holder::kMappings), 600u);
}

TEST(MemoryLimit, CrowdedIsAboveTheSoftOneNotAtIt) {
  Limit limit;
  limit.set({1000, kNone});
  ASSERT_TRUE(limit.charge(Holder::kPages, 1000));
  EXPECT_FALSE(limit.over_soft(Holder::kPages));
  EXPECT_TRUE(limit.over_soft(Holder::kPages, 1));
  ASSERT_TRUE(limit.charge(Holder::kPages, 1));
  EXPECT_TRUE(limit.over_soft(Holder::kMappings));
  limit.refund(Holder::kPages, 101);
  EXPECT_FALSE(limit.over_soft(Holder::kPages, 100));
  EXPECT_TRUE(limit.over_soft(Holder::kPages, 101));
}

TEST(MemoryLimit, SoftIsNeverAboveHard) {
  Limit limit;
  limit.set({2000, 1000});
  EXPECT_EQ(limit.get(), (LimitBytes{1000, 1000}));
  limit.set({kNone, 500});
  EXPECT_EQ(limit.get(), (LimitBytes{500, 500}));
  limit.set({499, 500});
  EXPECT_EQ(limit.get(), (LimitBytes{499, 500}));
  limit.set({});
  EXPECT_EQ(limit.get(), (LimitBytes{kNone, kNone}));
}

TEST(MemoryLimit, LoweredBelowWhatIsHeldItRefusesUntilEnoughIsBack) {
  Limit limit;
  ASSERT_TRUE(limit.charge(Holder::kChunks, 1000));
  limit.set({kNone, 100});
  EXPECT_FALSE(limit.charge(Holder::kChunks, 0));
  EXPECT_TRUE(limit.over_soft(Holder::kChunks));
  limit.refund(Holder::kChunks, 901);
  EXPECT_TRUE(limit.charge(Holder::kChunks, 1));
  EXPECT_FALSE(limit.charge(Holder::kChunks, 1));
}

TEST(MemoryLimit, ManyThreadsNeverGoBeyondItAndEndAtZero) {
  Limit limit;
  limit.set({kNone, 70});
  std::vector<std::thread> threads;
  StdAtomic<std::size_t> beyond{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20000; ++i) {
        if (!limit.charge(Holder::kPages, 30)) continue;
        if (limit.held() > 70) beyond.fetch_add_relaxed(1);
        limit.refund(Holder::kPages, 30);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(beyond.load_relaxed(), 0u);
  EXPECT_EQ(limit.held(), 0u);
  EXPECT_EQ(limit.held_by(Holder::kPages), 0u);
}

}  // namespace
}  // namespace hakmem::test
