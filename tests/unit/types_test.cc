// Strong types: what must not compile, and what a pointer from the program can be asked.
#include "base/types.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace hakmem {
namespace {

static_assert(!std::is_convertible_v<int, BinIndex>, "a number is no bin unless it says so");
static_assert(!std::is_convertible_v<BinIndex, std::uint8_t>);
static_assert(!std::is_convertible_v<BinIndex, SizeClass>);
static_assert(!std::is_assignable_v<BinIndex&, SizeClass>);
static_assert(!std::is_convertible_v<void*, ClientPtr>, "unchecked until somebody says so");
static_assert(std::is_trivially_copyable_v<ClientPtr>);
static_assert(sizeof(BinIndex) == 1 && sizeof(SlotIndex) == 2 && sizeof(SlabIndex) == 4);

TEST(Types, IndicesCompareByValue) {
  EXPECT_EQ(BinIndex(3), BinIndex(3));
  EXPECT_LT(UnitIndex(3), UnitIndex(4));
  EXPECT_EQ(SlabIndex().value(), 0u);
}

TEST(Types, AClientPointerIsItsAddress) {
  int x = 0;
  EXPECT_EQ(ClientPtr(&x).address(), reinterpret_cast<std::uintptr_t>(&x));
  EXPECT_EQ(ClientPtr(~std::uintptr_t{0}).address(), ~std::uintptr_t{0});
}

}  // namespace
}  // namespace hakmem
