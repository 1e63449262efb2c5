// Text that is put together in place: what it says, where it ends, and that it says when it is cut.
#include "base/text.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace hakmem {
namespace {

template <std::size_t kCapacity>
std::string said(const TextOf<kCapacity>& text) {
  EXPECT_EQ(text.c_str()[text.size()], '\0');
  return {text.data(), text.size()};
}

TEST(Text, WordsAndNumbers) {
  Text text;
  EXPECT_EQ(said(text), "");
  text.put("a=").number(0).put(" b=").number(~std::uint64_t{0}).put(" c=").hex(0xDEADBEEF0);
  EXPECT_EQ(said(text), "a=0 b=18446744073709551615 c=0xdeadbeef0");
  EXPECT_EQ(said(text.put(nullptr).put("xyz", 2)), "a=0 b=18446744073709551615 c=0xdeadbeef0xy");
  EXPECT_FALSE(text.cut());
}

TEST(Text, PadsToAColumnOfTheLine) {
  Text text;
  text.put("one\n");
  const std::size_t line = text.size();
  EXPECT_EQ(said(text.put("x").pad(line, 4).put("y").pad(line, 2)), "one\nx   y");
}

TEST(Text, IsCutWhereItEndsAndSaysSo) {
  TextOf<5> text;
  text.put("12345");
  EXPECT_FALSE(text.cut());
  EXPECT_EQ(said(text.put("")), "12345");
  EXPECT_FALSE(text.cut());
  EXPECT_EQ(said(text.put("6")), "12345");
  EXPECT_TRUE(text.cut());
  EXPECT_EQ(said(text.pad(0, 9)), "12345");
  text.clear();
  EXPECT_FALSE(text.cut());
  EXPECT_EQ(said(text.number(1234567)), "12345");
  EXPECT_TRUE(text.cut());
  TextOf<5> blanks;
  EXPECT_EQ(said(blanks.put("1").pad(0, 9)), "1    ");
  EXPECT_TRUE(blanks.cut());
}

TEST(Text, IsShortened) {
  Text text;
  text.put("/a/b");
  text.shorten(2);
  EXPECT_EQ(said(text), "/a");
  EXPECT_EQ(said(text.put("c")), "/ac");
}

}  // namespace
}  // namespace hakmem
