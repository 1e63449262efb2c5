// Sizes: the bins (block sizes), the classes C0..C15 they belong to, and how pages and superslabs
// of each bin are laid out. A Geometry is a constexpr value set; everything derived from it is
// computed at compile time, and proved there, too, once per build (geometry_proofs.h). Production
// and small-geometry test allocators differ here only.
//
//   size n --LUT--> bin (block size) --table--> class Ck (policy, statistics, route)
//
// A bin is a quarter of a power of two, so that internal fragmentation stays near 12.5 % on
// average.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bits.h"
#include "base/types.h"

namespace hakmem {

inline constexpr std::size_t kTinyClasses = 8;   // C0..C7, up to 1024 B
inline constexpr std::size_t kClassesMax = 16;   // C0..C15, up to 256 KiB
inline constexpr std::size_t kFineLimit = 1024;  // LUT steps of 8 B up to here, of 256 B beyond
inline constexpr std::size_t kMinBlock = 16;     // what the ABI asks malloc to align to

// Neighbouring pages go to different threads, and each free writes a slot entry: entries of two
// pages never share a pair of cache lines, which processors fetch together.
inline constexpr std::size_t kEntryGroup = 128 / sizeof(std::uint16_t);

// Class of a size: C0 holds n <= 8, Ck holds n <= 8 * 2^k.
constexpr std::uint8_t class_of_size(std::size_t n) noexcept {
  return n <= 8 ? std::uint8_t{0} : static_cast<std::uint8_t>(log2_ceil(n) - 3);
}

constexpr std::size_t class_size_max(std::uint8_t size_class) noexcept {
  return std::size_t{8} << size_class;
}

struct BinInfo {
  std::uint32_t block_size = 0;  // bytes
  std::uint8_t size_class = 0;
  std::uint8_t page_shift = 0;     // page bytes = 1 << page_shift
  std::uint16_t capacity = 0;      // slots in a page
  std::uint16_t entry_stride = 0;  // slot entries per page: every boundary has one, then padding
  std::uint16_t pages_per_superslab = 0;
  std::uint16_t magazine_capacity = 0;  // blocks that one context's magazine holds
  std::uint16_t carve_batch = 0;        // slots made available at a time
  std::uint64_t reciprocal = 0;
};

struct ProductionGeometry {
  static constexpr unsigned kUnitShift = 16;  // 64 KiB
  static constexpr std::size_t kPageGuardBytes = 4096;
  static constexpr unsigned kSuperslabShift = 21;   // 2 MiB, a huge page
  static constexpr unsigned kSlotsPerPageLog2 = 4;  // mid pages grow until they hold about 16
  static constexpr unsigned kPageShiftMax = 21;
  static constexpr std::size_t kBlockMax = 262144;
  static constexpr std::size_t kSlotsMax = 4096;
  static constexpr std::size_t kPagesPerSuperslabMax = 32;
  static constexpr std::size_t kCarveBytes = 8192;
  static constexpr std::size_t kCarveMin = 8;
  static constexpr std::size_t kFreshBytes = 16384;  // of such blocks it is known who wrote on them
  static constexpr std::size_t kMagazineBytes = 1024 * 1024;
  static constexpr std::size_t kMagazineMin = 4;
  static constexpr std::size_t kMagazineMax = 512;
  static constexpr std::size_t kMagazineFirst = 16;  // until it is used more (ultra_cache.h)
  static constexpr std::size_t kContextsMax = 32768;
  static constexpr std::size_t kArenaBytesMax = std::size_t{1} << 40;
  static constexpr std::size_t kArenaBytesMin = std::size_t{1} << 28;
};

// Every edge within a few operations: 4 slots a page, 2 pages a superslab, magazines of 4.
struct SmallGeometry {
  static constexpr unsigned kUnitShift = 12;
  static constexpr std::size_t kPageGuardBytes = 0;
  static constexpr unsigned kSuperslabShift = 15;
  static constexpr unsigned kSlotsPerPageLog2 = 2;
  static constexpr unsigned kPageShiftMax = 14;
  static constexpr std::size_t kBlockMax = 4096;
  static constexpr std::size_t kSlotsMax = 4;
  static constexpr std::size_t kPagesPerSuperslabMax = 2;
  static constexpr std::size_t kCarveBytes = 2048;
  static constexpr std::size_t kCarveMin = 1;
  static constexpr std::size_t kFreshBytes = 2048;
  static constexpr std::size_t kMagazineBytes = 4096;
  static constexpr std::size_t kMagazineMin = 2;
  static constexpr std::size_t kMagazineMax = 4;
  static constexpr std::size_t kMagazineFirst = 2;
  static constexpr std::size_t kContextsMax = 16;
  static constexpr std::size_t kArenaBytesMax = std::size_t{1} << 24;
  static constexpr std::size_t kArenaBytesMin = std::size_t{1} << 18;
};

namespace detail {

constexpr std::size_t bins_in_class(std::uint8_t size_class) noexcept {
  if (size_class <= 2) return 1;   // 16, 16, 32
  return size_class == 3 ? 2 : 4;  // 48 64; then quarters
}

constexpr std::size_t clamp_size(std::size_t v, std::size_t lo, std::size_t hi) noexcept {
  return v < lo ? lo : (v > hi ? hi : v);
}

}  // namespace detail

// Everything derived from a geometry G. GuardBytes: inaccessible bytes at the end of each page.
template <class G, std::size_t GuardBytes>
struct Sizes {
  using Geometry = G;
  static constexpr std::size_t kClasses = class_of_size(G::kBlockMax) + std::size_t{1};
  static constexpr std::size_t kUnitBytes = std::size_t{1} << G::kUnitShift;
  static constexpr std::size_t kSuperslabBytes = std::size_t{1} << G::kSuperslabShift;
  static constexpr std::size_t kUnitsPerSuperslab = kSuperslabBytes / kUnitBytes;
  static constexpr std::size_t kGuardBytes = GuardBytes;

  static constexpr std::size_t kBins = [] {
    std::size_t n = 0;
    for (std::uint8_t c = 0; c < kClasses; ++c) n += detail::bins_in_class(c);
    return n;
  }();

  static constexpr BinInfo make_bin(std::uint8_t size_class, std::size_t block_size) {
    BinInfo b;
    b.block_size = static_cast<std::uint32_t>(block_size);
    b.size_class = size_class;
    const std::size_t shift = log2_ceil(block_size) + G::kSlotsPerPageLog2;
    b.page_shift =
        static_cast<std::uint8_t>(detail::clamp_size(shift, G::kUnitShift, G::kPageShiftMax));
    const std::size_t page_bytes = std::size_t{1} << b.page_shift;
    const std::size_t fit = (page_bytes - GuardBytes) / block_size;
    b.capacity = static_cast<std::uint16_t>(detail::clamp_size(fit, 1, G::kSlotsMax));
    const std::size_t boundaries = (page_bytes - 1) / block_size + 1;
    b.entry_stride = static_cast<std::uint16_t>(round_up(boundaries, kEntryGroup));
    b.pages_per_superslab = static_cast<std::uint16_t>(
        detail::clamp_size(kSuperslabBytes >> b.page_shift, 1, G::kPagesPerSuperslabMax));
    b.magazine_capacity = static_cast<std::uint16_t>(
        detail::clamp_size(G::kMagazineBytes / block_size, G::kMagazineMin, G::kMagazineMax));
    const std::size_t carve = detail::clamp_size(G::kCarveBytes / block_size, G::kCarveMin, 65535);
    b.carve_batch = static_cast<std::uint16_t>(detail::clamp_size(carve, 1, b.capacity));
    b.reciprocal = reciprocal_of(b.block_size);
    return b;
  }

  static constexpr std::array<BinInfo, kBins> kBinTable = [] {
    std::array<BinInfo, kBins> table{};
    std::size_t i = 0;
    for (std::uint8_t c = 0; c < kClasses; ++c) {
      const std::size_t top = class_size_max(c) < kMinBlock ? kMinBlock : class_size_max(c);
      const std::size_t n = detail::bins_in_class(c);
      const std::size_t step = n == 1 ? top : (n == 2 ? top / 4 : top / 8);
      for (std::size_t k = 0; k < n; ++k) table[i++] = make_bin(c, top - (n - 1 - k) * step);
    }
    return table;
  }();

  static constexpr std::size_t kLutSize = kFineLimit / 8 + 1 + (G::kBlockMax - kFineLimit) / 256;

  // Place in the LUT. Requires: n <= kFineLimit; kFineLimit < n <= G::kBlockMax; either.
  static constexpr std::size_t fine_index(std::size_t n) noexcept { return (n + 7) >> 3; }
  static constexpr std::size_t coarse_index(std::size_t n) noexcept {
    return kFineLimit / 8 + ((n - kFineLimit + 255) >> 8);
  }
  static constexpr std::size_t lut_index(std::size_t n) noexcept {
    return n <= kFineLimit ? fine_index(n) : coarse_index(n);
  }

  // First bin, from `b`, that holds n bytes and whose class is n's class.
  static constexpr std::uint8_t bin_by_search(std::size_t n, std::uint8_t b = 0) noexcept {
    while (kBinTable[b].block_size < n || kBinTable[b].size_class < class_of_size(n)) ++b;
    return b;
  }

  static constexpr std::array<std::uint8_t, kLutSize> kBinOfSize = [] {
    std::array<std::uint8_t, kLutSize> lut{};
    std::uint8_t b = 0;
    for (std::size_t i = 0; i < kLutSize; ++i) {
      const std::size_t n = i <= kFineLimit / 8 ? i * 8 : kFineLimit + (i - kFineLimit / 8) * 256;
      lut[i] = b = bin_by_search(n, b);  // sizes grow, and their bins with them
    }
    return lut;
  }();

  // Requires: n <= G::kBlockMax.
  static constexpr BinIndex bin_of(std::size_t n) noexcept {
    return BinIndex(kBinOfSize[lut_index(n)]);
  }
  // Bytes to ask for, so that their bin's block size is a multiple of the alignment, the first such
  // bin that holds n. Requires: a power of two, at most a unit; n <= G::kBlockMax.
  static constexpr std::size_t aligned_size(std::size_t alignment, std::size_t n) noexcept {
    const std::size_t low = alignment <= kMinBlock ? 0 : alignment - 1;  // blocks have kMinBlock
    return ((n - (n != 0)) | low) + 1;
  }
  static constexpr IndexRange<BinIndex> bins() noexcept { return IndexRange<BinIndex>(kBins); }
  static constexpr const BinInfo& info(BinIndex b) noexcept { return kBinTable[b.value()]; }
  // The slots of a page of the bin whose memory nobody has written on, when that is said of all of
  // it (SoPage::fresh). Of small blocks it is not known: to zero them costs less than to ask.
  static constexpr std::uint32_t fresh_slots(BinIndex b) noexcept {
    if (info(b).block_size < G::kFreshBytes) return 0;
    return info(b).capacity == 32 ? ~0u : (1u << info(b).capacity) - 1;
  }

  static constexpr std::size_t kEntriesPerSuperslab = [] {
    std::size_t most = 0;
    for (const BinInfo& b : kBinTable) {
      const std::size_t n = std::size_t{b.entry_stride} * b.pages_per_superslab;
      if (n > most) most = n;
    }
    return most;
  }();
  // Places of a context's magazines: first the few that each begins with, close together, then
  // those of each that grows, as many as it may have.
  static constexpr std::size_t first_capacity(BinIndex bin) noexcept {
    return detail::clamp_size(G::kMagazineFirst, 1, info(bin).magazine_capacity);
  }
  static constexpr std::size_t first_place(BinIndex bin) noexcept {
    std::size_t place = 0;
    for (std::uint8_t b = 0; b < bin.value(); ++b) place += first_capacity(BinIndex(b));
    return place;
  }
  static constexpr std::size_t grown_place(BinIndex bin) noexcept {
    std::size_t place = first_place(BinIndex(kBins));
    for (std::uint8_t b = 0; b < bin.value(); ++b) place += kBinTable[b].magazine_capacity;
    return place;
  }
  static constexpr std::size_t kMagazineEntries = grown_place(BinIndex(kBins));

  static constexpr std::size_t kCarveMax = [] {
    std::size_t most = 0;
    for (const BinInfo& b : kBinTable) most = b.carve_batch > most ? b.carve_batch : most;
    return most;
  }();

  static_assert(kBins <= 255 && kClasses <= kClassesMax);
};

}  // namespace hakmem
