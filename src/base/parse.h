// Numbers as text: of the environment, of /proc and of control groups. No locale, no errno.
// Tests: tests/unit/parse_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hakmem {

// Value of a digit of bases up to 16; 16 when it is none.
constexpr unsigned digit_value(char c) noexcept {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  return 16;
}

// Takes the digits that `text` begins with, and `value` is their number. False, and `value` as it
// was, when there are none or the number exceeds `max`.
constexpr bool take_number(std::string_view& text, std::uint64_t max, std::uint64_t& value,
                           unsigned base = 10) noexcept {
  std::uint64_t n = 0;
  std::size_t digits = 0;
  for (; digits < text.size() && digit_value(text[digits]) < base; ++digits) {
    const std::uint64_t digit = digit_value(text[digits]);
    if (digit > max || n > (max - digit) / base) return false;
    n = n * base + digit;
  }
  if (digits == 0) return false;
  text.remove_prefix(digits);
  value = n;
  return true;
}

// All of `text`: decimal, or hexadecimal after 0x.
constexpr bool parse_number(std::string_view text, std::uint64_t max,
                            std::uint64_t& value) noexcept {
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (hex) text.remove_prefix(2);
  std::uint64_t n = 0;
  if (!take_number(text, max, n, hex ? 16 : 10) || !text.empty()) return false;
  value = n;
  return true;
}

// All of `text`, decimal.
template <class Number>
constexpr bool parse_decimal(std::string_view text, Number max, Number& value) noexcept {
  std::uint64_t n = 0;
  if (!take_number(text, static_cast<std::uint64_t>(max), n) || !text.empty()) return false;
  value = static_cast<Number>(n);
  return true;
}

// A decimal number, perhaps with K, M, G or T (powers of 1024, large or small).
constexpr bool parse_bytes(std::string_view text, std::size_t& bytes) noexcept {
  constexpr std::size_t kMost = ~std::size_t{0};
  constexpr std::string_view kSuffixes = "KMGTkmgt";
  std::uint64_t n = 0;
  if (!take_number(text, kMost, n)) return false;
  unsigned shift = 0;
  if (!text.empty()) {
    const std::size_t suffix = kSuffixes.find(text[0]);
    if (suffix == std::string_view::npos || text.size() != 1) return false;
    shift = static_cast<unsigned>(suffix % 4 + 1) * 10;
  }
  if (n > kMost >> shift) return false;
  bytes = static_cast<std::size_t>(n) << shift;
  return true;
}

}  // namespace hakmem
