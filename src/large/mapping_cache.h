// Freed large blocks kept for a moment, because giving 20 MiB back and faulting it in again costs
// far more than the program's use of it. Bounded in bytes, in number and in time; the oldest go
// first. The contents stay; in flavours that check frees the block is inaccessible meanwhile, so
// that use after free still faults (docs/decisions/).
//
// Time passes only in calls of the heap: without further large blocks, the rest waits for trim().
// Not thread-safe: LargeHeap holds its lock.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "large/mapping.h"

namespace hakmem::large {

class MappingCache {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{64} << 20;
  static constexpr std::size_t kBlockBytesMax = kBytesMax / 2;
  static constexpr std::size_t kCountMax = 64;
  static constexpr std::uint64_t kKeepMs = 1000;
  static constexpr std::size_t kFitFraction = 8;  // may be 1/8 longer than asked for

  static constexpr bool accepts(const Mapping& m) noexcept { return m.bytes() <= kBlockBytesMax; }

  // The block that takes least work to become one of `length` bytes: the tightest that is long
  // enough, else the longest; key 0 when all differ from `length` by more than a factor of two.
  // Where `alignment` matters none is too short, for growing may move it.
  Mapping take(std::size_t length, std::size_t alignment, std::size_t page_bytes) noexcept {
    std::size_t best = count_;
    for (std::size_t i = 0; i < count_; ++i) {
      const Mapping& m = kept_[i].mapping;
      const bool too_short = m.length < length;
      if (m.length / 2 > length || m.length < length / 2) continue;
      if ((m.key & (alignment - 1)) != 0 || (too_short && alignment > page_bytes)) continue;
      if (best == count_ || closer(m.length, kept_[best].mapping.length, length)) best = i;
    }
    return best == count_ ? Mapping{} : remove(best);
  }
  // Whether a block of m.length may serve `length` bytes as it is.
  static constexpr bool fits(const Mapping& m, std::size_t length) noexcept {
    return m.length >= length && m.length - length <= length / kFitFraction;
  }

  bool has_room(std::size_t bytes) const noexcept {
    return count_ < kCountMax && bytes_ + bytes <= kBytesMax;
  }
  // Requires: has_room(m.bytes()).
  void put(const Mapping& m, std::uint64_t now_ms) noexcept {
    kept_[count_++] = {m, now_ms};
    bytes_ += m.bytes();
  }

  // The oldest block if it must go: it is too old, or in the way of `incoming` bytes; else key 0.
  Mapping make_room(std::size_t incoming, std::uint64_t now_ms) noexcept {
    const bool full = incoming != 0 && !has_room(incoming);
    const bool old = count_ != 0 && now_ms - kept_[0].freed_ms > kKeepMs;
    return count_ != 0 && (full || old) ? remove(0) : Mapping{};
  }
  // Any block; key 0 when none is left.
  Mapping take_any() noexcept { return count_ == 0 ? Mapping{} : remove(count_ - 1); }

  std::size_t bytes() const noexcept { return bytes_; }
  // Without guards.
  std::size_t block_bytes() const noexcept {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < count_; ++i) bytes += kept_[i].mapping.length;
    return bytes;
  }
  std::size_t count() const noexcept { return count_; }

 private:
  struct Kept {
    Mapping mapping;
    std::uint64_t freed_ms = 0;
  };

  // Of equal ones the later, which is younger: more of it may still be in the processor's caches.
  static constexpr bool closer(std::size_t a, std::size_t b, std::size_t length) noexcept {
    if ((a >= length) != (b >= length)) return a >= length;
    return a >= length ? a <= b : a >= b;
  }

  Mapping remove(std::size_t i) noexcept {
    const Mapping m = kept_[i].mapping;
    const auto at = kept_.begin() + static_cast<std::ptrdiff_t>(i);
    std::copy(at + 1, kept_.begin() + static_cast<std::ptrdiff_t>(count_), at);
    --count_;
    bytes_ -= m.bytes();
    return m;
  }

  std::array<Kept, kCountMax> kept_{};  // oldest first
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace hakmem::large
