// Integer arithmetic used throughout: powers of two, rounding, and the exact reciprocal that turns
// a byte offset into a slot number with one multiplication. All constexpr, so that every use over
// constants is proved by static_assert (see config/geometry_proofs.h).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace hakmem {

// Not std::has_single_bit: without -mpopcnt that is a call of a function that counts all bits.
constexpr bool is_power_of_two(std::uint64_t n) noexcept { return n != 0 && (n & (n - 1)) == 0; }

// Requires: `alignment` is a power of two. Wraps to 0 when n + alignment - 1 overflows.
constexpr std::uint64_t round_up(std::uint64_t n, std::uint64_t alignment) noexcept {
  return (n + alignment - 1) & ~(alignment - 1);
}

constexpr std::uint64_t round_down(std::uint64_t n, std::uint64_t alignment) noexcept {
  return n & ~(alignment - 1);
}

// Smallest k with 2^k >= n. Requires: n >= 1.
constexpr unsigned log2_ceil(std::uint64_t n) noexcept {
  return static_cast<unsigned>(std::bit_width(n - 1));
}

// ceil(2^64 / d), for exact division of small offsets (Lemire, Kaser, Kurz 2019).
// Requires: d >= 2.
constexpr std::uint64_t reciprocal_of(std::uint32_t d) noexcept {
  return ~std::uint64_t{0} / d + 1;
}

struct Quotient {
  std::uint64_t value;     // floor(offset / d)
  std::uint64_t fraction;  // < reciprocal exactly when d divides offset
};

// Requires: reciprocal == reciprocal_of(d) and (offset / d + 1) * (d - 1) < reciprocal, which holds
// for every page geometry (offset < 2^21, d <= 2^18).
constexpr Quotient divide(std::uint64_t offset, std::uint64_t reciprocal) noexcept {
  __extension__ using U128 = unsigned __int128;
  const U128 product = static_cast<U128>(offset) * reciprocal;
  return {static_cast<std::uint64_t>(product >> 64), static_cast<std::uint64_t>(product)};
}

}  // namespace hakmem
