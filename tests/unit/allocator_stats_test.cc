// StatsV3: the exact numbers of short scripts in the small geometry (pages of 4 slots, magazines of
// 4 places), and the invariants that the specification measured, in the production geometry.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

using PerClass = StatsV3::PerClass;

std::string text_of(const PerClass& s) {
  std::string text;
  const auto put = [&](const char* name, std::uint64_t n) {
    if (n != 0) text += std::string(name) + "=" + std::to_string(n) + " ";
  };
  put("route", s.route_hits);
  put("alloc", s.alloc_calls);
  put("free", s.free_calls);
  put("refill", s.alloc_refill);
  put("current", s.alloc_current_hit);
  put("partial", s.alloc_partial_hit);
  put("ultra", s.alloc_ultra_hit);
  put("fb_v1", s.alloc_fb_v1);
  put("free_v1", s.free_fb_v1);
  put("free_current", s.free_current);
  put("free_partial", s.free_partial);
  put("retire", s.free_retire);
  put("remote", s.free_remote);
  return text;
}

class Counted : public ::testing::Test {
 protected:
  static constexpr std::size_t kSize = 1024;  // C7
  std::string c7() { return text_of(heap_.allocator->stats().by_class[7]); }
  std::vector<void*> take(int n) {
    std::vector<void*> blocks;
    for (int i = 0; i < n; ++i) blocks.push_back(heap_.take(kSize));
    return blocks;
  }
  void give(const std::vector<void*>& blocks) {
    for (void* p : blocks) heap_.give(p);
  }
  void publish(std::uint32_t mask, bool count = true) {
    PolicySnapshot policy = heap_.allocator->policy();
    policy.set_v3_mask(mask);
    policy.count = count;
    ASSERT_TRUE(heap_.allocator->publish_policy(heap_.ctx, policy));
  }
  Heap<Small> heap_{counting_policy()};
};

// 1st: borrows a page and puts one more block in the magazine, which is small yet. 2nd: magazine.
// 3rd: the page, whose last goes to the magazine. 4th: magazine. 5th: another page, and two more in
// the magazine. 6th, 7th: magazine. 8th: the page's last slot.
TEST_F(Counted, Allocations) {
  take(1);
  EXPECT_EQ(c7(), "route=1 alloc=1 refill=1 ");
  take(2);
  EXPECT_EQ(c7(), "route=3 alloc=3 refill=1 current=2 ultra=1 ");
  take(1);
  EXPECT_EQ(c7(), "route=4 alloc=4 refill=1 current=3 ultra=2 ");
  take(4);
  EXPECT_EQ(c7(), "route=8 alloc=8 refill=2 current=6 ultra=4 ");
}

// Four frees fill the magazine; the 5th and the 7th push two old blocks each to their page, which
// was full and goes to `partial`.
TEST_F(Counted, Frees) {
  const auto blocks = take(8);
  give({blocks.begin(), blocks.begin() + 4});
  EXPECT_EQ(c7(), "route=8 alloc=8 free=4 refill=2 current=6 ultra=4 free_current=4 ");
  give({blocks.begin() + 4, blocks.end()});
  EXPECT_EQ(c7(),
            "route=8 alloc=8 free=8 refill=2 current=6 ultra=4 free_current=8 free_partial=4 ");
  heap_.allocator->trim(heap_.ctx);  // the magazine's blocks empty the other page: to `partial`
  EXPECT_EQ(c7(),
            "route=8 alloc=8 free=8 refill=2 current=6 ultra=4 free_current=8 free_partial=5 "
            "retire=2 ");
}

TEST_F(Counted, APartialPage) {
  const auto blocks = take(8);
  give(blocks);  // the magazine holds the second page's blocks, the first page is partial
  take(4);
  EXPECT_EQ(c7(),
            "route=12 alloc=12 free=8 refill=2 current=10 ultra=8 free_current=8 free_partial=4 ");
  take(1);
  EXPECT_EQ(c7(),
            "route=13 alloc=13 free=8 refill=2 current=10 partial=1 ultra=8 free_current=8 "
            "free_partial=4 ");
}

TEST_F(Counted, RetiringBeyondMaxPartial) {
  PolicySnapshot policy = counting_policy();
  policy.classes[7].max_partial = 0;
  heap_.allocator->publish_policy(heap_.ctx, policy);
  const auto blocks = take(8);
  give(blocks);
  EXPECT_EQ(c7(),
            "route=8 alloc=8 free=8 refill=2 current=6 ultra=4 free_current=8 free_partial=3 "
            "retire=1 ");
}

TEST_F(Counted, FallbackToV1) {
  heap_.platform().fail_after(Call::kCommit, 0);  // no superslab
  const auto blocks = take(3);
  EXPECT_EQ(c7(), "route=3 alloc=3 fb_v1=3 ");
  give(blocks);
  EXPECT_EQ(c7(), "route=3 alloc=3 free=3 fb_v1=3 free_v1=3 ");
  EXPECT_EQ(heap_.allocator->stats().page_of_fail, 3u);
}

TEST_F(Counted, AClassOnV1HasNoRouteHits) {
  publish(kMaskAll & ~kMaskC7);
  give(take(2));
  EXPECT_EQ(c7(), "alloc=2 free=2 free_v1=2 ");
}

TEST_F(Counted, MasksGiveRouteHitsExactlyWhereTheyShould) {
  for (const std::uint32_t mask : {0x00u, 0x80u, 0xC0u, 0xFFu}) {
    Heap<Small> heap(counting_policy());
    PolicySnapshot policy = counting_policy();
    policy.set_v3_mask(mask);
    heap.allocator->publish_policy(heap.ctx, policy);
    for (std::uint8_t c = 0; c < kTinyClasses; ++c) heap.give(heap.take(class_size_max(c)));
    const StatsV3 stats = heap.allocator->stats();
    for (std::uint8_t c = 0; c < kTinyClasses; ++c) {
      EXPECT_EQ(stats.by_class[c].route_hits, (mask >> c) & 1) << "mask " << mask << " C" << +c;
      EXPECT_EQ(stats.by_class[c].alloc_calls, 1u);
      EXPECT_EQ(stats.by_class[c].free_calls, 1u);
    }
  }
}

TEST_F(Counted, BlocksOfV3AreFreedAsSuchAfterAFlipToV1) {
  const auto blocks = take(4);
  publish(0);
  give(blocks);  // no magazine any more: straight to the page
  EXPECT_EQ(c7(),
            "route=4 alloc=4 free=4 refill=1 current=3 ultra=2 free_current=3 free_partial=1 ");
}

TEST_F(Counted, LargeBlocksAndPagesOfOthers) {
  void* const p = heap_.take(1 << 20);
  StatsV3 stats = heap_.allocator->stats();
  EXPECT_EQ(stats.large_alloc, 1u);
  EXPECT_EQ(stats.page_of_fail, 0u);
  heap_.give(p);
  stats = heap_.allocator->stats();
  EXPECT_EQ(stats.large_free, 1u);
  EXPECT_EQ(stats.page_of_fail, 1u) << "not in the arena";
}

TEST_F(Counted, FreesFromElsewhereAreCountedWhereTheyAreMade) {
  const auto blocks = take(4);
  Context<Small>* const other = heap_.allocator->attach_context();
  for (void* p : blocks) heap_.allocator->deallocate(other, p);
  EXPECT_EQ(other->stats.by_class[7].free_remote.get(), 4u);
  EXPECT_EQ(other->stats.by_class[7].free_calls.get(), 4u);
  EXPECT_EQ(heap_.ctx->stats.by_class[7].free_calls.get(), 0u);
  heap_.take(64);  // drains: three slots to the current page, the fourth empties it
  EXPECT_EQ(c7(), "route=4 alloc=4 free=4 refill=1 current=3 ultra=2 free_partial=1 remote=4 ");
}

// Off and on with blocks in the magazines: nothing counted while off, nothing lost.
TEST_F(Counted, SwitchingOffAndOn) {
  auto blocks = take(6);
  const std::string before = c7();
  publish(kMaskAll, false);
  EXPECT_FALSE(heap_.ctx->ultra.front[bin_of<Small>(kSize).value()].empty()) << "back in sight";
  const auto more = take(8);
  give(more);
  give(blocks);
  EXPECT_EQ(c7(), before);
  publish(kMaskAll, true);
  EXPECT_EQ(heap_.audit(), laws::kHolds);
  take(1);
  EXPECT_EQ(c7(), "route=7 alloc=7 refill=2 current=5 ultra=4 ");
  EXPECT_EQ(heap_.audit(), laws::kHolds);
}

// Frees that go straight to a page: blocks of v3 whose class is on v1 by now.
TEST_F(Counted, NothingStraightToPagesWhileOff) {
  const auto blocks = take(8);
  publish(kMaskAll & ~kMaskC7, false);
  const std::string before = c7();
  give(blocks);
  EXPECT_EQ(c7(), before);
  publish(kMaskAll, true);
  const auto more = take(4);
  publish(kMaskAll & ~kMaskC7, true);
  const std::string live = c7();
  give(more);
  EXPECT_NE(c7(), live);
}

TEST_F(Counted, SumsOverContextsAlsoParkedOnes) {
  Context<Small>* const other = heap_.allocator->attach_context();
  void* const p = heap_.allocator->allocate(other, kSize);
  heap_.allocator->deallocate(other, p);
  heap_.allocator->park_context(*other);
  take(1);
  EXPECT_EQ(heap_.allocator->stats().by_class[7].alloc_calls, 2u);
}

// ---- the specification's invariants: working set 400, C7 only and 16 to 1024 bytes --------------

StatsV3 run(std::size_t smallest, std::size_t largest, int operations) {
  Heap<Full> heap(counting_policy());
  Rng rng(20240510);
  std::vector<void*> set(400, nullptr);
  for (int i = 0; i < operations; ++i) {
    void*& p = set[rng.below(400)];
    if (p != nullptr) heap.give(p);
    const auto spread = static_cast<std::uint32_t>(largest - smallest + 1);
    p = heap.take(smallest + rng.below(spread));
  }
  EXPECT_EQ(heap.audit(), laws::kHolds);
  return heap.allocator->stats();
}

void expect_the_specification(const StatsV3& stats) {
  PerClass sum{};
  for (const PerClass& c : stats.by_class) {
    sum.alloc_calls += c.alloc_calls;
    sum.alloc_current_hit += c.alloc_current_hit;
    sum.alloc_refill += c.alloc_refill;
    sum.alloc_fb_v1 += c.alloc_fb_v1;
    sum.free_calls += c.free_calls;
    sum.free_retire += c.free_retire;
  }
  EXPECT_GE(static_cast<double>(sum.alloc_current_hit),
            0.999 * static_cast<double>(sum.alloc_calls));
  EXPECT_LE(static_cast<double>(sum.alloc_refill), 0.01 * static_cast<double>(sum.alloc_calls));
  EXPECT_LE(static_cast<double>(sum.free_retire), 0.001 * static_cast<double>(sum.free_calls));
  EXPECT_EQ(sum.alloc_fb_v1, 0u);
  EXPECT_EQ(stats.page_of_fail, 0u);
}

TEST(Specification, C7Only) { expect_the_specification(run(1024, 1024, 200000)); }
TEST(Specification, Mixed) { expect_the_specification(run(16, 1024, 200000)); }

}  // namespace
}  // namespace hakmem::test
