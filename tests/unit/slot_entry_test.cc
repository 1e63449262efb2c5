// Slot entries: four kinds in the top two bits, a link below, and no value that is two things.
#include "page/slot_entry.h"

#include <gtest/gtest.h>

#include "config/geometry.h"

namespace hakmem {
namespace {

static_assert(ProductionGeometry::kSlotsMax <= kNoSlot,
              "every slot number is a link, none the end");
static_assert(free_entry(0) == kEntryFree, "fresh memory reads as slots that are free");

TEST(SlotEntry, KindAndLinkRoundTrip) {
  for (std::uint32_t n = 0; n <= kNoSlot; ++n) {
    const auto next = static_cast<EntryBits>(n);
    EXPECT_EQ(entry_link(free_entry(next)), next);
    EXPECT_EQ(entry_link(remote_entry(next)), next);
    EXPECT_EQ(state_of_entry(free_entry(next)), SlotState::kFree);
    EXPECT_EQ(state_of_entry(remote_entry(next)), SlotState::kRemote);
  }
  EXPECT_EQ(state_of_entry(kEntryLive), SlotState::kLive);
  EXPECT_EQ(state_of_entry(kEntryCached), SlotState::kCached);
}

TEST(SlotEntry, EveryValueIsExactlyOneKind) {
  int counts[4] = {};
  for (std::uint32_t v = 0; v < 0x10000; ++v) {
    switch (state_of_entry(static_cast<EntryBits>(v))) {
      case SlotState::kFree:
        ++counts[0];
        break;
      case SlotState::kRemote:
        ++counts[1];
        break;
      case SlotState::kLive:
        ++counts[2];
        break;
      case SlotState::kCached:
        ++counts[3];
        break;
      case SlotState::kNone:
        ADD_FAILURE() << v;
    }
  }
  for (const int n : counts) EXPECT_EQ(n, 0x4000);
}

}  // namespace
}  // namespace hakmem
