// The doubly linked lists of superslab records: any order of linking and unlinking.
#include "cold/superslab.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <vector>

namespace hakmem {
namespace {

std::vector<std::uint32_t> members(const Superslab* slabs, const SlabList& list) {
  std::vector<std::uint32_t> found;
  std::uint32_t before = Superslab::kNone;
  for (std::uint32_t i = list.head; i != Superslab::kNone && found.size() < 100;
       i = slabs[i].next) {
    EXPECT_EQ(slabs[i].prev, before);
    EXPECT_TRUE(slabs[i].listed);
    before = i;
    found.push_back(i);
  }
  return found;
}

TEST(SlabList, IsLastInFirstOut) {
  std::array<Superslab, 3> slabs{};
  SlabList list;
  for (std::uint32_t i = 0; i < 3; ++i) link_slab(slabs.data(), list, i);
  EXPECT_EQ(members(slabs.data(), list), (std::vector<std::uint32_t>{2, 1, 0}));
}

TEST(SlabList, UnlinksFirstMiddleLastAndOnly) {
  for (const std::uint32_t out : {0u, 1u, 2u}) {
    std::array<Superslab, 3> slabs{};
    SlabList list;
    for (std::uint32_t i = 0; i < 3; ++i) link_slab(slabs.data(), list, i);
    unlink_slab(slabs.data(), list, out);
    std::vector<std::uint32_t> due{2, 1, 0};
    due.erase(std::find(due.begin(), due.end(), out));
    EXPECT_EQ(members(slabs.data(), list), due);
    EXPECT_FALSE(slabs[out].listed);
    EXPECT_EQ(slabs[out].next, Superslab::kNone);
  }
  std::array<Superslab, 1> one{};
  SlabList list;
  link_slab(one.data(), list, 0);
  unlink_slab(one.data(), list, 0);
  EXPECT_EQ(list.head, Superslab::kNone);
}

TEST(SlabList, AgreesWithAVectorOverRandomSteps) {
  std::array<Superslab, 16> slabs{};
  SlabList list;
  std::vector<std::uint32_t> model;  // front = newest
  std::mt19937 random(5);
  for (int step = 0; step < 5000; ++step) {
    const std::uint32_t i = random() % 16;
    const auto at = std::find(model.begin(), model.end(), i);
    if (at == model.end()) {
      link_slab(slabs.data(), list, i);
      model.insert(model.begin(), i);
    } else {
      unlink_slab(slabs.data(), list, i);
      model.erase(at);
    }
    ASSERT_EQ(members(slabs.data(), list), model);
  }
}

}  // namespace
}  // namespace hakmem
