// The list that a superslab is on by its tier: the record says whether it is on one.
#include "cold/superslab.h"

#include <gtest/gtest.h>

#include <array>

namespace hakmem {
namespace {

TEST(SlabList, SaysOnTheRecordWhoIsOnIt) {
  std::array<Superslab, 2> slabs{};
  SlabList list;
  link_slab(slabs.data(), list, 0);
  link_slab(slabs.data(), list, 1);
  EXPECT_TRUE(slabs[0].listed && slabs[1].listed);
  EXPECT_EQ(list.front(), 1u);
  unlink_slab(slabs.data(), list, 1);
  EXPECT_TRUE(slabs[0].listed && !slabs[1].listed);
  EXPECT_EQ(list.front(), 0u);
}

}  // namespace
}  // namespace hakmem
