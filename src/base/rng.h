// A small fast generator (splitmix64, Steele et al. 2014) for slot order and
// sampling. Seeded from the kernel per context; unpredictable enough against an attacker who sees
// some addresses, not a cipher (SECURITY.md says so).
#pragma once

#include <cstdint>

namespace hakmem {

class Rng {
 public:
  constexpr Rng() noexcept = default;
  constexpr explicit Rng(std::uint64_t seed) noexcept : state_(seed) {}

  constexpr std::uint64_t next() noexcept {
    state_ += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // Uniform in [0, bound). Requires: bound >= 1.
  constexpr std::uint32_t below(std::uint32_t bound) noexcept {
    return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32);
  }
  // Adds fresh entropy, e.g. in the child of a fork.
  constexpr void stir(std::uint64_t entropy) noexcept { state_ ^= entropy; next(); }

 private:
  std::uint64_t state_ = 0;
};

}  // namespace hakmem
