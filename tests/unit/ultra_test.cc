// ULTRA: how many blocks a refill and a flush move, which ones, and how magazines open, close and
// go out of the hot path's sight while every call must be slow.
#include "ultra/ultra_box.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <set>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

template <class C>
class Ultra : public ::testing::Test {
 protected:
  using Box = UltraBox<C, ColdBox<C>>;
  using Hot = HotBox<C, ColdBox<C>>;
  using Page = SoPage<C>;

  Ultra() : places_(C::Sizes::kMagazineEntries) {
    cache().storage = places_.data();
    for (std::size_t b = 0; b < C::Sizes::kBins; ++b) {
      so().bins[b].owner = boxes_.owner(BinIndex(static_cast<std::uint8_t>(b)));
      so().bins[b].max_partial = 4;
    }
  }
  UltraCache<C>& cache() { return boxes_.context->ultra; }
  SoCtx<C>& so() { return boxes_.context->so; }
  void* refill(BinIndex bin, TakePath due) {
    const auto got =
        Box::refill(hot_, cache().magazine(bin), bin, cache().magazine(bin).capacity() / 2);
    EXPECT_EQ(got.path, due);
    return got.block;
  }
  SlotState state_of(void* block) { return state_of_entry(locate_entry(block)->load_relaxed()); }
  typename Page::Entry* locate_entry(void* block) {
    const Page& page = *boxes_.arena.so_page_of(ClientPtr(block));
    return page.entries + divide(ClientPtr(block).address() - page.base, page.reciprocal).value;
  }

  ColdSetUp<C> boxes_;
  std::vector<MagazinePlace<C>> places_;
  Hot hot_{boxes_.arena, boxes_.cold, boxes_.context->so};
};

using Configs = ::testing::Types<Small, SmallPerf, Full, FullPerf>;
TYPED_TEST_SUITE(Ultra, Configs);

TYPED_TEST(Ultra, ARefillTakesHalfAMagazineAndOneBlockFromOnePage) {
  for (std::size_t b = 0; b < TypeParam::Sizes::kBins; ++b) {
    const BinIndex bin(static_cast<std::uint8_t>(b));
    const BinInfo& info = TypeParam::Sizes::info(bin);
    this->cache().open(bin);
    void* const block = this->refill(bin, TakePath::kRefill);
    ASSERT_NE(block, nullptr);
    Magazine<TypeParam>& magazine = this->cache().magazine(bin);
    const bool fresh = info.block_size >= TypeParam::Geometry::kFreshBytes;
    const std::size_t due =
        fresh ? 0 : std::min<std::size_t>(magazine.capacity() / 2, info.capacity - std::size_t{1});
    EXPECT_EQ(magazine.size(), due) << "bin " << b;
    EXPECT_EQ(this->state_of(block), SlotState::kLive);
    std::set<void*> distinct{block};
    for (std::size_t i = 0; i < magazine.size(); ++i) {
      distinct.insert(magazine.base[i].block);
      EXPECT_EQ(this->state_of(magazine.base[i].block),
                state_of_entry(kEntryInMagazine<TypeParam>));
    }
    EXPECT_EQ(distinct.size(), due + 1);
    EXPECT_EQ(this->so().bins[b].current->used, due + 1);
  }
}

// What nobody has written on stays with its page; what comes back to it does not.
TYPED_TEST(Ultra, ARefillLeavesFreshSlotsWithTheirPage) {
  const BinIndex bin = bin_of<TypeParam>(TypeParam::Geometry::kBlockMax);
  this->cache().open(bin);
  Magazine<TypeParam>& magazine = this->cache().magazine(bin);
  const auto slot_of_block = [&](void* block) {
    const SoPage<TypeParam>& page = *this->so().bins[bin.value()].current;
    return static_cast<std::uint32_t>((ClientPtr(block).address() - page.base) / page.block_size);
  };
  void* const first = this->refill(bin, TakePath::kRefill);
  void* const second = this->refill(bin, TakePath::kCurrent);
  ASSERT_NE(this->refill(bin, TakePath::kCurrent), nullptr);  // keeps the page
  SoPage<TypeParam>& page = *this->so().bins[bin.value()].current;
  EXPECT_EQ(std::popcount(page.fresh), page.capacity - 3);
  EXPECT_EQ(page.fresh >> slot_of_block(first) & 1, 0u);
  this->hot_.give(page, slot_of_block(first));
  this->hot_.give(page, slot_of_block(second));
  EXPECT_EQ(this->refill(bin, TakePath::kCurrent), second);
  EXPECT_EQ(magazine.size(), 1u) << "the one that came back before it";
}

TYPED_TEST(Ultra, ARefillNeverNeedsASecondPage) {
  const BinIndex bin = bin_of<TypeParam>(1024);
  this->cache().open(bin);
  Magazine<TypeParam>& magazine = this->cache().magazine(bin);
  this->refill(bin, TakePath::kRefill);
  SoPage<TypeParam>& page = *this->so().bins[bin.value()].current;
  while (page.has_free_slot()) this->hot_.take(page, kEntryLive);
  this->hot_.give(page, 0);
  magazine.top = magazine.base;  // as if it had been used up
  this->refill(bin, TakePath::kCurrent);
  EXPECT_TRUE(magazine.empty()) << "the page had one slot left, and the caller got it";
  EXPECT_EQ(page.used, page.capacity);
}

TYPED_TEST(Ultra, AClosedMagazineGetsNothing) {
  const BinIndex bin = bin_of<TypeParam>(64);
  EXPECT_NE(this->refill(bin, TakePath::kRefill), nullptr);
  EXPECT_EQ(this->cache().magazine(bin).size(), 0u);
  EXPECT_EQ(this->so().bins[bin.value()].current->used, 1);
}

TYPED_TEST(Ultra, NoPageNoBlock) {
  this->boxes_.limit.set({.hard = 0});
  const BinIndex bin = bin_of<TypeParam>(64);
  this->cache().open(bin);
  EXPECT_EQ(this->refill(bin, TakePath::kNone), nullptr);
  EXPECT_TRUE(this->cache().magazine(bin).empty());
}

TYPED_TEST(Ultra, AFlushReleasesTheOldestAndKeepsTheOrderOfTheOthers) {
  const BinIndex bin = bin_of<TypeParam>(64);
  this->cache().open(bin);
  this->cache().grow(bin);
  Magazine<TypeParam>& magazine = this->cache().magazine(bin);
  std::vector<char> blocks(magazine.capacity());
  for (char& block : blocks) *magazine.top++ = make_place<TypeParam>(&block, nullptr);
  EXPECT_TRUE(magazine.full());
  std::vector<void*> released;
  const std::size_t count = 3;
  TestFixture::Box::flush(magazine, count,
                          [&](const auto& place) { released.push_back(place.block); });
  EXPECT_EQ(released, (std::vector<void*>{&blocks[0], &blocks[1], &blocks[2]}));
  ASSERT_EQ(magazine.size(), blocks.size() - count);
  for (std::size_t i = 0; i < magazine.size(); ++i) {
    EXPECT_EQ(magazine.base[i].block, &blocks[i + count]);
  }
  EXPECT_EQ(magazine.room(), count);
}

TYPED_TEST(Ultra, MagazinesOfAllBinsAreApart) {
  const MagazinePlace<TypeParam>* end = this->places_.data();
  for (std::size_t b = 0; b < TypeParam::Sizes::kBins; ++b) {
    const BinIndex bin(static_cast<std::uint8_t>(b));
    EXPECT_FALSE(this->cache().is_open(bin));
    this->cache().open(bin);
    EXPECT_TRUE(this->cache().is_open(bin));
    EXPECT_EQ(this->cache().magazine(bin).base, end);
    EXPECT_EQ(this->cache().magazine(bin).capacity(),
              std::min<std::size_t>(TypeParam::Geometry::kMagazineFirst,
                                    TypeParam::Sizes::kBinTable[b].magazine_capacity));
    end = this->cache().magazine(bin).limit;
  }
  EXPECT_LT(end, this->places_.data() + this->places_.size());
}

// Each has a place of its own for as many as it may have; what it holds moves there in order.
TYPED_TEST(Ultra, AMagazineGrowsByFourUntilItMayNot) {
  const MagazinePlace<TypeParam>* end = nullptr;
  for (std::size_t b = 0; b < TypeParam::Sizes::kBins; ++b) {
    const BinIndex bin(static_cast<std::uint8_t>(b));
    const std::size_t most = TypeParam::Sizes::info(bin).magazine_capacity;
    this->cache().open(bin);
    Magazine<TypeParam>& magazine = this->cache().magazine(bin);
    std::vector<char> blocks(most);
    std::size_t held = 0;
    for (std::size_t due = magazine.capacity();; due = std::min(4 * due, most)) {
      ASSERT_EQ(magazine.capacity(), due);
      while (!magazine.full()) magazine.top++->block = &blocks[held++];
      for (std::size_t i = 0; i < held; ++i) ASSERT_EQ(magazine.base[i].block, &blocks[i]);
      if (due == most) break;
      this->cache().grow(bin);
    }
    const MagazinePlace<TypeParam>* const base = magazine.base;
    this->cache().grow(bin);
    EXPECT_EQ(magazine.base, base) << "no more than that";
    EXPECT_EQ(magazine.size(), most);
    if (most > TypeParam::Sizes::first_capacity(bin)) {
      EXPECT_TRUE(end == nullptr || magazine.base >= end);
      end = magazine.limit;
    }
  }
  EXPECT_LE(end, this->places_.data() + this->places_.size());
}

TYPED_TEST(Ultra, AClosedMagazineIsEmptyAndFull) {
  const BinIndex bin = bin_of<TypeParam>(64);
  this->cache().open(bin);
  this->cache().close(bin);
  EXPECT_TRUE(this->cache().front[bin.value()].empty());
  EXPECT_TRUE(this->cache().front[bin.value()].full());
}

TYPED_TEST(Ultra, CountingHidesTheMagazinesAndGivesThemBack) {
  const BinIndex bin = bin_of<TypeParam>(64);
  UltraCache<TypeParam>& cache = this->cache();
  cache.open(bin);
  char block = 0;
  *cache.magazine(bin).top++ = make_place<TypeParam>(&block, nullptr);
  for (int round = 0; round < 2; ++round) {  // switching on twice changes nothing
    cache.set_hidden(true);
    EXPECT_TRUE(cache.front[bin.value()].empty() && cache.front[bin.value()].full());
    ASSERT_EQ(cache.magazine(bin).size(), 1u);
    EXPECT_EQ(cache.magazine(bin).base[0].block, &block);
  }
  cache.set_hidden(false);
  EXPECT_EQ(cache.front[bin.value()].size(), 1u);
  EXPECT_EQ(&cache.magazine(bin), &cache.front[bin.value()]);
  EXPECT_FALSE(cache.hidden[bin.value()].limit != nullptr);
}

TYPED_TEST(Ultra, FineSizesPointAtTheirBinsMagazine) {
  for (std::size_t n = 0; n <= kFineLimit; ++n) {
    EXPECT_EQ(this->cache().of_fine_size[TypeParam::Sizes::fine_index(n)],
              &this->cache().front[bin_of<TypeParam>(n).value()]);
  }
}

}  // namespace
}  // namespace hakmem::test
