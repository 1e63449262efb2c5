// What a pointer into the arena is: every address of pages in every state has the fault that the
// definition in base/block_view.h gives it.
#include "page/locate.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "test_heap.h"

namespace hakmem::test {
namespace {

template <class C>
class Locate : public ::testing::Test {
 protected:
  BlockView at(std::uintptr_t address) {
    const ClientPtr p(address);
    const SoPage<C>& unit = *boxes_.arena.so_page_of(p);
    return locate_in_page(unit, boxes_.arena.head_of(unit), p);
  }
  // The definition: by alignment, then whether the slot was ever out, then start or inside.
  Fault due(const SoPage<C>& page, const std::set<std::uint32_t>& live, std::uintptr_t address) {
    if (address % 16 != 0) return Fault::kMisalignedFree;
    const std::uint64_t offset = address - page.base;
    const auto slot = static_cast<std::uint32_t>(offset / page.block_size);
    if (slot >= page.carved) return Fault::kInvalidFree;
    if (offset % page.block_size != 0) return Fault::kInteriorFree;
    return live.contains(slot) ? Fault::kNone : Fault::kDoubleFree;
  }
  ColdSetUp<C> boxes_;
};

using Configs = ::testing::Types<Small, Full>;
TYPED_TEST_SUITE(Locate, Configs);

// Interior, tail past the last slot and guard included. Steps of 4 keep the long pages cheap, and
// meet aligned and misaligned addresses; starts and ends of slots are all met.
TYPED_TEST(Locate, EveryAddressOfAPageOfEveryBin) {
  for (std::size_t b = 0; b < TypeParam::Sizes::kBins; ++b) {
    SoPage<TypeParam>& page = *this->boxes_.borrow(BinIndex(static_cast<std::uint8_t>(b)));
    std::set<std::uint32_t> live;
    while (page.used < page.capacity && live.size() < 9) {
      live.insert(take_slot_owner_only(page, kEntryLive, this->boxes_.rng));
    }
    give_slot_owner_only(page, *live.begin());  // one that was out and is free
    live.erase(live.begin());
    const std::size_t bytes = std::size_t{1} << TypeParam::Sizes::kBinTable[b].page_shift;
    for (std::uintptr_t a = page.base; a < page.base + bytes; a += 4) {
      const BlockView view = this->at(a);
      ASSERT_EQ(view.fault, this->due(page, live, a)) << "bin " << b << " offset " << a - page.base;
      ASSERT_EQ(view.page, page.base);
      ASSERT_EQ(view.offset, (a - page.base) % page.block_size);
      ASSERT_EQ(view.block_size, page.block_size);
      ASSERT_EQ(view.bin, b);
    }
    ASSERT_EQ(this->at(page.base + 1).fault, Fault::kMisalignedFree);
  }
}

TYPED_TEST(Locate, TellsTheState) {
  SoPage<TypeParam>& page = *this->boxes_.borrow(bin_of<TypeParam>(512));
  const std::uint16_t slot = take_slot_owner_only(page, kEntryLive, this->boxes_.rng);
  const auto address = reinterpret_cast<std::uintptr_t>(page.slot_address(slot));
  EXPECT_EQ(this->at(address).state, SlotState::kLive);
  EXPECT_EQ(this->at(address).slot, slot);
  EXPECT_STREQ(this->at(address).heap, "v3");
  page.entries[slot].store_relaxed(kEntryCached);
  EXPECT_EQ(this->at(address).state, SlotState::kCached);
  EXPECT_EQ(this->at(address).fault, Fault::kDoubleFree);
  page.entries[slot].store_relaxed(remote_entry(kNoSlot));
  EXPECT_EQ(this->at(address).state, SlotState::kRemote);
  EXPECT_EQ(this->at(address).fault, Fault::kDoubleFree);
}

// Unit 0 is lent with live blocks; what was never lent must not be taken for a part of it. Beyond
// the superslabs in use there are no records.
TYPED_TEST(Locate, UnitsThatWereNeverLent) {
  SoPage<TypeParam>& page = *this->boxes_.borrow(bin_of<TypeParam>(16));
  while (page.has_free_slot()) take_slot_owner_only(page, kEntryLive, this->boxes_.rng);
  ASSERT_EQ(this->boxes_.arena.unit_of(page), 0u);
  const std::uintptr_t base = this->boxes_.arena.base();
  const std::uintptr_t end = base + TypeParam::Sizes::kSuperslabBytes;
  for (std::uintptr_t a = base + TypeParam::Sizes::kUnitBytes; a < end;
       a += TypeParam::Sizes::kUnitBytes / 4) {
    const BlockView view = this->at(a);
    ASSERT_EQ(view.fault, Fault::kInvalidFree);
    ASSERT_EQ(view.page, 0u);
  }
  for (std::uintptr_t a = end; a < base + this->boxes_.arena.bytes();
       a += this->boxes_.arena.bytes() / 4096) {
    ASSERT_EQ(this->boxes_.arena.so_page_of(ClientPtr(a)), nullptr);
  }
}

TYPED_TEST(Locate, ARetiredPageKeepsTheMemoryOfItsBlocks) {
  SoPage<TypeParam>& page = *this->boxes_.borrow(bin_of<TypeParam>(1024));
  const std::uint16_t slot = take_slot_owner_only(page, kEntryLive, this->boxes_.rng);
  const auto address = reinterpret_cast<std::uintptr_t>(page.slot_address(slot));
  give_slot_owner_only(page, slot);
  retire(this->boxes_.cold, page);
  EXPECT_EQ(this->at(address).fault, Fault::kDoubleFree);
  EXPECT_EQ(this->at(address + 16).fault, Fault::kInteriorFree);
  EXPECT_EQ(this->at(address + 8).fault, Fault::kMisalignedFree);
}

// A superslab goes from the largest bin to the smallest: the old pages' entries are now those of
// the new page's slots, all of them live. No stale pointer may be taken for one of these.
TYPED_TEST(Locate, StalePointersIntoASuperslabThatChangedItsBin) {
  const BinIndex large(static_cast<std::uint8_t>(TypeParam::Sizes::kBins - 1));
  SoPage<TypeParam>* const old = this->boxes_.borrow(large);
  const std::uintptr_t begin = old->base;
  retire(this->boxes_.cold, *old);
  SoPage<TypeParam>& page = *this->boxes_.borrow(bin_of<TypeParam>(16));
  ASSERT_EQ(page.base, begin) << "the same superslab";
  while (page.has_free_slot()) take_slot_owner_only(page, kEntryLive, this->boxes_.rng);
  const BinInfo& was = TypeParam::Sizes::info(large);
  const std::size_t blocks = std::size_t{was.capacity} * was.block_size;
  for (std::uintptr_t a = begin + TypeParam::Sizes::kUnitBytes; a < begin + blocks; a += 16) {
    const Fault fault = this->at(a).fault;
    ASSERT_NE(fault, Fault::kNone) << a - begin;
    const bool was_a_block = (a - begin) % was.block_size == 0;
    ASSERT_TRUE(!was_a_block || fault == Fault::kDoubleFree) << a - begin;
  }
}

// The later units of a page that is gone still speak of it, though its first unit has a new page.
TEST(LocateStale, AUnitWhosePageIsGoneAndWhoseHeadHasASmallerOne) {
  ColdSetUp<Full> boxes;
  SoPage<Full>& gone = *boxes.borrow(bin_of<Full>(65536));
  const ClientPtr fourth(gone.base + 3 * 65536);
  retire(boxes.cold, gone);
  ASSERT_EQ(boxes.borrow(bin_of<Full>(64)), &gone);
  const SoPage<Full>& unit = *boxes.arena.so_page_of(fourth);
  const SoPage<Full>& head = boxes.arena.head_of(unit);
  ASSERT_TRUE(&head == &gone && head.base == unit.base && head.bin != unit.bin);
  EXPECT_EQ(locate_in_page(unit, head, fourth).fault, Fault::kDoubleFree) << "it may have been out";
}

}  // namespace
}  // namespace hakmem::test
