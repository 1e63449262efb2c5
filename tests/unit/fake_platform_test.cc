// The fake platform itself: other tests believe what it counts, fails and records.
#include "pal/fake.h"

#include <gtest/gtest.h>

#include <cstring>

namespace hakmem {
namespace {

constexpr std::size_t kPage = 4096;

char* bytes_at(void* p) { return static_cast<char*>(p); }

TEST(FakePlatform, MapsZeroedAlignedMemoryAndRecordsIt) {
  FakePlatform platform;
  void* const p = platform.map(3 * kPage, 1 << 20);
  ASSERT_NE(p, nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % (1 << 20), 0u);
  for (std::size_t i = 0; i < 3 * kPage; ++i) ASSERT_EQ(bytes_at(p)[i], 0);
  EXPECT_EQ(platform.live_bytes(), 3 * kPage);
  EXPECT_TRUE(platform.is_live(p, 3 * kPage));
  EXPECT_FALSE(platform.is_live(p, 4 * kPage));
  platform.unmap(p, 3 * kPage);
  EXPECT_EQ(platform.live_bytes(), 0u);
  EXPECT_FALSE(platform.is_live(p, kPage));
  EXPECT_EQ(platform.foreign_calls(), 0u);
}

TEST(FakePlatform, UnmapsTheMiddleOfAMapping) {
  FakePlatform platform;
  char* const p = bytes_at(platform.map(3 * kPage, kPage));
  platform.unmap(p + kPage, kPage);
  EXPECT_TRUE(platform.is_live(p, kPage));
  EXPECT_FALSE(platform.is_live(p + kPage, kPage));
  EXPECT_TRUE(platform.is_live(p + 2 * kPage, kPage));
  EXPECT_EQ(platform.live_bytes(), 2 * kPage);
}

TEST(FakePlatform, CountsCallsAboutMemoryThatIsNotMapped) {
  FakePlatform platform;
  char* const p = bytes_at(platform.map(kPage, kPage));
  platform.unmap(p, kPage);
  platform.unmap(p, kPage);
  EXPECT_EQ(platform.foreign_calls(), 1u);
  EXPECT_FALSE(platform.purge(p, kPage));
  EXPECT_EQ(platform.foreign_calls(), 2u);
}

TEST(FakePlatform, FailsTheNthCallOnly) {
  FakePlatform platform;
  platform.fail_nth(Call::kMap, 2);
  EXPECT_NE(platform.map(kPage, kPage), nullptr);
  EXPECT_EQ(platform.map(kPage, kPage), nullptr);
  EXPECT_NE(platform.map(kPage, kPage), nullptr);
  EXPECT_EQ(platform.calls(Call::kMap), 3u);
  EXPECT_EQ(platform.failures(), 1u);
}

TEST(FakePlatform, FailsEveryCallAfterSomeUntilTold) {
  FakePlatform platform;
  platform.fail_after(Call::kMap, 1);
  EXPECT_NE(platform.map(kPage, kPage), nullptr);
  EXPECT_EQ(platform.map(kPage, kPage), nullptr);
  EXPECT_EQ(platform.map(kPage, kPage), nullptr);
  EXPECT_NE(platform.sparse(kPage), nullptr) << "other kinds go on";
  platform.stop_failing();
  EXPECT_NE(platform.map(kPage, kPage), nullptr);
}

TEST(FakePlatform, SparseMemoryLiesBetweenGuards) {
  FakePlatform platform;
  char* const p = bytes_at(platform.sparse(kPage + 1));
  ASSERT_NE(p, nullptr);
  std::memset(p, 1, 2 * kPage);
  EXPECT_TRUE(FakePlatform::is_readable(p));
  EXPECT_FALSE(FakePlatform::is_readable(p - 1));
  EXPECT_FALSE(FakePlatform::is_readable(p + 2 * kPage));
  EXPECT_EQ(platform.live_bytes(), 4 * kPage);
  platform.unsparse(p, kPage + 1);
  EXPECT_EQ(platform.live_bytes(), 0u);
}

TEST(FakePlatform, RemapKeepsContentsAndRecords) {
  FakePlatform platform;
  char* const p = bytes_at(platform.map(2 * kPage, kPage));
  p[0] = 'x';
  char* const q = bytes_at(platform.remap(p, 2 * kPage, 64 * kPage));
  ASSERT_NE(q, nullptr);
  EXPECT_EQ(q[0], 'x');
  EXPECT_EQ(q[63 * kPage], 0);
  EXPECT_EQ(platform.live_bytes(), 64 * kPage);
  platform.fail_nth(Call::kRemap, 1);
  EXPECT_EQ(platform.remap(q, 64 * kPage, 128 * kPage), nullptr);
  EXPECT_TRUE(platform.is_live(q, 64 * kPage)) << "a refused remap changes nothing";
}

TEST(FakePlatform, ProtectHidesAndCommitShows) {
  FakePlatform platform;
  void* const p = platform.map(kPage, kPage);
  EXPECT_TRUE(platform.protect(p, kPage));
  EXPECT_FALSE(FakePlatform::is_readable(p));
  EXPECT_TRUE(platform.commit(p, kPage));
  EXPECT_TRUE(FakePlatform::is_readable(p));
}

// What the kernel would count: neighbours alike are one mapping, a hole or a difference parts them.
TEST(FakePlatform, CountsMappingsAsTheKernelDoes) {
  FakePlatform platform;
  char* const p = bytes_at(platform.map(5 * kPage, kPage));
  EXPECT_EQ(platform.mappings(), 1u);
  EXPECT_TRUE(platform.protect(p + kPage, kPage));
  EXPECT_EQ(platform.mappings(), 3u);
  EXPECT_TRUE(platform.protect(p + 2 * kPage, kPage));
  EXPECT_EQ(platform.mappings(), 3u);
  EXPECT_TRUE(platform.unmap(p + 4 * kPage, kPage));
  EXPECT_EQ(platform.mappings(), 3u);
  EXPECT_TRUE(platform.commit(p, 4 * kPage));
  EXPECT_EQ(platform.mappings(), 1u);
  platform.guard(p, kPage);
  EXPECT_EQ(platform.mappings(), 1u) << "a guard costs none";
  EXPECT_TRUE(platform.unmap(p + kPage, kPage));
  EXPECT_EQ(platform.mappings(), 2u);
  EXPECT_TRUE(platform.unmap(p, kPage));
  EXPECT_TRUE(platform.unmap(p + 2 * kPage, 2 * kPage));
  EXPECT_EQ(platform.mappings(), 0u);
}

TEST(FakePlatform, CommittedNeighboursAreOneMappingOnlyIfRevealedTogether) {
  FakePlatform platform;
  char* const p = bytes_at(platform.reserve(8 * kPage, kPage));
  EXPECT_EQ(platform.mappings(), 1u);
  platform.reveal(p, 4 * kPage);
  EXPECT_EQ(platform.mappings(), 2u);
  EXPECT_TRUE(platform.commit(p, kPage));
  EXPECT_TRUE(platform.commit(p + kPage, kPage));
  EXPECT_EQ(platform.mappings(), 3u);
  EXPECT_TRUE(platform.commit(p + 2 * kPage, 2 * kPage));
  EXPECT_EQ(platform.mappings(), 2u);
  EXPECT_TRUE(platform.commit(p + 4 * kPage, kPage));
  EXPECT_EQ(platform.mappings(), 3u) << "not revealed: no part of its neighbour";
}

TEST(FakePlatform, RefusesWhatWouldExceedTheCapOnMappings) {
  FakePlatform platform;
  char* const p = bytes_at(platform.map(5 * kPage, kPage));
  platform.set_mappings_max(2);
  EXPECT_EQ(platform.mappings_max(), 2u);
  EXPECT_FALSE(platform.protect(p + kPage, kPage));
  EXPECT_TRUE(FakePlatform::is_readable(p + kPage));
  EXPECT_TRUE(platform.protect(p, kPage)) << "at the end it costs one, not two";
  EXPECT_FALSE(platform.unmap(p + 2 * kPage, kPage)) << "a hole costs one";
  EXPECT_TRUE(platform.is_live(p + 2 * kPage, kPage));
  EXPECT_TRUE(platform.unmap(p + 4 * kPage, kPage));
  EXPECT_EQ(platform.sparse(kPage), nullptr);
  EXPECT_EQ(platform.short_of_mappings(), 3u);
  EXPECT_EQ(platform.live_bytes(), 4 * kPage) << "what was refused is not there";
  EXPECT_EQ(platform.foreign_calls(), 0u);
}

// The real one: what this process may have and has.
TEST(LinuxPlatform, KnowsHowManyMappingsThereAre) {
  LinuxPlatform linux;
  EXPECT_GT(linux.mappings_max(), 1000u);
  const std::size_t before = linux.mappings();
  ASSERT_GT(before, 10u);
  char* const p = bytes_at(linux.map(64 * kPage, kPage));
  for (std::size_t i = 1; i < 64; i += 2) ASSERT_TRUE(linux.protect(p + i * kPage, kPage));
  EXPECT_GE(linux.mappings(), before + 62);
  EXPECT_TRUE(linux.unmap(p, 64 * kPage));
}

TEST(FakePlatform, TimeAndRandomnessRepeat) {
  FakePlatform a(7), b(7), c(8);
  EXPECT_EQ(a.random(), b.random());
  EXPECT_NE(a.random(), c.random());
  const std::uint64_t then = a.clock_ms();
  EXPECT_EQ(a.clock_ms(), then);
  a.advance_clock_ms(5);
  EXPECT_EQ(a.clock_ms(), then + 5);
}

}  // namespace
}  // namespace hakmem
