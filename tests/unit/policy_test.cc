// Policy: the routes that a snapshot gives, publishing, and that equal snapshots share one place.
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "policy/policy_box.h"
#include "test_heap.h"

namespace hakmem::test {
namespace {

constexpr SizeClass cls(std::uint8_t c) { return SizeClass(c); }

TEST(PolicySnapshot, DefaultIsEverythingOnV3) {
  constexpr PolicySnapshot policy = default_policy();
  static_assert(policy.v3_mask() == kMaskAll);
  for (std::uint8_t c = 0; c < kClassesMax; ++c) {
    EXPECT_EQ(policy.route_of(cls(c)), Route::kSmallHeapV3);
    EXPECT_TRUE(policy.front_cached(cls(c)));
    EXPECT_GT(policy.classes[c].max_partial, 0);
  }
  EXPECT_FALSE(policy.count);
  EXPECT_FALSE(policy.c6_hot);
}

TEST(PolicySnapshot, DefaultHoldsLessOfLargerPages) {
  const PolicySnapshot policy = default_policy();
  for (std::uint8_t c = 0; c < kClassesMax; ++c) {
    EXPECT_EQ(policy.classes[c].max_partial, c <= 8 ? 4 : (c <= 11 ? 2 : 1)) << int{c};
    EXPECT_EQ(policy.classes[c].warm_cap, c <= 8 ? 16 : (c <= 11 ? 8 : 2)) << int{c};
  }
  EXPECT_FALSE(policy.every_call_slow);
  EXPECT_EQ(ClassPolicy{}, (ClassPolicy{true, 0, 0})) << "holds nothing until told";
}

TEST(PolicySnapshot, EachMaskBitIsOneClass) {
  for (std::uint8_t c = 0; c < kClassesMax; ++c) {
    PolicySnapshot policy = default_policy();
    policy.set_v3_mask(1u << c);
    EXPECT_EQ(policy.v3_mask(), 1u << c);
    for (std::uint8_t k = 0; k < kClassesMax; ++k) {
      const Route v1 = k < 9 ? Route::kTinyV1 : Route::kPoolV1;
      EXPECT_EQ(policy.route_of(cls(k)), k == c ? Route::kSmallHeapV3 : v1);
    }
  }
}

TEST(PolicySnapshot, C6HotCachesC6AndNothingElse) {
  PolicySnapshot policy = default_policy();
  policy.set_v3_mask(0);
  policy.c6_hot = true;
  for (std::uint8_t c = 0; c < kClassesMax; ++c) {
    EXPECT_EQ(policy.front_cached(cls(c)), c == 6);
  }
  EXPECT_EQ(policy.route_of(cls(6)), Route::kTinyV1);
}

// The table of published policies has its index from the highest bits.
TEST(PolicySnapshot, EveryMemberChangesTheHighestBitsOfTheHash) {
  const PolicySnapshot plain{};
  std::set<std::uint64_t> highest{plain.hash() >> 48};
  const auto add = [&](auto&& edit) {
    PolicySnapshot changed{};
    edit(changed);
    EXPECT_EQ(changed.hash(), PolicySnapshot(changed).hash());
    highest.insert(changed.hash() >> 48);
  };
  add([](PolicySnapshot& p) { p.c6_hot = true; });
  add([](PolicySnapshot& p) { p.count = true; });
  add([](PolicySnapshot& p) { p.every_call_slow = true; });
  add([](PolicySnapshot& p) { p.learn = true; });
  for (std::size_t c = 0; c < kClassesMax; ++c) {
    add([c](PolicySnapshot& p) { p.classes[c].v3 = !p.classes[c].v3; });
    add([c](PolicySnapshot& p) { p.classes[c].pinned = true; });
    add([c](PolicySnapshot& p) { p.classes[c].max_partial = 1; });
    add([c](PolicySnapshot& p) { p.classes[c].max_partial = 0x8000; });
    add([c](PolicySnapshot& p) { p.classes[c].warm_cap = 1; });
    add([c](PolicySnapshot& p) { p.classes[c].warm_cap = 0x8000; });
  }
  EXPECT_EQ(highest.size(), 1 + 4 + 6 * std::size_t{kClassesMax});
}

struct PolicyTest : ::testing::Test {
  FakePlatform platform;
  PolicyBox<Small> box;
  PolicySnapshot with(std::uint32_t mask) {
    PolicySnapshot policy = default_policy();
    policy.set_v3_mask(mask);
    return policy;
  }
};

TEST_F(PolicyTest, BeforeInitTheDefaultHolds) {
  EXPECT_EQ(box.current(), default_policy());
  EXPECT_EQ(box.bytes_mapped(), 0u);
}

TEST_F(PolicyTest, PublishedIsCurrent) {
  box.init(platform, with(0x80));
  EXPECT_EQ(box.current(), with(0x80));
  ASSERT_TRUE(box.publish(with(0xC0)));
  EXPECT_EQ(box.current(), with(0xC0));
}

TEST_F(PolicyTest, APublishedSnapshotNeverChanges) {
  box.init(platform, with(1));
  const PolicySnapshot& first = box.current();
  for (std::uint32_t mask = 2; mask < 200; ++mask) ASSERT_TRUE(box.publish(with(mask)));
  EXPECT_EQ(first, with(1));
}

TEST_F(PolicyTest, EqualSnapshotsShareOnePlace) {
  box.init(platform, with(1));
  const PolicySnapshot* const first = &box.current();
  ASSERT_TRUE(box.publish(with(2)));
  const PolicySnapshot* const second = &box.current();
  const std::uint64_t maps = platform.calls(Call::kMap);
  for (int i = 0; i < 10000; ++i) {
    ASSERT_TRUE(box.publish(with(1)));
    ASSERT_EQ(&box.current(), first);
    ASSERT_TRUE(box.publish(with(2)));
    ASSERT_EQ(&box.current(), second);
  }
  EXPECT_EQ(platform.calls(Call::kMap), maps) << "flipping to and fro takes no memory";
}

// Some of so many fall into one bucket of the table.
TEST_F(PolicyTest, EqualSnapshotsShareOnePlaceAmongMany) {
  box.init(platform, with(0));
  std::vector<const PolicySnapshot*> places;
  for (std::uint32_t mask = 0; mask < 2000; ++mask) {
    ASSERT_TRUE(box.publish(with(mask)));
    places.push_back(&box.current());
  }
  const std::size_t bytes = box.bytes_mapped();
  for (std::uint32_t mask = 2000; mask-- > 0;) {
    ASSERT_TRUE(box.publish(with(mask)));
    ASSERT_EQ(&box.current(), places[mask]);
  }
  EXPECT_EQ(box.bytes_mapped(), bytes);
}

TEST_F(PolicyTest, WithoutMemoryTheCurrentOneStays) {
  box.init(platform, with(1));
  platform.fail_after(Call::kMap, 0);
  EXPECT_FALSE(box.publish(with(2)));
  EXPECT_EQ(box.current(), with(1));
  EXPECT_TRUE(box.publish(with(1))) << "needs none";
}

TEST_F(PolicyTest, ManyDifferentOnesNeedMoreBlocks) {
  box.init(platform, with(0));
  const std::uint32_t many = 65536 / sizeof(PolicySnapshot) + 10;
  for (std::uint32_t mask = 1; mask < many; ++mask) ASSERT_TRUE(box.publish(with(mask)));
  EXPECT_EQ(platform.calls(Call::kMap), 2u);
  ASSERT_TRUE(box.publish(with(1)));
  EXPECT_EQ(box.current(), with(1)) << "one of the first block";
  EXPECT_EQ(platform.foreign_calls(), 0u);
}

TEST_F(PolicyTest, UpdatesOfSeveralWritersAreAllThere) {
  box.init(platform, with(0));
  std::thread writers[2];
  for (std::uint32_t w = 0; w < 2; ++w) {
    writers[w] = std::thread([this, w] {
      for (std::uint32_t c = w; c < kClassesMax; c += 2) {
        box.update([c](PolicySnapshot& policy) { policy.classes[c].v3 = true; },
                   [](const PolicySnapshot&) {});
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(box.current().v3_mask(), kMaskAll);
}

// What the learner may add is bounded (4 in the small geometry); the program's own is not.
TEST_F(PolicyTest, TheLearnerMakesOnlySoMany) {
  box.init(platform, with(0));
  std::uint32_t told = 0;
  const auto learn = [&](std::uint16_t max_partial) {
    return box.update_learned(
        [=](PolicySnapshot& policy) { policy.classes[1].max_partial = max_partial; },
        [&](const PolicySnapshot& now) { told += now == box.current() ? 1 : 100; });
  };
  EXPECT_EQ(learn(4), Published::kUnchanged);
  EXPECT_EQ(told, 0u);
  for (std::uint16_t n = 5; n < 9; ++n) ASSERT_EQ(learn(n), Published::kDone) << n;
  EXPECT_EQ(told, 4u);
  EXPECT_EQ(learn(9), Published::kFull);
  EXPECT_EQ(told, 4u);
  EXPECT_EQ(box.current().classes[1].max_partial, 8) << "it stays with what is there";
  EXPECT_EQ(learn(5), Published::kDone) << "one of those that are there";
  EXPECT_EQ(learn(4), Published::kDone);
  EXPECT_TRUE(box.publish(with(77)));
  EXPECT_EQ(learn(9), Published::kFull);
}

TEST_F(PolicyTest, WithoutMemoryNothingIsLearned) {
  box.init(platform, with(0));
  platform.fail_after(Call::kMap, 0);
  const auto learn = [&] {
    return box.update_learned([](PolicySnapshot& policy) { policy.classes[1].max_partial = 7; },
                              [](const PolicySnapshot&) { FAIL(); });
  };
  for (int i = 0; i < 10; ++i) EXPECT_EQ(learn(), Published::kNoMemory) << "nor is it counted";
  EXPECT_EQ(box.current(), with(0));
}

TEST_F(PolicyTest, WritersAreToldWhatTheyPublished) {
  box.init(platform, with(0));
  bool told = false;
  EXPECT_TRUE(box.update([](PolicySnapshot& policy) { policy.count = true; },
                         [&](const PolicySnapshot& now) { told = now.count; }));
  EXPECT_TRUE(told);
  platform.fail_after(Call::kMap, 0);
  for (std::uint32_t mask = 1; box.publish(with(mask)); ++mask) {
  }
  EXPECT_FALSE(box.update([](PolicySnapshot& policy) { policy.set_v3_mask(0xFFFF); },
                          [](const PolicySnapshot&) { FAIL(); }));
}

// Edge Y1: whoever sees a snapshot sees it whole.
TEST_F(PolicyTest, ReadersSeeWholeSnapshots) {
  const auto even = [](std::uint16_t n) {
    PolicySnapshot policy = default_policy();
    for (ClassPolicy& c : policy.classes) c.max_partial = n;
    return policy;
  };
  box.init(platform, even(0));
  std::thread writer([&] {
    for (std::uint16_t n = 1; n <= 300; ++n) box.publish(even(n));
  });
  std::uint16_t last = 0;
  while (last != 300) {  // nothing but the snapshot itself orders the two threads
    const PolicySnapshot& seen = box.current();
    for (const ClassPolicy& c : seen.classes) ASSERT_EQ(c.max_partial, seen.classes[0].max_partial);
    ASSERT_GE(seen.classes[0].max_partial, last);
    last = seen.classes[0].max_partial;
  }
  writer.join();
}

}  // namespace
}  // namespace hakmem::test
