// MappingBudget: how many guards it grants, what counts, and what it says, once.
#include "limits/mapping_budget.h"

#include <gtest/gtest.h>

#include <string>

#include "base/atomic.h"
#include "config/config.h"
#include "pal/fake.h"

namespace hakmem {
namespace {

struct Fake : Config<SmallGeometry, FakePlatform, StdWorld, kHardenedMitigations> {};

class Budget : public testing::Test {
 protected:
  void start(std::size_t max) {
    platform_.set_mappings_max(max);
    budget_.init(platform_);
  }
  static constexpr std::size_t kMany = 1000;  // more than any test here grants

  std::size_t take_all() {
    std::size_t n = 0;
    while (n < kMany && budget_.take_guard()) ++n;
    return n;
  }
  // Calls `work` and returns what it wrote to stderr.
  template <class Work>
  static std::string told(Work&& work) {
    testing::internal::CaptureStderr();
    work();
    return testing::internal::GetCapturedStderr();
  }

  FakePlatform platform_;
  MappingBudget<Fake> budget_;
};

TEST_F(Budget, AQuarterOfAllMappingsMayBeGuardsOfTwoEach) {
  start(80);
  EXPECT_EQ(take_all(), 10u);
  EXPECT_EQ(budget_.guard_mappings(), 20u) << "a refused one is not counted";
  budget_.give_guards(3);
  EXPECT_EQ(take_all(), 3u);
}

TEST_F(Budget, OtherMappingsLeaveGuardsHalfOfAllTogether) {
  start(80);
  budget_.add(36);
  EXPECT_EQ(take_all(), 2u);
  budget_.remove(6);
  EXPECT_EQ(take_all(), 3u);
  budget_.remove(30);
  EXPECT_EQ(take_all(), 5u);
}

TEST_F(Budget, WhatRunsShortIsNamedInOneLineOnce) {
  start(40);
  const std::string first = told([&] { take_all(); });
  EXPECT_EQ(first,
            "hakmem: warning: vm.max_map_count=40 runs short: no guard pages behind new pages and "
            "large blocks\n");
  budget_.give_guards(1);
  EXPECT_EQ(told([&] { take_all(); }), "");
  EXPECT_EQ(told([&] { budget_.refused(); }), "");
}

TEST_F(Budget, ARefusalForOtherReasonsChangesNothing) {
  start(40);
  EXPECT_EQ(told([&] { budget_.refused(); }), "");
  EXPECT_TRUE(budget_.take_guard());
}

TEST_F(Budget, ARefusalForWantOfMappingsEndsTheGuards) {
  start(12);
  for (int i = 0; i < 3; ++i) platform_.sparse(4096);  // between guards each: no two are alike
  ASSERT_GE(platform_.mappings(), 4u);
  const std::string line = told([&] { budget_.refused(); });
  EXPECT_NE(line.find("vm.max_map_count=12 is reached"), std::string::npos) << line;
  EXPECT_FALSE(budget_.take_guard());
  EXPECT_EQ(budget_.guard_mappings(), 0u);
}

// With eight mappings left the program can still go on.
TEST_F(Budget, WhatIsNearlyNoneIsEightMappings) {
  for (const std::size_t left : {7u, 8u, 9u}) {
    FakePlatform platform;
    MappingBudget<Fake> budget;
    platform.sparse(4096);
    platform.set_mappings_max(platform.mappings() + left);
    budget.init(platform);
    EXPECT_EQ(told([&] { budget.refused(); }) == "", left > 8) << left;
  }
}

// Guards had run short before, and have come back since.
TEST_F(Budget, ARefusalEndsTheGuardsThoughALineHasBeenSaid) {
  start(12);
  EXPECT_NE(told([&] { take_all(); }), "");
  budget_.give_guards(1);
  for (int i = 0; i < 3; ++i) platform_.sparse(4096);
  EXPECT_EQ(told([&] { budget_.refused(); }), "");
  EXPECT_FALSE(budget_.take_guard());
}

// Counting reads a long file: not more than once a second.
TEST_F(Budget, MappingsAreCountedOnceASecond) {
  start(12);
  EXPECT_EQ(told([&] { budget_.refused(); }), "");
  for (int i = 0; i < 3; ++i) platform_.sparse(4096);
  EXPECT_EQ(told([&] { budget_.refused(); }), "") << "the same second";
  platform_.advance_clock_ms(999);
  EXPECT_EQ(told([&] { budget_.refused(); }), "") << "still";
  platform_.advance_clock_ms(1);
  EXPECT_NE(told([&] { budget_.refused(); }), "");
}

}  // namespace
}  // namespace hakmem
