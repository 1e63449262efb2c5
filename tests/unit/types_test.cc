// Strong types: what must not compile, and what a pointer from the program can be asked.
#include "base/types.h"

#include <gtest/gtest.h>

#include <type_traits>
#include <vector>

namespace hakmem {
namespace {

static_assert(!std::is_convertible_v<int, BinIndex>, "a number is no bin unless it says so");
static_assert(!std::is_convertible_v<BinIndex, std::uint8_t>);
static_assert(!std::is_convertible_v<BinIndex, SizeClass>);
static_assert(!std::is_assignable_v<BinIndex&, SizeClass>);
static_assert(!std::is_convertible_v<void*, ClientPtr>, "unchecked until somebody says so");
static_assert(std::is_trivially_copyable_v<ClientPtr>);
static_assert(sizeof(BinIndex) == 1 && sizeof(SlabIndex) == 4);

TEST(Types, IndicesCompareByValue) {
  EXPECT_EQ(BinIndex(3), BinIndex(3));
  EXPECT_LT(SlabIndex(3), SlabIndex(4));
  EXPECT_EQ(SlabIndex().value(), 0u);
}

TEST(Types, ARangeOfIndicesEndsBeforeItsEnd) {
  std::vector<int> seen;
  for (const BinIndex bin : IndexRange<BinIndex>(3)) seen.push_back(bin.value());
  EXPECT_EQ(seen, (std::vector<int>{0, 1, 2}));
  for (const BinIndex bin : IndexRange<BinIndex>(0)) FAIL() << int{bin.value()};
  // The end itself need not be an index.
  std::size_t n = 0;
  for ([[maybe_unused]] const BinIndex bin : IndexRange<BinIndex>(256)) ++n;
  EXPECT_EQ(n, 256u);
}

TEST(Types, AClientPointerIsItsAddress) {
  int x = 0;
  EXPECT_EQ(ClientPtr(&x).address(), reinterpret_cast<std::uintptr_t>(&x));
  EXPECT_EQ(ClientPtr(~std::uintptr_t{0}).address(), ~std::uintptr_t{0});
}

}  // namespace
}  // namespace hakmem
