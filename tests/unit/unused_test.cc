// Which memory of a page no block lies on: held against a look at every byte.
#include "page/unused.h"

#include <gtest/gtest.h>

#include <random>
#include <utility>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

constexpr std::size_t kSystemPage = 4096;
using Stretches = std::vector<std::pair<std::size_t, std::size_t>>;

template <class C>
class Unused : public ::testing::Test {
 protected:
  static std::size_t bytes_of(const SoPage<C>& page) {
    return (std::size_t{1} << C::Sizes::kBinTable[page.bin].page_shift) - C::Sizes::kGuardBytes;
  }
  static Stretches found(const SoPage<C>& page) {
    Stretches stretches;
    for_each_unused_stretch(page, bytes_of(page), kSystemPage,
                            [&](std::size_t at, std::size_t n) { stretches.emplace_back(at, n); });
    return stretches;
  }
  // Byte by byte.
  static Stretches due(const SoPage<C>& page) {
    std::vector<bool> touched(bytes_of(page), false);
    for (std::size_t slot = 0; slot < page.capacity; ++slot) {
      if (state_of_entry(page.entries[slot].load_relaxed()) == SlotState::kFree) continue;
      const auto first = touched.begin() + static_cast<std::ptrdiff_t>(slot * page.block_size);
      std::fill(first, first + page.block_size, true);
    }
    Stretches stretches;
    for (std::size_t at = 0; at + kSystemPage <= touched.size(); at += kSystemPage) {
      const auto first = touched.begin() + static_cast<std::ptrdiff_t>(at);
      if (std::find(first, first + kSystemPage, true) != first + kSystemPage) continue;
      if (!stretches.empty() && stretches.back().first + stretches.back().second == at) {
        stretches.back().second += kSystemPage;
      } else {
        stretches.emplace_back(at, kSystemPage);
      }
    }
    return stretches;
  }
  ColdSetUp<C> boxes_;
};

using Configs = ::testing::Types<Small, Full, FullPerf>;
TYPED_TEST_SUITE(Unused, Configs);

TYPED_TEST(Unused, APageWithoutBlocksIsOneStretchUpToItsGuard) {
  for (const std::size_t n : {std::size_t{16}, std::size_t{1024}, TypeParam::Geometry::kBlockMax}) {
    const SoPage<TypeParam>& page = *this->boxes_.borrow(bin_of<TypeParam>(n));
    EXPECT_EQ(this->found(page), (Stretches{{0, this->bytes_of(page)}})) << n;
  }
}

TYPED_TEST(Unused, EveryStateButFreeCounts) {
  constexpr EntryBits kUsed[] = {kEntryLive, kEntryCached, remote_entry(0), remote_entry(kNoSlot)};
  SoPage<TypeParam>& page = *this->boxes_.borrow(bin_of<TypeParam>(TypeParam::Geometry::kBlockMax));
  for (const EntryBits state : kUsed) {
    page.entries[1].store_relaxed(state);
    const Stretches stretches = this->found(page);
    ASSERT_EQ(stretches.size(), 2u);
    EXPECT_EQ(stretches[0].second, page.block_size);
    EXPECT_EQ(stretches[1].first, 2 * page.block_size);
  }
  page.entries[1].store_relaxed(free_entry(3));
  EXPECT_EQ(this->found(page).size(), 1u);
}

TYPED_TEST(Unused, OfEveryBinAtEveryFilling) {
  std::mt19937 random(7);
  for (std::size_t b = 0; b < TypeParam::Sizes::kBins; ++b) {
    SoPage<TypeParam>& page = *this->boxes_.borrow(BinIndex(static_cast<std::uint8_t>(b)));
    for (const unsigned one_in : {1u, 2u, 7u, 60u, 1000u}) {
      for (std::size_t slot = 0; slot < page.capacity; ++slot) {
        page.entries[slot].store_relaxed(random() % one_in == 0 ? kEntryLive : free_entry(0));
      }
      ASSERT_EQ(this->found(page), this->due(page)) << "bin " << b << ", one in " << one_in;
    }
  }
}

}  // namespace
}  // namespace hakmem::test
