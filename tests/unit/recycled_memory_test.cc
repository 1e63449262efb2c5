// RecycledMemory: lockstep runs believe that what they get is as fresh as from the kernel, and that
// memory which is closed is known to be.
#include "models/lockstep/recycled_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace hakmem::model {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kMiB = std::size_t{1} << 20;

class Kept : public testing::Test {
 protected:
  static char* bytes(void* p) { return static_cast<char*>(p); }
  void write(void* at, std::size_t n) {
    ASSERT_TRUE(RecycledMemory::wrote(at, n));
    std::memset(at, 'x', n);
  }
  static bool is_zero(void* p, std::size_t n) {
    return std::all_of(bytes(p), bytes(p) + n, [](char c) { return c == 0; });
  }
  static bool is_open(void* at, std::size_t n) { return RecycledMemory::wrote(at, n); }
  // Nothing where there is no ASan.
  static void expect_poisoned([[maybe_unused]] void* at, [[maybe_unused]] bool poisoned) {
#ifdef HAKMEM_MODEL_ASAN
    EXPECT_EQ(__asan_address_is_poisoned(at) != 0, poisoned);
#endif
  }

  RecycledMemory memory_;
};

TEST_F(Kept, ASmallMappingComesBackZeroedThoughNothingWasSaid) {
  void* const first = memory_.map(3 * kPage, kPage);
  std::memset(first, 'x', 3 * kPage);
  memory_.unmap(first, 3 * kPage);
  void* const second = memory_.map(3 * kPage, kPage);
  EXPECT_EQ(second, first);
  EXPECT_TRUE(is_zero(second, 3 * kPage));
  memory_.unmap(second, 3 * kPage);
}

TEST_F(Kept, ALargeMappingIsZeroedWhereItWasWrittenOn) {
  void* const first = memory_.map(kMiB, kMiB);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % kMiB, 0u);
  write(bytes(first) + 5 * kPage - 1, 2);  // the end of one page, the start of the next
  write(bytes(first) + kMiB - 1, 1);
  memory_.unmap(first, kMiB);
  void* const second = memory_.map(kMiB, kMiB);
  EXPECT_EQ(second, first);
  EXPECT_TRUE(is_zero(second, kMiB));
  memory_.unmap(second, kMiB);
}

TEST_F(Kept, ASparseMappingIsZeroedAsFarAsItIsThere) {
  constexpr std::size_t kBytes = 64 * kMiB;
  char* const first = bytes(memory_.sparse(kBytes));
  for (std::size_t at = 0; at < 9 * kMiB; at += kMiB) first[at] = 'x';
  memory_.unsparse(first, kBytes);
  char* const second = bytes(memory_.sparse(kBytes));
  EXPECT_EQ(second, first);
  for (std::size_t at = 0; at < 9 * kMiB; at += kMiB) EXPECT_EQ(second[at], 0);
  memory_.unsparse(second, kBytes);
}

TEST_F(Kept, AReservationIsClosedUntilItIsCommittedAndClosedAgainForTheNext) {
  for (int run = 0; run < 2; ++run) {
    char* const p = bytes(memory_.reserve(16 * kMiB, kMiB));
    EXPECT_FALSE(is_open(p, 1));
    ASSERT_TRUE(memory_.commit(p, 2 * kPage));
    EXPECT_TRUE(is_zero(p, 2 * kPage)) << "run " << run;
    write(p, 2 * kPage);
    EXPECT_FALSE(is_open(p + 2 * kPage, 1));
    EXPECT_FALSE(is_open(p + 2 * kPage - 1, 2)) << "half of it";
    expect_poisoned(p, false);
    memory_.unmap(p, 16 * kMiB);
    expect_poisoned(p, true);
    EXPECT_FALSE(is_open(p, 1));
  }
}

TEST_F(Kept, PurgeEmptiesAndLeavesOpen) {
  char* const p = bytes(memory_.map(kMiB, kMiB));
  write(p, 2 * kPage);
  EXPECT_TRUE(memory_.purge(p, kPage));
  EXPECT_TRUE(is_zero(p, kPage));
  EXPECT_EQ(p[kPage], 'x');
  EXPECT_TRUE(is_open(p, kPage));
  memory_.unmap(p, kMiB);
}

TEST_F(Kept, ProtectKeepsWhatIsThereAndGuardDoesNot) {
  char* const p = bytes(memory_.map(kMiB, kMiB));
  write(p, 2 * kPage);
  EXPECT_TRUE(memory_.protect(p, kPage));
  EXPECT_TRUE(memory_.guard(p + kPage, kPage));
  for (char* at : {p, p + kPage}) {
    EXPECT_FALSE(is_open(at, 1));
    expect_poisoned(at, true);
  }
  EXPECT_TRUE(memory_.commit(p, kPage));
  memory_.unguard(p + kPage, kPage);
  EXPECT_EQ(p[0], 'x');
  EXPECT_TRUE(is_zero(p + kPage, kPage));
  memory_.unmap(p, kMiB);
}

TEST_F(Kept, RemapMovesContentsAndGuards) {
  char* const p = bytes(memory_.map(kMiB, kPage));
  EXPECT_TRUE(memory_.guard(p, kPage));
  write(p + kPage, kPage);
  char* const q = bytes(memory_.remap(p, 4 * kPage, 8 * kPage));
  ASSERT_NE(q, p);
  EXPECT_FALSE(is_open(p + kPage, 1)) << "the old place";
  EXPECT_TRUE(is_open(p + 4 * kPage, 1)) << "what was not moved";
  EXPECT_FALSE(is_open(q, 1));
  EXPECT_EQ(q[kPage], 'x');
  EXPECT_EQ(q[2 * kPage - 1], 'x');
  EXPECT_TRUE(is_zero(q + 2 * kPage, 6 * kPage));
  EXPECT_EQ(memory_.remap(q, 8 * kPage, 2 * kPage), q) << "shrinking stays";
  EXPECT_FALSE(is_open(q + 2 * kPage, 1));
  memory_.unmap(q, 2 * kPage);
  memory_.unmap(p + 4 * kPage, kMiB - 4 * kPage);
}

TEST_F(Kept, AMappingIsKeptWhenItsLastPieceIsGivenBack) {
  char* const p = bytes(memory_.map(kMiB, kMiB));
  memory_.unmap(p, kPage);
  memory_.unmap(p + kMiB - kPage, kPage);
  void* const other = memory_.map(kMiB, kMiB);
  EXPECT_NE(other, p) << "its middle is still in use";
  memory_.unmap(p + kPage, kMiB - 2 * kPage);
  EXPECT_EQ(memory_.map(kMiB, kMiB), p);
  memory_.unmap(p, kMiB);
  memory_.unmap(other, kMiB);
}

}  // namespace
}  // namespace hakmem::model
