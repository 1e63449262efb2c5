// Proofs of what geometry.h derives, by the compiler. They look at every slot of every page, so one
// source per build names them for each geometry (geometry.cc; those of tests have their own), not
// each that uses the sizes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bits.h"
#include "config/geometry.h"

namespace hakmem {

// S: Sizes<...>. To be a complete type is to be proved.
template <class S>
struct SizeProofs {
  using G = typename S::Geometry;

  // Over its page.
  static constexpr bool reciprocals_are_exact() noexcept {
    for (const BinInfo& b : S::kBinTable) {
      const std::uint64_t d = b.block_size;
      for (std::uint64_t k = 0; k < b.entry_stride; ++k) {  // can only first fail at kd - 1 or kd
        const Quotient at = divide(k * d, b.reciprocal);
        if (at.value != k || at.fraction >= b.reciprocal) return false;
        const Quotient before = divide(k * d + d - 1, b.reciprocal);
        if (before.value != k || before.fraction < b.reciprocal) return false;
      }
    }
    return true;
  }
  // Every size maps to the tightest bin of its class.
  static constexpr bool sizes_are_tight() noexcept {
    for (std::size_t n = 0; n <= G::kBlockMax; n += n < 2048 ? 1 : 255) {
      if (S::bin_of(n).value() != S::bin_by_search(n)) return false;
    }
    return true;
  }
  // Every page lies in its superslab and fits its slots before the guard.
  static constexpr bool pages_fit() noexcept {
    for (const BinInfo& b : S::kBinTable) {
      const std::size_t page = std::size_t{1} << b.page_shift;
      if (std::size_t{b.capacity} * b.block_size + S::kGuardBytes > page) return false;
      if (page * b.pages_per_superslab > S::kSuperslabBytes) return false;
      if (b.entry_stride % kEntryGroup != 0) return false;
      if (b.capacity > b.entry_stride || b.magazine_capacity < 2) return false;
      if (b.block_size >= G::kFreshBytes && b.capacity > 32) return false;
    }
    return true;
  }
  static constexpr bool aligned_bin_is_right(std::size_t alignment, std::size_t n) noexcept {
    if (n > G::kBlockMax) return true;
    std::size_t b = S::bin_of(n).value();
    while (alignment > kMinBlock && S::kBinTable[b].block_size % alignment != 0) ++b;
    return S::bin_of(S::aligned_size(alignment, n)).value() == b;
  }
  // At each end of each bin, and one further: between them nothing changes.
  static constexpr bool alignments_have_bins() noexcept {
    for (std::size_t alignment = 1; alignment <= S::kUnitBytes; alignment *= 2) {
      if (!aligned_bin_is_right(alignment, 0) || !aligned_bin_is_right(alignment, 1)) return false;
      for (const BinInfo& b : S::kBinTable) {
        if (!aligned_bin_is_right(alignment, b.block_size)) return false;
        if (!aligned_bin_is_right(alignment, b.block_size + 1)) return false;
      }
    }
    return true;
  }
  static_assert(alignments_have_bins());
  static_assert(reciprocals_are_exact());
  static_assert(sizes_are_tight());
  static_assert(pages_fit());
};

}  // namespace hakmem
