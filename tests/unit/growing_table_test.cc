// GrowingTable: opens as much as it is asked for, some ahead, never more than it has, and goes on
// with what it has when refused.
#include "pal/growing_table.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "pal/fake.h"

namespace hakmem {
namespace {

constexpr std::size_t kPage = 4096;

class Growing : public testing::Test {
 protected:
  char* at(std::size_t i) const { return static_cast<char*>(table_.begin()) + i; }
  // How many bytes from the start can be read.
  std::size_t open_bytes() const {
    std::size_t n = 0;
    while (n < kBytes + kPage && FakePlatform::is_readable(at(n))) n += kPage;
    return n;
  }

  static constexpr std::size_t kBytes = 100 * kPage - 5;
  FakePlatform platform_;
  GrowingTable<FakePlatform> table_;
};

TEST_F(Growing, NothingIsOpenAtFirst) {
  ASSERT_TRUE(table_.init(platform_, kBytes, 4 * kPage));
  EXPECT_EQ(open_bytes(), 0u);
  EXPECT_TRUE(table_.reach(platform_, 0));
  EXPECT_EQ(open_bytes(), 0u);
  table_.release(platform_);
  EXPECT_EQ(table_.begin(), nullptr);
  EXPECT_EQ(platform_.live_bytes(), 0u);
  EXPECT_EQ(platform_.foreign_calls(), 0u);
}

TEST_F(Growing, OpensAStepAndLaterAnEighthAhead) {
  ASSERT_TRUE(table_.init(platform_, kBytes, 4 * kPage));
  EXPECT_TRUE(table_.reach(platform_, 1));
  EXPECT_EQ(open_bytes(), 4 * kPage);
  EXPECT_TRUE(std::all_of(at(0), at(4 * kPage), [](char c) { return c == 0; }));
  EXPECT_TRUE(table_.reach(platform_, 4 * kPage));
  EXPECT_EQ(platform_.calls(Call::kOpen), 1u) << "what is open is not opened again";
  EXPECT_TRUE(table_.reach(platform_, 4 * kPage + 1));
  EXPECT_EQ(open_bytes(), 8 * kPage);
  EXPECT_TRUE(table_.reach(platform_, 64 * kPage));
  EXPECT_EQ(open_bytes(), 64 * kPage) << "more than a step ahead";
  EXPECT_TRUE(table_.reach(platform_, 64 * kPage + 1));
  EXPECT_EQ(open_bytes(), 72 * kPage) << "an eighth of 64";
  EXPECT_TRUE(table_.reach(platform_, kBytes));
  EXPECT_EQ(open_bytes(), 100 * kPage);
  EXPECT_TRUE(table_.reach(platform_, kBytes));
  EXPECT_EQ(platform_.calls(Call::kOpen), 5u);
  *at(kBytes) = 1;
}

TEST_F(Growing, NeverOpensAheadOfItsEnd) {
  ASSERT_TRUE(table_.init(platform_, kBytes, 200 * kPage));
  EXPECT_TRUE(table_.reach(platform_, 1));
  EXPECT_EQ(open_bytes(), 100 * kPage);
}

TEST_F(Growing, OnceRefusedItAsksForNoMoreThanItNeeds) {
  ASSERT_TRUE(table_.init(platform_, kBytes, 4 * kPage));
  EXPECT_TRUE(table_.reach(platform_, 1));
  platform_.fail_nth(Call::kOpen, 1);
  EXPECT_FALSE(table_.reach(platform_, 4 * kPage + 1));
  EXPECT_EQ(open_bytes(), 4 * kPage);
  *at(4 * kPage - 1) = 1;
  EXPECT_TRUE(table_.reach(platform_, 4 * kPage + 1));
  EXPECT_EQ(open_bytes(), 5 * kPage);
}

TEST_F(Growing, IsNotThereWhenTheSystemHasNoAddresses) {
  platform_.fail_nth(Call::kTable, 1);
  EXPECT_FALSE(table_.init(platform_, kBytes, kPage));
}

}  // namespace
}  // namespace hakmem
