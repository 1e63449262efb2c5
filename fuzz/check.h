// What every fuzz target stops with: the difference in words, then a trap, which libFuzzer and the
// replay driver both take for a crash. No GoogleTest here: its EXPECT would not stop the fuzzer.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace hakmem::fuzz {

[[noreturn]] inline void fail(const std::string& what) {
  std::fprintf(stderr, "hakmem fuzz: %s\n", what.c_str());
  std::abort();
}

inline void require(bool holds, const char* what) {
  if (!holds) fail(what);
}

// Numbers out of the fuzzer's bytes; zeroes once they are used up.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}

  bool empty() const { return at_ == end_; }
  std::uint8_t byte() { return empty() ? std::uint8_t{0} : *at_++; }
  std::uint64_t number(unsigned bytes) {
    std::uint64_t n = 0;
    for (unsigned i = 0; i < bytes; ++i) n |= std::uint64_t{byte()} << (8 * i);
    return n;
  }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

}  // namespace hakmem::fuzz
