// Lists through records by index: any order of linking and unlinking.
#include "base/index_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <vector>

namespace hakmem {
namespace {

struct Record {
  IndexLinks links{};
};
using List = IndexList<&Record::links>;
using Queue = IndexQueue<&Record::links>;
using Numbers = std::vector<std::uint32_t>;
constexpr std::uint32_t kCount = 16;

Numbers members(const Record* records, const auto& list) {
  Numbers found;
  std::uint32_t before = IndexLinks::kNone;
  for (std::uint32_t i = list.front(); i != IndexLinks::kNone && found.size() <= kCount;
       i = records[i].links.next) {
    EXPECT_EQ(records[i].links.prev, before);
    EXPECT_TRUE(list.may_hold(records, i));
    before = i;
    found.push_back(i);
  }
  return found;
}

TEST(IndexList, IsLastInFirstOut) {
  std::array<Record, 3> records{};
  List list;
  EXPECT_TRUE(list.empty());
  for (std::uint32_t i = 0; i < 3; ++i) list.push_front(records.data(), i);
  EXPECT_FALSE(list.empty());
  EXPECT_EQ(members(records.data(), list), (Numbers{2, 1, 0}));
}

TEST(IndexList, RemovesFirstMiddleLastAndOnly) {
  for (const std::uint32_t out : {0u, 1u, 2u}) {
    std::array<Record, 3> records{};
    List list;
    for (std::uint32_t i = 0; i < 3; ++i) list.push_front(records.data(), i);
    list.remove(records.data(), out);
    Numbers due{2, 1, 0};
    due.erase(std::find(due.begin(), due.end(), out));
    EXPECT_EQ(members(records.data(), list), due);
    EXPECT_EQ(records[out].links.next, List::kNone);
    EXPECT_EQ(records[out].links.prev, List::kNone);
    EXPECT_FALSE(list.may_hold(records.data(), out));
  }
  std::array<Record, 1> one{};
  List list;
  list.push_front(one.data(), 0);
  list.remove(one.data(), 0);
  EXPECT_TRUE(list.empty());
}

// Both against a vector, front first.
template <class L>
void agrees_with_a_vector() {
  std::array<Record, kCount> records{};
  L list;
  Numbers model;
  std::mt19937 random(5);
  for (int step = 0; step < 5000; ++step) {
    const std::uint32_t i = random() % kCount;
    const auto at = std::find(model.begin(), model.end(), i);
    if (at != model.end()) {
      list.remove(records.data(), i);
      model.erase(at);
    } else if constexpr (requires { list.push_back(records.data(), i); }) {
      const bool back = random() % 2 != 0;
      back ? list.push_back(records.data(), i) : list.push_front(records.data(), i);
      model.insert(back ? model.end() : model.begin(), i);
    } else {
      list.push_front(records.data(), i);
      model.insert(model.begin(), i);
    }
    ASSERT_EQ(members(records.data(), list), model);
    if constexpr (requires { list.size(); }) {
      ASSERT_EQ(list.size(), model.size());
    }
  }
}
TEST(IndexList, AgreesWithAVectorOverRandomSteps) { agrees_with_a_vector<List>(); }
TEST(IndexQueue, AgreesWithAVectorOverRandomSteps) { agrees_with_a_vector<Queue>(); }

TEST(IndexQueue, HoldsNothingAtFirst) {
  std::array<Record, 2> records{};
  Queue queue;
  EXPECT_FALSE(queue.may_hold(records.data(), 0));
  queue.push_back(records.data(), 0);
  EXPECT_TRUE(queue.may_hold(records.data(), 0));
  EXPECT_FALSE(queue.may_hold(records.data(), 1));
}

}  // namespace
}  // namespace hakmem
