// include/hakmem/hakmem.hpp: containers over hakmem::allocator and over the memory resource.
#include "hakmem/hakmem.hpp"

#include <cstdint>
#include <limits>
#include <list>
#include <map>
#include <memory_resource>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace {

using String = std::basic_string<char, std::char_traits<char>, hakmem::allocator<char>>;

struct alignas(512) Wide {
  char bytes[512];
};

TEST(CppAllocator, ContainersUseHakmem) {
  std::vector<int, hakmem::allocator<int>> v(100, 7);
  EXPECT_NE(hak_page_of(v.data(), nullptr), nullptr);
  for (int i = 0; i < 100000; ++i) v.push_back(i);
  EXPECT_EQ(v[100050], 99950);
  std::map<String, int, std::less<>, hakmem::allocator<std::pair<const String, int>>> m;
  for (int i = 0; i < 1000; ++i) m[String(static_cast<std::size_t>(i), 'x')] = i;
  EXPECT_EQ(m.size(), 1000u);
  std::list<Wide, hakmem::allocator<Wide>> wide(3);
  for (const Wide& w : wide) EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&w) % 512, 0u);
}

TEST(CppAllocator, AllAreEqual) {
  EXPECT_TRUE(hakmem::allocator<int>() == hakmem::allocator<char>());
  hakmem::allocator<int> ints;
  hakmem::allocator<long> longs(ints);
  longs.deallocate(longs.allocate(3), 3);
}

TEST(CppAllocator, TooLargeThrows) {
  hakmem::allocator<long> longs;
  volatile std::size_t n = std::numeric_limits<std::size_t>::max() / 4;
  EXPECT_THROW(static_cast<void>(longs.allocate(n)), std::bad_array_new_length);
  n = std::numeric_limits<std::size_t>::max() / 9;
  EXPECT_THROW(static_cast<void>(longs.allocate(n)), std::bad_alloc);
}

TEST(CppResource, ServesPolymorphicContainers) {
  std::pmr::vector<std::pmr::string> words(hakmem::resource());
  for (int i = 0; i < 1000; ++i) words.emplace_back(static_cast<std::size_t>(i), 'x');
  EXPECT_NE(hak_page_of(words[900].data(), nullptr), nullptr);
  void* const p = hakmem::resource()->allocate(100, 4096);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % 4096, 0u);
  hakmem::resource()->deallocate(p, 100, 4096);
}

TEST(CppResource, IsOneAndEqualToItself) {
  hakmem::memory_resource another;
  EXPECT_EQ(hakmem::resource(), hakmem::resource());
  EXPECT_TRUE(hakmem::resource()->is_equal(another));
  EXPECT_FALSE(hakmem::resource()->is_equal(*std::pmr::new_delete_resource()));
}

}  // namespace
