// The hak_* API as hakmem_core offers it: blocks, classes, pages, policy, statistics, memory held.
#include "hakmem/hakmem.h"

#include <errno.h>
#include <stdint.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace {

constexpr size_t kTooLarge = size_t{PTRDIFF_MAX} + 1;

// The compiler warns of sizes that it can see to be too large.
void* (*volatile g_malloc)(size_t) = hak_malloc;
void* (*volatile g_calloc)(size_t, size_t) = hak_calloc;

bool aligned(const void* p, size_t alignment) {
  return reinterpret_cast<uintptr_t>(p) % alignment == 0;
}

hak_policy policy() {
  hak_policy p;
  hak_policy_get(&p);
  return p;
}

hak_stats memory() {
  hak_stats s{};
  s.size = sizeof s;
  EXPECT_EQ(hak_stats_get(&s), 0);
  return s;
}

hak_counters stats() {
  hak_counters s;
  hak_stats_v3(&s);
  return s;
}

// Puts the policy back as it was.
class KeepPolicy {
 public:
  KeepPolicy() : before_(policy()) {}
  ~KeepPolicy() {
    hak_policy_set_mask(before_.v3_mask);
    hak_stats_v3_enable(before_.stats);
    hak_policy_learn(before_.learn);
    for (int c = 0; c < HAK_CLASSES; ++c) {
      hak_policy_set_max_partial(c, before_.classes[c].max_partial);
      hak_policy_set_warm_cap(c, before_.classes[c].warm_cap);
      if (before_.classes[c].pinned == 0) hak_policy_unpin(c);
    }
  }

 private:
  hak_policy before_;
};

TEST(HakBlocks, EverySizeIsServed) {
  for (size_t n = 0; n < size_t{2} << 20; n += 1 + n / 9) {
    void* const p = hak_malloc(n);
    ASSERT_NE(p, nullptr);
    ASSERT_TRUE(aligned(p, 16));
    ASSERT_GE(hak_usable_size(p), n);
    ASSERT_TRUE(hak_size_class(n) < 0 || hak_usable_size(p) == hak_good_size(n));
    memset(p, 1, hak_usable_size(p));
    hak_free_sized(p, n);
  }
}

TEST(HakBlocks, ErrnoOnFailureOnly) {
  errno = 77;
  hak_free(hak_calloc(10, 10));
  hak_free(nullptr);
  EXPECT_EQ(errno, 77);
  EXPECT_EQ(g_malloc(kTooLarge), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  errno = 0;
  EXPECT_EQ(g_calloc(SIZE_MAX / 2, 3), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  errno = 0;
  EXPECT_EQ(hak_aligned_alloc(48, 100), nullptr);
  EXPECT_EQ(errno, EINVAL);
  void* p = nullptr;
  errno = 0;
  EXPECT_EQ(hak_posix_memalign(&p, 4, 100), EINVAL);
  EXPECT_EQ(hak_posix_memalign(&p, 64, kTooLarge), ENOMEM);
  EXPECT_EQ(p, nullptr);
  EXPECT_EQ(errno, 0);
}

TEST(HakBlocks, ReallocGrowsShrinksAndFrees) {
  char* p = static_cast<char*>(hak_realloc(nullptr, 10));
  strcpy(p, "contents");
  for (const size_t n : {size_t{5000}, size_t{1} << 20, size_t{100}, size_t{9}}) {
    p = static_cast<char*>(hak_realloc(p, n));
    ASSERT_STREQ(p, "contents") << n;
  }
  EXPECT_EQ(hak_realloc(p, 0), nullptr);
}

TEST(HakBlocks, Alignments) {
  for (size_t alignment = 16; alignment <= 1 << 21; alignment *= 2) {
    void* const p = hak_aligned_alloc(alignment, 100);
    EXPECT_TRUE(p != nullptr && aligned(p, alignment)) << alignment;
    hak_free_aligned_sized(p, alignment, 100);
    void* q = nullptr;
    EXPECT_EQ(hak_posix_memalign(&q, alignment, 1000), 0);
    EXPECT_TRUE(aligned(q, alignment));
    hak_free(q);
  }
}

TEST(HakClasses, AreThoseOfTheSpecification) {
  for (int c = 0; c < HAK_CLASSES; ++c) {
    EXPECT_EQ(hak_size_class(size_t{8} << c), c);
    EXPECT_EQ(hak_size_class((size_t{8} << c) + 1), c + 1 < HAK_CLASSES ? c + 1 : -1);
  }
  EXPECT_EQ(hak_size_class(0), 0);
  EXPECT_EQ(hak_size_class(SIZE_MAX), -1);
  EXPECT_EQ(hak_good_size(1), 16u);
  EXPECT_EQ(hak_good_size(100), 112u);
  EXPECT_EQ(hak_good_size(SIZE_MAX), SIZE_MAX);
}

TEST(HakPageOf, DescribesThePage) {
  char* const p = static_cast<char*>(hak_malloc(1000));
  hak_page page;
  void* const base = hak_page_of(p + 999, &page);
  ASSERT_NE(base, nullptr);
  EXPECT_EQ(page.base, base);
  EXPECT_EQ(page.block_size, 1024u);
  EXPECT_EQ(page.size_class, 7);
  EXPECT_LT(page.block, page.capacity);
  EXPECT_EQ(static_cast<char*>(base) + page.block * page.block_size, p);
  EXPECT_GT(page.owner, 0);
  hak_free(p);
}

TEST(HakPageOf, IsTotal) {
  int on_stack = 0;
  hak_page page{};
  void* const large = hak_malloc(1 << 20);
  for (const uintptr_t a : {uintptr_t{0}, uintptr_t{1}, reinterpret_cast<uintptr_t>(&on_stack),
                            reinterpret_cast<uintptr_t>(large), ~uintptr_t{0}, uintptr_t{1} << 47,
                            uintptr_t{1} << 63}) {
    EXPECT_EQ(hak_page_of(reinterpret_cast<void*>(a), &page), nullptr) << a;
  }
  EXPECT_EQ(page.base, nullptr);
  hak_free(large);
}

TEST(HakPolicy, SettersCheckTheirArguments) {
  EXPECT_EQ(hak_policy_set_class(-1, HAK_HEAP_V1), EINVAL);
  EXPECT_EQ(hak_policy_set_class(HAK_CLASSES, HAK_HEAP_V1), EINVAL);
  EXPECT_EQ(hak_policy_set_class(0, static_cast<hak_heap>(2)), EINVAL);
  EXPECT_EQ(hak_policy_set_mask(1u << HAK_CLASSES), EINVAL);
  EXPECT_EQ(hak_policy_set_max_partial(0, 65536), EINVAL);
  EXPECT_EQ(hak_policy_set_warm_cap(99, 1), EINVAL);
  EXPECT_EQ(policy().v3_mask, 0xFFFFu);
}

TEST(HakPolicy, WhatIsSetIsRead) {
  const KeepPolicy keep;
  EXPECT_EQ(hak_policy_set_mask(0xC0), 0);
  EXPECT_EQ(policy().v3_mask, 0xC0u);
  EXPECT_EQ(policy().classes[6].heap, HAK_HEAP_V3);
  EXPECT_EQ(policy().classes[5].heap, HAK_HEAP_V1);
  EXPECT_EQ(hak_policy_set_class(5, HAK_HEAP_V3), 0);
  EXPECT_EQ(hak_policy_set_class(6, HAK_HEAP_V1), 0);
  EXPECT_EQ(policy().v3_mask, 0xA0u);
  EXPECT_EQ(hak_policy_set_max_partial(7, 11), 0);
  EXPECT_EQ(hak_policy_set_warm_cap(7, 12), 0);
  EXPECT_EQ(policy().classes[7].max_partial, 11u);
  EXPECT_EQ(policy().classes[7].warm_cap, 12u);
  EXPECT_EQ(policy().classes[8].max_partial, policy().classes[6].max_partial);
}

TEST(HakPolicy, TheLearnerIsTurnedOnAndOff) {
  const KeepPolicy keep;
  EXPECT_EQ(policy().learn, 0);
  EXPECT_EQ(hak_policy_learn(7), 0);
  EXPECT_EQ(policy().learn, 1);
  EXPECT_EQ(hak_policy_learn(0), 0);
  EXPECT_EQ(policy().learn, 0);
}

TEST(HakPolicy, SettingALimitPinsTheClass) {
  const KeepPolicy keep;
  EXPECT_EQ(policy().classes[9].pinned, 0);
  EXPECT_EQ(hak_policy_set_max_partial(9, 3), 0);
  EXPECT_EQ(policy().classes[9].pinned, 1);
  EXPECT_EQ(policy().classes[10].pinned, 0);
  EXPECT_EQ(hak_policy_set_warm_cap(10, 3), 0);
  EXPECT_EQ(policy().classes[10].pinned, 1);
}

TEST(HakPolicy, AnUnpinnedClassHasItsDefaultLimits) {
  const KeepPolicy keep;
  EXPECT_EQ(hak_policy_unpin(-1), EINVAL);
  EXPECT_EQ(hak_policy_set_max_partial(9, 3), 0);
  EXPECT_EQ(hak_policy_set_warm_cap(9, 3), 0);
  EXPECT_EQ(hak_policy_set_class(9, HAK_HEAP_V1), 0);
  EXPECT_EQ(hak_policy_unpin(9), 0);
  const hak_class_policy now = policy().classes[9];
  EXPECT_EQ(now.pinned, 0);
  EXPECT_EQ(now.max_partial, 2u);
  EXPECT_EQ(now.warm_cap, 8u);
  EXPECT_EQ(now.heap, HAK_HEAP_V1);
}

TEST(HakPolicy, AClassOnV1HasNoPage) {
  const KeepPolicy keep;
  void* const before = hak_malloc(1000);
  ASSERT_EQ(hak_policy_set_class(7, HAK_HEAP_V1), 0);
  void* const after = hak_malloc(1000);
  void* const other = hak_malloc(500);
  EXPECT_NE(hak_page_of(before, nullptr), nullptr);
  EXPECT_EQ(hak_page_of(after, nullptr), nullptr);
  EXPECT_NE(hak_page_of(other, nullptr), nullptr);
  EXPECT_EQ(hak_usable_size(before), hak_usable_size(after));
  for (void* p : {before, after, other}) hak_free(p);
}

TEST(HakStats, CountExactlyWhileOn) {
  const KeepPolicy keep;
  const hak_counters off = stats();
  hak_free(hak_malloc(1000));
  EXPECT_EQ(stats().total_alloc, off.total_alloc);
  ASSERT_EQ(hak_stats_v3_enable(1), 0);
  EXPECT_EQ(policy().stats, 1);
  std::vector<void*> blocks;
  for (int i = 0; i < 1000; ++i) blocks.push_back(hak_malloc(1000));
  void* const large = hak_malloc(1 << 20);
  for (void* p : blocks) hak_free(p);
  hak_free(large);
  const hak_counters on = stats();
  ASSERT_EQ(hak_stats_v3_enable(0), 0);
  hak_free(hak_malloc(1000));
  const hak_class_stats& a = off.classes[7];
  const hak_class_stats& b = on.classes[7];
  EXPECT_EQ(b.route_hits - a.route_hits, 1000u);
  EXPECT_EQ(b.alloc_calls - a.alloc_calls, 1000u);
  EXPECT_EQ(b.free_calls - a.free_calls, 1000u);
  const auto served = [](const hak_class_stats& s) {
    return s.alloc_current_hit + s.alloc_partial_hit + s.alloc_refill + s.alloc_fb_v1;
  };
  EXPECT_EQ(served(b) - served(a), 1000u);
  EXPECT_EQ(b.alloc_fb_v1 - a.alloc_fb_v1, 0u);
  EXPECT_EQ(on.large_alloc - off.large_alloc, 1u);
  EXPECT_EQ(on.large_free - off.large_free, 1u);
  EXPECT_EQ(on.page_of_fail - off.page_of_fail, 1u);  // the large block
  EXPECT_EQ(on.total_alloc - off.total_alloc, 1001u);
  EXPECT_EQ(on.total_free - off.total_free, 1001u);
  EXPECT_EQ(stats().total_alloc, on.total_alloc);
}

TEST(HakStats, RemoteFreesAreCounted) {
  const KeepPolicy keep;
  ASSERT_EQ(hak_stats_v3_enable(1), 0);
  const hak_counters before = stats();
  std::vector<void*> blocks;
  for (int i = 0; i < 100; ++i) blocks.push_back(hak_malloc(200));
  std::thread([&] {
    for (void* p : blocks) hak_free(p);
  }).join();
  EXPECT_EQ(stats().classes[5].free_remote - before.classes[5].free_remote, 100u);
}

TEST(HakStats, PrintedAsTheSpecificationAsks) {
  const KeepPolicy keep;
  ASSERT_EQ(hak_stats_v3_enable(1), 0);
  hak_free(hak_malloc(1000));
  testing::internal::CaptureStderr();
  hak_stats_v3_print();
  const std::string text = testing::internal::GetCapturedStderr();
  for (const char* part :
       {"[SMALL_HEAP_V3_STATS] cls=7 route_hits=", " alloc_calls=", " alloc_refill=",
        " alloc_fb_v1=", " free_calls=", " free_fb_v1=", " page_of_fail=", "[ALLOC_DETAIL] ",
        " alloc_current_hit=", " alloc_partial_hit=", "[FREE_DETAIL] ",
        " free_current=", " free_partial=", " free_retire="}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(HakMemory, FollowsWhatTheProgramHolds) {
  std::vector<void*> blocks;
  blocks.reserve(4000);
  const hak_stats before = memory();
  for (int i = 0; i < 4000; ++i) blocks.push_back(hak_malloc(1000));
  void* const large = hak_malloc(32 << 20);
  const hak_stats during = memory();
  EXPECT_EQ(during.large_blocks, before.large_blocks + 1);
  EXPECT_EQ(during.large_allocated, before.large_allocated + (32 << 20));
  EXPECT_EQ(during.small_allocated, before.small_allocated + 4000 * 1024);
  EXPECT_GE(during.active, before.active + (32 << 20));
  EXPECT_GE(during.active, during.allocated);
  EXPECT_GT(during.metadata, 0u);
  EXPECT_GT(during.retained, size_t{1} << 30);
  for (std::size_t i = 0; i < blocks.size(); i += 2) hak_free(blocks[i]);
  EXPECT_EQ(memory().allocated, during.allocated - 2000 * 1024);
  for (std::size_t i = 1; i < blocks.size(); i += 2) hak_free(blocks[i]);
  hak_free(large);
  EXPECT_EQ(memory().allocated, before.allocated);
  EXPECT_GT(hak_trim(), size_t{2} << 20);
  const hak_stats after = memory();
  EXPECT_EQ(after.allocated, before.allocated);
  EXPECT_EQ(after.large_blocks, before.large_blocks);
  EXPECT_EQ(after.small_idle + after.large_idle, 0u);
  EXPECT_LE(after.resident, during.resident - (32 << 20) - 3000 * 1024);
  for (void* p : blocks) ASSERT_EQ(hak_page_of(p, nullptr), nullptr) << "its page is still lent";
}

TEST(HakMemory, HasRoomToGrow) {
  struct {
    hak_stats known;
    size_t later;
  } longer = {{}, 77};
  longer.known.size = sizeof longer;
  EXPECT_EQ(hak_stats_get(&longer.known), 0);
  EXPECT_EQ(longer.known.size, sizeof(hak_stats));
  EXPECT_GT(longer.known.mapped, 0u);
  EXPECT_EQ(longer.later, 77u);
  hak_stats too_small{};
  too_small.size = sizeof too_small - 1;
  EXPECT_EQ(hak_stats_get(&too_small), EINVAL);
  EXPECT_EQ(too_small.mapped, 0u);
}

hak_limit limit() {
  hak_limit now;
  hak_limit_get(&now);
  return now;
}

TEST(HakPurge, LeavesThisThreadsCacheAlone) {
  hak_trim();
  void* const p = hak_malloc(100);
  hak_free(p);
  hak_free(hak_malloc(8 << 20));
  EXPECT_GE(hak_purge(), size_t{8} << 20);
  EXPECT_EQ(hak_purge(), 0u);
  EXPECT_EQ(memory().large_idle, 0u);
  EXPECT_EQ(hak_malloc(100), p);
  hak_free(p);
}

TEST(HakLimit, NoneAtFirst) {
  EXPECT_EQ(limit().soft, HAK_NO_LIMIT);
  EXPECT_EQ(limit().hard, HAK_NO_LIMIT);
}

TEST(HakLimit, SoftAboveHardIsRefused) {
  const size_t bytes = size_t{1} << 40;
  EXPECT_EQ(hak_limit_set(bytes + 1, bytes), EINVAL);
  EXPECT_EQ(limit().hard, HAK_NO_LIMIT) << "nothing has changed";
  EXPECT_EQ(hak_limit_set(bytes, bytes), 0);
  EXPECT_EQ(hak_limit_set(bytes, bytes + 1), 0);
  EXPECT_EQ(limit().soft, bytes);
  EXPECT_EQ(limit().hard, bytes + 1);
  EXPECT_EQ(hak_limit_set(HAK_NO_LIMIT, bytes), 0);
  EXPECT_EQ(limit().soft, bytes);
  EXPECT_EQ(hak_limit_set(HAK_NO_LIMIT, HAK_NO_LIMIT), 0);
}

// Every heap is refused in turn; what is free of another is given up before the program is told.
TEST(HakLimit, BeyondTheHardOneIsEnomem) {
  hak_trim();
  const size_t room = size_t{24} << 20;
  ASSERT_EQ(hak_limit_set(HAK_NO_LIMIT, limit().held + room), 0);
  for (const size_t bytes : {size_t{1000}, size_t{100000}, size_t{1} << 20}) {
    const uint64_t refused = limit().refused;
    void* chain = nullptr;
    size_t total = 0;
    errno = 0;
    for (void* p; (p = hak_malloc(bytes)) != nullptr; total += bytes) {
      std::memcpy(p, &chain, sizeof chain);
      chain = p;
    }
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_GT(limit().refused, refused);
    EXPECT_LE(limit().held, limit().hard);
    EXPECT_GT(total, room / 2) << "what other sizes left free was given up";
    EXPECT_EQ(hak_calloc(1, room), nullptr);
    void* const grown = hak_realloc(chain, room);
    EXPECT_EQ(grown, nullptr);
    while (chain != nullptr) {
      void* const p = chain;
      std::memcpy(&chain, p, sizeof chain);
      hak_free(p);
    }
  }
  hak_trim();
  EXPECT_EQ(hak_limit_set(HAK_NO_LIMIT, HAK_NO_LIMIT), 0);
  void* const p = hak_malloc(2 * room);
  EXPECT_NE(p, nullptr);
  hak_free(p);
}

TEST(HakLimit, LoweringTheSoftOneGivesBackWhatIsFree) {
  hak_free(hak_malloc(8 << 20));
  ASSERT_GE(memory().large_idle, size_t{8} << 20);
  ASSERT_EQ(hak_limit_set(limit().held - 1, HAK_NO_LIMIT), 0);
  EXPECT_EQ(memory().large_idle, 0u);
  EXPECT_EQ(memory().small_idle, 0u);
  EXPECT_EQ(hak_limit_set(HAK_NO_LIMIT, HAK_NO_LIMIT), 0);
}

TEST(HakAbout, VersionNamesTheFlavour) {
  const std::string version = hak_version();
  EXPECT_EQ(version.rfind("hakmem-", 0), 0u);
  EXPECT_EQ(version.substr(version.find('/') + 1), hak_flavour());
}

}  // namespace
