// A fixed-size line builder for reports: no allocation, no locale, no libc formatting. What does
// not fit is cut off.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace hakmem {

template <std::size_t kCapacity>
class TextOf {
 public:
  TextOf& put(const char* s) noexcept {
    while (s != nullptr && *s != '\0' && length_ < buffer_.size()) buffer_[length_++] = *s++;
    return *this;
  }
  TextOf& number(std::uint64_t n) noexcept { return digits(n, 10); }
  TextOf& hex(std::uint64_t n) noexcept { return put("0x").digits(n, 16); }

  // Blanks up to column `column` of a line that began at byte `line`.
  TextOf& pad(std::size_t line, std::size_t column) noexcept {
    while (length_ < line + column && length_ < kCapacity) buffer_[length_++] = ' ';
    return *this;
  }
  void clear() noexcept { length_ = 0; }

  const char* data() const noexcept { return buffer_.data(); }
  std::size_t size() const noexcept { return length_; }

 private:
  TextOf& digits(std::uint64_t n, unsigned base) noexcept {
    std::array<char, 24> reversed{};
    std::size_t k = 0;
    do {
      reversed[k++] = "0123456789abcdef"[n % base];
      n /= base;
    } while (n != 0);
    while (k > 0 && length_ < buffer_.size()) buffer_[length_++] = reversed[--k];
    return *this;
  }

  std::array<char, kCapacity> buffer_{};
  std::size_t length_ = 0;
};

using Text = TextOf<1024>;

}  // namespace hakmem
