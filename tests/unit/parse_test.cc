// Numbers as text, to the last digit that fits.
#include "base/parse.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace hakmem {
namespace {

constexpr std::uint64_t kMost = ~std::uint64_t{0};
constexpr std::uint64_t kBefore = 4711;  // what a value that is not found leaves alone

std::uint64_t number(std::string_view text, std::uint64_t max = kMost) {
  std::uint64_t n = kBefore;
  const bool found = parse_number(text, max, n);
  EXPECT_EQ(found, n != kBefore) << text;
  return n;
}
std::size_t bytes(std::string_view text) {
  std::size_t n = kBefore;
  const bool found = parse_bytes(text, n);
  EXPECT_EQ(found, n != kBefore) << text;
  return n;
}

TEST(ParseNumber, DecimalAndHexadecimal) {
  EXPECT_EQ(number("0"), 0u);
  EXPECT_EQ(number("0090"), 90u);
  EXPECT_EQ(number("0x0"), 0u);
  EXPECT_EQ(number("0XfFaA"), 0xFFAAu);
  EXPECT_EQ(number("18446744073709551615"), kMost);
  EXPECT_EQ(number("0xFFFFFFFFFFFFFFFF"), kMost);
}

TEST(ParseNumber, NothingElse) {
  for (const char* text : {"", "x", "0x", "0xg", "1a", " 1", "1 ", "-1", "+1", "1.0", "a",
                           "18446744073709551616", "0x10000000000000000", "99999999999999999999"}) {
    EXPECT_EQ(number(text), kBefore) << text;
  }
}

TEST(ParseNumber, UpToTheMaximumAndNoFurther) {
  for (const std::uint64_t max : {0u, 1u, 9u, 10u, 64u, 99u, 65535u}) {
    EXPECT_EQ(number(std::to_string(max), max), max);
    EXPECT_EQ(number(std::to_string(max + 1), max), kBefore) << max;
    EXPECT_EQ(number(std::to_string(max * 10 + 10), max), kBefore) << max;
  }
}

TEST(ParseDecimal, IsNeverHexadecimal) {
  int n = 0;
  EXPECT_TRUE(parse_decimal("64", 64, n));
  EXPECT_EQ(n, 64);
  EXPECT_FALSE(parse_decimal("65", 64, n));
  EXPECT_FALSE(parse_decimal("0x1", 64, n));
  EXPECT_FALSE(parse_decimal("", 64, n));
  EXPECT_EQ(n, 64);
}

TEST(ParseBytes, WithASuffixOrWithout) {
  EXPECT_EQ(bytes("0"), 0u);
  EXPECT_EQ(bytes("123"), 123u);
  std::size_t unit = 1;
  for (const char* suffix : {"K", "M", "G", "T"}) {
    unit <<= 10;
    EXPECT_EQ(bytes(std::string("3") + suffix), 3 * unit);
    EXPECT_EQ(bytes(std::string("3") + static_cast<char>(suffix[0] + ('a' - 'A'))), 3 * unit);
  }
  EXPECT_EQ(bytes("18446744073709551615"), kMost);
  EXPECT_EQ(bytes("16777215T"), std::size_t{16777215} << 40);
  for (const char* text : {"", "K", "1KB", "1P", "1 K", "0x10", "1.5G", "-1K", "16777216T",
                           "18446744073709551616", "18014398509481984K"}) {
    EXPECT_EQ(bytes(text), kBefore) << text;
  }
}

TEST(TakeNumber, LeavesTheRest) {
  std::string_view text = "4096\nmore";
  std::uint64_t n = 0;
  EXPECT_TRUE(take_number(text, kMost, n));
  EXPECT_EQ(n, 4096u);
  EXPECT_EQ(text, "\nmore");
  EXPECT_FALSE(take_number(text, kMost, n));
  EXPECT_EQ(n, 4096u);
  EXPECT_EQ(text, "\nmore");
}

}  // namespace
}  // namespace hakmem
