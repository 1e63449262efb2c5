// The freelist: LIFO, carved piece by piece, in random order where the flavour asks for it.
#include "page/freelist.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

template <class C>
std::vector<std::uint16_t> take_all(SoPage<C>& page, Rng& rng) {
  std::vector<std::uint16_t> slots;
  while (page.has_free_slot()) slots.push_back(take_slot_owner_only(page, kEntryLive, rng));
  return slots;
}

template <class C>
class Freelist : public ::testing::Test {};
using Configs = ::testing::Types<Small, SmallPerf, Full, FullPerf>;
TYPED_TEST_SUITE(Freelist, Configs);

TYPED_TEST(Freelist, HandsOutEverySlotOnceInEveryBin) {
  ColdSetUp<TypeParam> boxes;
  for (std::size_t b = 0; b < TypeParam::Sizes::kBins; ++b) {
    SoPage<TypeParam>& page = *boxes.borrow(BinIndex(static_cast<std::uint8_t>(b)));
    const std::vector<std::uint16_t> slots = take_all(page, boxes.rng);
    EXPECT_EQ(std::set<std::uint16_t>(slots.begin(), slots.end()).size(), page.capacity);
    EXPECT_LT(*std::max_element(slots.begin(), slots.end()), page.capacity);
    EXPECT_EQ(page.carved, page.capacity);
    EXPECT_EQ(page.used, page.capacity);
  }
}

TYPED_TEST(Freelist, IsLastInFirstOut) {
  ColdSetUp<TypeParam> boxes;
  SoPage<TypeParam>& page = *boxes.borrow(bin_of<TypeParam>(256));
  const std::vector<std::uint16_t> slots = take_all(page, boxes.rng);
  for (const std::uint16_t slot : slots) give_slot_owner_only(page, slot);
  EXPECT_EQ(page.used, 0);
  for (auto it = slots.rbegin(); it != slots.rend(); ++it) {
    EXPECT_EQ(take_slot_owner_only(page, kEntryLive, boxes.rng), *it);
  }
}

TYPED_TEST(Freelist, CarvesABatchOnlyWhenTheListIsEmpty) {
  ColdSetUp<TypeParam> boxes;
  SoPage<TypeParam>& page = *boxes.borrow(bin_of<TypeParam>(1024));
  const std::uint16_t batch = TypeParam::Sizes::info(bin_of<TypeParam>(1024)).carve_batch;
  EXPECT_EQ(page.carved, 0);
  const std::uint16_t first = take_slot_owner_only(page, kEntryLive, boxes.rng);
  EXPECT_EQ(page.carved, batch);
  give_slot_owner_only(page, first);
  for (std::uint32_t i = 0; i < batch; ++i) take_slot_owner_only(page, kEntryLive, boxes.rng);
  EXPECT_EQ(page.carved, batch);
  take_slot_owner_only(page, kEntryLive, boxes.rng);
  EXPECT_EQ(page.carved, std::min<int>(2 * batch, page.capacity));
}

TYPED_TEST(Freelist, LeavesTheStateThatWasAskedFor) {
  ColdSetUp<TypeParam> boxes;
  SoPage<TypeParam>& page = *boxes.borrow(bin_of<TypeParam>(64));
  const std::uint16_t live = take_slot_owner_only(page, kEntryLive, boxes.rng);
  const std::uint16_t cached = take_slot_owner_only(page, kEntryCached, boxes.rng);
  EXPECT_EQ(page.entries[live].load_relaxed(), kEntryLive);
  EXPECT_EQ(page.entries[cached].load_relaxed(), kEntryCached);
  give_slot_owner_only(page, live);
  EXPECT_EQ(state_of_entry(page.entries[live].load_relaxed()), SlotState::kFree);
}

// No order is out of reach: not even that a slot stays where it is.
TEST(FreelistOrder, EveryOrderOfABatchOccurs) {
  ColdSetUp<Small> boxes;
  const BinIndex bin = bin_of<Small>(512);
  ASSERT_EQ(Small::Sizes::info(bin).carve_batch, 4);
  std::set<std::vector<std::uint16_t>> orders;
  for (int i = 0; i < 1000; ++i) {
    SoPage<Small>& page = *boxes.borrow(bin);
    const std::vector<std::uint16_t> order = take_all(page, boxes.rng);
    orders.insert(order);
    for (const std::uint16_t slot : order) give_slot_owner_only(page, slot);
    retire(boxes.cold, page);
  }
  EXPECT_EQ(orders.size(), 24u);
}

// Carved order is ascending without randomisation, and depends on the seed with it.
TEST(FreelistOrder, IsRandomWhereTheFlavourSaysSo) {
  const auto order = []<class C>(std::uint64_t seed) {
    ColdSetUp<C> boxes;
    Rng rng(seed);
    SoPage<C>& page = *boxes.borrow(bin_of<C>(64));
    std::vector<std::uint16_t> slots;
    for (int i = 0; i < 64; ++i) slots.push_back(take_slot_owner_only(page, kEntryLive, rng));
    return slots;
  };
  const auto plain = order.operator()<FullPerf>(1);
  EXPECT_TRUE(std::is_sorted(plain.begin(), plain.end()));
  const auto random = order.operator()<Full>(1);
  EXPECT_FALSE(std::is_sorted(random.begin(), random.end()));
  EXPECT_NE(random, order.operator()<Full>(2));
  EXPECT_EQ(random, order.operator()<Full>(1));
}

}  // namespace
}  // namespace hakmem::test
