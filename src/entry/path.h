// A file name put together in place: for HAKMEM_TRACE and HAKMEM_STATS_FILE. Allocates nothing and
// is async-signal-safe.
#pragma once

#include <string.h>

#include <cstddef>
#include <cstdint>

#include "pal/linux.h"
#include "pal/system_call.h"
#include "report/text.h"

namespace hakmem::heap {

// Too long a one ends unusable.
class Path {
 public:
  static constexpr std::size_t kBytes = 4096;

  void put(const char* text, std::size_t n) noexcept {
    const bool fits = n < kBytes - length_;
    if (!fits) too_long_ = true;
    if (too_long_) return;
    memcpy(text_ + length_, text, n);
    length_ += n;
    text_[length_] = '\0';
  }
  void put(const char* text) noexcept { put(text, strlen(text)); }
  void number(std::uint64_t n) noexcept {
    Text digits;
    digits.number(n);
    put(digits.data(), digits.size());
  }
  // The directory that a relative `name` starts from; the program may change it later.
  void put_directory_of(const char* name) noexcept {
    if (name[0] == '/') return;
    if (failed(system_call(SYS_getcwd, word(&text_[0]), kBytes - 1))) {
      too_long_ = true;
      return;
    }
    length_ = strlen(text_);
    put("/");
  }
  // `pattern` with this process's number in the place of its first %p. False: there is none.
  bool put_pattern(const char* pattern) noexcept {
    const char* const place = strstr(pattern, "%p");
    put(pattern, place == nullptr ? strlen(pattern) : static_cast<std::size_t>(place - pattern));
    if (place == nullptr) return false;
    number(LinuxPlatform::process());
    put(place + 2);
    return true;
  }
  void clear() noexcept {
    length_ = 0;
    too_long_ = false;
    text_[0] = '\0';
  }
  const char* c_str() const noexcept { return text_; }
  bool usable() const noexcept { return !too_long_ && length_ != 0; }

 private:
  char text_[kBytes] = {};
  std::size_t length_ = 0;
  bool too_long_ = false;
};

}  // namespace hakmem::heap
