// The registry table against std::map: look-ups, growth, backward-shift erasure, refusal to grow.
#include "base/address_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "pal/fake.h"

namespace hakmem {
namespace {

struct Record {
  std::uintptr_t key = 0;
  std::uint64_t value = 0;
};
using Table = AddressTable<FakePlatform, Record>;

TEST(AddressTable, AnswersAnyKeyBeforeTheFirstInsert) {
  FakePlatform platform;
  Table table;
  table.init(platform);
  for (const std::uintptr_t key : {std::uintptr_t{0}, std::uintptr_t{1}, ~std::uintptr_t{0}}) {
    EXPECT_EQ(table.find(key), nullptr);
  }
  EXPECT_EQ(platform.live_bytes(), 0u) << "an unused registry costs nothing";
}

TEST(AddressTable, BehavesLikeAMap) {
  FakePlatform platform;
  Table table;
  table.init(platform);
  std::map<std::uintptr_t, std::uint64_t> model;
  std::mt19937_64 random(20240501);
  for (int step = 0; step < 60000; ++step) {
    // Few keys, multiples of a page: long probe sequences and many re-insertions.
    const std::uintptr_t key = (random() % 3000 + 1) << 12;
    Record* const found = table.find(key);
    const auto expected = model.find(key);
    ASSERT_EQ(found != nullptr, expected != model.end()) << "step " << step;
    if (found != nullptr) {
      ASSERT_EQ(found->value, expected->second) << "step " << step;
      table.erase(found);
      model.erase(expected);
    } else {
      ASSERT_NE(table.insert({key, random()}), nullptr);
      model[key] = table.find(key)->value;
    }
    ASSERT_EQ(table.count(), model.size());
  }
  for (const auto& [key, value] : model) {
    ASSERT_NE(table.find(key), nullptr);
    EXPECT_EQ(table.find(key)->value, value);
  }
}

TEST(AddressTable, VisitsEveryRecordOnceAndStopsWhenTold) {
  FakePlatform platform;
  Table table;
  table.init(platform);
  for (std::uintptr_t key = 1; key <= 1000; ++key) table.insert({key, key});
  std::uint64_t sum = 0;
  table.for_each([&](const Record& r) {
    sum += r.value;
    return true;
  });
  EXPECT_EQ(sum, 1000u * 1001u / 2);
  int visits = 0;
  table.for_each([&](const Record&) { return ++visits < 3; });
  EXPECT_EQ(visits, 3);
}

TEST(AddressTable, RefusesInsertsWhenItCannotGrowAndKeepsWhatItHas) {
  FakePlatform platform;
  Table table;
  table.init(platform);
  platform.fail_after(Call::kSparse, 1);
  std::uintptr_t key = 1;
  while (table.insert({key, key}) != nullptr) ++key;
  EXPECT_GT(key, 100u);
  EXPECT_EQ(table.count(), key - 1);
  for (std::uintptr_t k = 1; k < key; ++k) ASSERT_NE(table.find(k), nullptr);
  table.erase(table.find(1));
  EXPECT_NE(table.insert({key, key}), nullptr) << "the room of an erased record is reusable";
  platform.stop_failing();
  EXPECT_NE(table.insert({key + 1, 0}), nullptr);
}

TEST(AddressTable, GivesOutgrownMappingsBack) {
  FakePlatform platform;
  Table table;
  table.init(platform);
  for (std::uintptr_t key = 1; key <= 10000; ++key) table.insert({key << 16, key});
  EXPECT_EQ(platform.live_bytes(), table.bytes_mapped() + 2 * platform.page_bytes());
  EXPECT_EQ(platform.foreign_calls(), 0u);
}

}  // namespace
}  // namespace hakmem
