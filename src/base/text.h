// A fixed-size builder of text: reports, statistics, file names. No allocation, no locale, no libc
// formatting; async-signal-safe. What does not fit is cut off, and cut() says so. Tests:
// tests/unit/text_test.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/attributes.h"

namespace hakmem {

template <std::size_t kCapacity>
class TextOf {
 public:
  static constexpr std::size_t kBytes = kCapacity;

  constexpr TextOf() noexcept = default;

  HAKMEM_NOINLINE TextOf& put(const char* s, std::size_t n) noexcept {
    const std::size_t room = kCapacity - length_;
    if (n > room) cut_ = true;
    for (std::size_t i = 0; i < n && i < room; ++i) buffer_[length_++] = s[i];
    buffer_[length_] = '\0';
    return *this;
  }
  // nullptr puts nothing.
  TextOf& put(const char* s) noexcept { return s == nullptr ? *this : put(s, __builtin_strlen(s)); }
  TextOf& number(std::uint64_t n) noexcept { return digits(n, 10); }
  TextOf& hex(std::uint64_t n) noexcept { return put("0x").digits(n, 16); }

  // Blanks up to column `column` of a line that began at byte `line`.
  TextOf& pad(std::size_t line, std::size_t column) noexcept {
    while (length_ < line + column && !cut_) put(" ", 1);
    return *this;
  }
  // To the first n bytes. Requires: n <= size().
  void shorten(std::size_t n) noexcept {
    length_ = n;
    buffer_[length_] = '\0';
  }
  void clear() noexcept {
    shorten(0);
    cut_ = false;
  }

  const char* data() const noexcept { return buffer_.data(); }
  const char* c_str() const noexcept { return buffer_.data(); }
  std::size_t size() const noexcept { return length_; }
  bool cut() const noexcept { return cut_; }

 private:
  HAKMEM_NOINLINE TextOf& digits(std::uint64_t n, unsigned base) noexcept {
    std::array<char, 20> reversed{};
    std::size_t k = reversed.size();
    do {
      reversed[--k] = "0123456789abcdef"[n % base];
      n /= base;
    } while (n != 0);
    return put(&reversed[k], reversed.size() - k);
  }

  std::array<char, kCapacity + 1> buffer_{};
  std::size_t length_ = 0;
  bool cut_ = false;
};

using Text = TextOf<1024>;

}  // namespace hakmem
