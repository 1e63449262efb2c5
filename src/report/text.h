// A fixed-size line builder for reports: no allocation, no locale, no libc formatting. What does
// not fit is cut off.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace hakmem {

class Text {
 public:
  Text& put(const char* s) noexcept {
    while (s != nullptr && *s != '\0' && length_ < buffer_.size()) buffer_[length_++] = *s++;
    return *this;
  }
  Text& number(std::uint64_t n) noexcept { return digits(n, 10); }
  Text& hex(std::uint64_t n) noexcept { return put("0x").digits(n, 16); }

  const char* data() const noexcept { return buffer_.data(); }
  std::size_t size() const noexcept { return length_; }

 private:
  Text& digits(std::uint64_t n, unsigned base) noexcept {
    std::array<char, 24> reversed{};
    std::size_t k = 0;
    do {
      reversed[k++] = "0123456789abcdef"[n % base];
      n /= base;
    } while (n != 0);
    while (k > 0 && length_ < buffer_.size()) buffer_[length_++] = reversed[--k];
    return *this;
  }

  std::array<char, 1024> buffer_{};
  std::size_t length_ = 0;
};

}  // namespace hakmem
