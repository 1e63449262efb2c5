// The live blocks of a lockstep run: what the program knows about each, and that its contents stay.
// Vectors only, so that it runs under every sanitizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "models/reference/paths.h"

namespace hakmem::model {

struct Block {
  Owned owned;
  std::size_t asked = 0;
  std::size_t usable = 0;
  std::size_t alignment = 16;
  std::uint64_t pattern = 0;
  bool unmovable = false;  // realloc could not move it: it holds less than any fit would
  bool resized = false;    // realloc left another size in it
  std::uint32_t name = 0;  // in a recorded trace: its number there

  unsigned char* bytes() const { return reinterpret_cast<unsigned char*>(owned.address); }
};

// Large blocks are written and read in part: the start, one byte in every stretch, which grows with
// the distance from the start, and the last byte. What is touched has to be zeroed again.
class Pattern {
 public:
  static void write(const Block& b) {
    for (std::size_t i = 0; i < b.usable; i = next(i)) b.bytes()[i] = byte(b.pattern, i);
    b.bytes()[b.usable - 1] = byte(b.pattern, b.usable - 1);
  }
  static bool holds(const Block& b) {
    return starts(b.bytes(), b.pattern, b.usable) &&
           b.bytes()[b.usable - 1] == byte(b.pattern, b.usable - 1);
  }
  // The first `bytes` bytes of a block that was written with the pattern are at `at` now.
  static bool starts(const unsigned char* at, std::uint64_t pattern, std::size_t bytes) {
    std::size_t i = 0;
    while (i < bytes && at[i] == byte(pattern, i)) i = next(i);
    return i >= bytes;
  }

  // All of a small block; of a large one the bytes that `write` writes. Not inlined: fuzz targets
  // leave it without instrumentation (fuzz/coverage_ignore.txt).
  [[gnu::noinline]] static bool zero(const unsigned char* at, std::size_t bytes) {
    std::size_t i = 0;
    for (std::uint64_t word; i + 8 <= std::min<std::size_t>(bytes, 8192); i += 8) {
      std::memcpy(&word, at + i, 8);
      if (word != 0) return false;
    }
    while (i < bytes && at[i] == 0) i += i < 8192 ? 1 : next(i) - i;
    return i >= bytes;
  }

 private:
  static std::size_t next(std::size_t i) {
    return i + (i < 512 ? 1 : i < 8192 ? 509 : i < (std::size_t{1} << 20) ? 16381 : 1048573);
  }
  static unsigned char byte(std::uint64_t pattern, std::size_t i) {
    return static_cast<unsigned char>((pattern + i) * 0x9E3779B97F4A7C15u >> 56);
  }
};

class Blocks {
 public:
  // False when it overlaps a live block.
  bool add(const Block& block) {
    const std::uintptr_t begin = block.owned.address;
    const auto after = std::lower_bound(extents_.begin(), extents_.end(), Extent{begin, 0});
    if (after != extents_.end() && after->begin < begin + block.usable) return false;
    if (after != extents_.begin() && (after - 1)->end > begin) return false;
    extents_.insert(after, {begin, begin + block.usable});
    blocks_.push_back(block);
    return true;
  }
  // Requires: at < size().
  Block take(std::size_t at) {
    const Block block = blocks_[at];
    blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(at));
    extents_.erase(
        std::lower_bound(extents_.begin(), extents_.end(), Extent{block.owned.address, 0}));
    freed_.push_back(block.owned.address);
    if (freed_.size() > kFreedMax) freed_.erase(freed_.begin());
    return block;
  }
  bool has(std::uint32_t) const { return !blocks_.empty(); }
  // Counted from the newest, modulo how many there are. Requires: not empty.
  std::size_t pick(std::size_t number) const {
    return blocks_.size() - 1 - number % blocks_.size();
  }
  Block& at(std::size_t i) { return blocks_[i]; }
  bool empty() const { return blocks_.empty(); }
  std::size_t size() const { return blocks_.size(); }
  const std::vector<Block>& all() const { return blocks_; }
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const Block& block : blocks_) visit(block);
  }

  bool starts_at(std::uintptr_t address) const {
    const auto it = std::lower_bound(extents_.begin(), extents_.end(), Extent{address, 0});
    return it != extents_.end() && it->begin == address;
  }
  // Addresses freed last, newest last.
  const std::vector<std::uintptr_t>& freed() const { return freed_; }

 private:
  static constexpr std::size_t kFreedMax = 64;
  struct Extent {
    std::uintptr_t begin;
    std::uintptr_t end;
    bool operator<(const Extent& other) const { return begin < other.begin; }
  };

  std::vector<Block> blocks_;    // by age
  std::vector<Extent> extents_;  // by address
  std::vector<std::uintptr_t> freed_;
};

}  // namespace hakmem::model
