// The C entry points against C17, C23, POSIX and glibc, in each override library: zero sizes,
// overflow, PTRDIFF_MAX, alignments, errno.
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "gtest/gtest.h"
#include "hakmem/hakmem.h"

extern "C" {
void cfree(void*);
void free_sized(void*, size_t);
void free_aligned_sized(void*, size_t, size_t);
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);
struct mallinfo __libc_mallinfo();  // mallinfo itself is deprecated
}

namespace {

constexpr size_t kTooLarge = size_t{PTRDIFF_MAX} + 1;

// Through pointers that the compiler cannot see through: it warns of, or computes away, what is
// tested here.
void* (*volatile g_calloc)(size_t, size_t) = calloc;
void* (*volatile g_realloc)(void*, size_t) = realloc;
void* (*volatile g_aligned_alloc)(size_t, size_t) = aligned_alloc;
void* (*volatile g_memalign)(size_t, size_t) = memalign;
void* (*volatile g_reallocarray)(void*, size_t, size_t) = reallocarray;

bool aligned(const void* p, size_t alignment) {
  return reinterpret_cast<uintptr_t>(p) % alignment == 0;
}

// Runs `call`, expects nullptr and that errno is `error`.
template <class Call>
void expect_fails(int error, Call&& call) {
  errno = 0;
  EXPECT_EQ(call(), nullptr);
  EXPECT_EQ(errno, error);
}

TEST(Malloc, IsHakmems) {
  void* const p = malloc(600);
  EXPECT_EQ(malloc_usable_size(p), 640u);
  EXPECT_NE(hak_page_of(p, nullptr), nullptr);
  free(p);
}

TEST(Malloc, ZeroSizesGiveDistinctBlocks) {
  void* const a = malloc(0);
  void* const b = malloc(0);
  void* const c = calloc(0, 8);
  void* const d = calloc(8, 0);
  EXPECT_NE(a, nullptr);
  EXPECT_NE(a, b);
  EXPECT_NE(c, nullptr);
  EXPECT_NE(c, d);
  for (void* p : {a, b, c, d}) free(p);
}

TEST(Malloc, EverySizeIsServedAlignedAndWritable) {
  for (size_t n = 1; n < size_t{8} << 20; n += 1 + n / 7) {
    char* const p = static_cast<char*>(malloc(n));
    ASSERT_NE(p, nullptr);
    ASSERT_TRUE(aligned(p, 16)) << n;
    ASSERT_GE(malloc_usable_size(p), n);
    memset(p, 0x5a, malloc_usable_size(p));
    free(p);
  }
}

TEST(Malloc, TooLargeIsOutOfMemory) {
  for (const size_t n : {kTooLarge, SIZE_MAX, SIZE_MAX - 15, SIZE_MAX - 4096}) {
    expect_fails(ENOMEM, [=] { return malloc(n); });
    expect_fails(ENOMEM, [=] { return g_calloc(1, n); });
    expect_fails(ENOMEM, [=] { return g_aligned_alloc(64, n); });
    expect_fails(ENOMEM, [=] { return g_memalign(64, n); });
    expect_fails(ENOMEM, [=] { return valloc(n); });
    expect_fails(ENOMEM, [=] { return pvalloc(n); });
  }
  expect_fails(ENOMEM, [] { return malloc(PTRDIFF_MAX); });  // more than any machine has
}

TEST(Malloc, SuccessLeavesErrnoAlone) {
  errno = 77;
  free(malloc(100));
  free(malloc(1 << 20));
  free(aligned_alloc(1 << 20, 100));
  malloc_trim(0);
  EXPECT_EQ(errno, 77);
}

TEST(Free, NullDoesNothingAndErrnoIsKept) {
  errno = 77;
  free(nullptr);
  cfree(nullptr);
  free_sized(nullptr, 10);
  free_aligned_sized(nullptr, 64, 10);
  for (const size_t n : {size_t{10}, size_t{5000}, size_t{1} << 20, size_t{1} << 28}) {
    void* const p = malloc(n);
    errno = 77;
    free(p);
    EXPECT_EQ(errno, 77) << n;
  }
}

TEST(Calloc, IsZeroAlsoInReusedMemory) {
  for (const size_t n : {size_t{24}, size_t{1000}, size_t{60000}, size_t{1} << 20}) {
    for (int round = 0; round < 4; ++round) {
      unsigned char* const p = static_cast<unsigned char*>(calloc(n / 8, 8));
      for (size_t i = 0; i < n; ++i) ASSERT_EQ(p[i], 0) << n;
      memset(p, 0xff, malloc_usable_size(p));
      free(p);
    }
  }
}

TEST(Calloc, OverflowIsOutOfMemory) {
  expect_fails(ENOMEM, [] { return g_calloc(SIZE_MAX / 2, 3); });
  expect_fails(ENOMEM, [] { return g_calloc(SIZE_MAX, SIZE_MAX); });  // wraps to 1
  expect_fails(ENOMEM, [] { return g_calloc(size_t{1} << 32, size_t{1} << 32); });
}

TEST(Realloc, OfNullAllocates) {
  void* const p = realloc(nullptr, 100);
  EXPECT_GE(malloc_usable_size(p), 100u);
  void* const q = realloc(nullptr, 0);
  EXPECT_NE(q, nullptr);
  free(p);
  free(q);
}

TEST(Realloc, ToZeroFrees) {
  errno = 77;
  EXPECT_EQ(realloc(malloc(100), 0), nullptr);
  EXPECT_EQ(errno, 77);
}

TEST(Realloc, KeepsContentsAcrossEverySizeChange) {
  const size_t sizes[] = {1,       16,      17,     100,    1000, 1025,    70000, 300000,
                          2 << 20, 1 << 20, 262144, 262145, 500,  4 << 20, 8};
  unsigned char* p = static_cast<unsigned char*>(malloc(1));
  p[0] = 1;
  size_t old = 1;
  for (const size_t n : sizes) {
    p = static_cast<unsigned char*>(realloc(p, n));
    ASSERT_NE(p, nullptr);
    for (size_t i = 0; i < (n < old ? n : old); ++i) ASSERT_EQ(p[i], (i * 7 + 1) % 251);
    for (size_t i = 0; i < n; ++i) p[i] = static_cast<unsigned char>((i * 7 + 1) % 251);
    old = n;
  }
  free(p);
}

TEST(Realloc, FailureLeavesTheBlock) {
  for (const size_t n : {size_t{100}, size_t{1} << 20}) {
    char* const p = static_cast<char*>(malloc(n));
    p[n - 1] = 'x';
    expect_fails(ENOMEM, [=] { return g_realloc(p, kTooLarge); });
    expect_fails(ENOMEM, [=] { return g_realloc(p, PTRDIFF_MAX); });
    expect_fails(ENOMEM, [=] { return g_reallocarray(p, SIZE_MAX / 2, 3); });
    expect_fails(ENOMEM, [=] { return g_reallocarray(p, SIZE_MAX / 2 + 2, 2); });  // wraps to 2
    EXPECT_EQ(p[n - 1], 'x');
    free(p);
  }
}

TEST(Reallocarray, Multiplies) {
  void* const p = reallocarray(nullptr, 10, 30);
  EXPECT_GE(malloc_usable_size(p), 300u);
  EXPECT_EQ(g_reallocarray(p, 10, 0), nullptr);
}

TEST(PosixMemalign, EveryAlignment) {
  for (size_t alignment = sizeof(void*); alignment <= size_t{1} << 24; alignment *= 2) {
    for (const size_t n : {size_t{0}, size_t{1}, size_t{100}, alignment, size_t{300000}}) {
      void* p = nullptr;
      ASSERT_EQ(posix_memalign(&p, alignment, n), 0);
      ASSERT_NE(p, nullptr);
      ASSERT_TRUE(aligned(p, alignment)) << alignment << " " << n;
      ASSERT_GE(malloc_usable_size(p), n);
      memset(p, 1, n);
      free(p);
    }
  }
}

TEST(PosixMemalign, BadArguments) {
  int here = 0;
  void* const mark = &here;
  void* p = mark;
  errno = 77;
  for (const size_t alignment : {size_t{0}, size_t{1}, size_t{4}, size_t{24}, SIZE_MAX}) {
    EXPECT_EQ(posix_memalign(&p, alignment, 10), EINVAL) << alignment;
  }
  EXPECT_EQ(posix_memalign(&p, 64, kTooLarge), ENOMEM);
  EXPECT_EQ(posix_memalign(&p, size_t{1} << 63, 1), ENOMEM);
  EXPECT_EQ(posix_memalign(&p, size_t{1} << 62, PTRDIFF_MAX), ENOMEM);
  EXPECT_EQ(p, mark);
  EXPECT_EQ(errno, 77);
}

TEST(AlignedAlloc, AnyPowerOfTwoAndNothingElse) {
  for (size_t alignment = 1; alignment <= 1 << 20; alignment *= 2) {
    void* const p = aligned_alloc(alignment, 100);  // 100 is no multiple: C17 does not ask for it
    EXPECT_TRUE(p != nullptr && aligned(p, alignment)) << alignment;
    free(p);
  }
  for (const size_t alignment : {size_t{0}, size_t{3}, size_t{48}, SIZE_MAX}) {
    expect_fails(EINVAL, [=] { return g_aligned_alloc(alignment, 100); });
  }
}

TEST(Memalign, RoundsTheAlignmentUp) {
  constexpr size_t kUp[][2] = {{0, 16}, {24, 32}, {48, 64}, {100, 128}, {3000, 4096}};
  for (const auto& [alignment, rounded] : kUp) {
    void* blocks[8];
    for (void*& p : blocks) p = g_memalign(alignment, 100);
    for (void* p : blocks) {
      EXPECT_TRUE(p != nullptr && aligned(p, rounded)) << alignment;
      EXPECT_LE(malloc_usable_size(p), std::max<size_t>(rounded, 128)) << "no more than needed";
    }
    for (void* p : blocks) free(p);
  }
  expect_fails(EINVAL, [] { return g_memalign((size_t{1} << 63) + 1, 100); });
}

TEST(Valloc, PageAligned) {
  const auto page = static_cast<size_t>(getpagesize());
  for (const size_t n : {size_t{0}, size_t{1}, page, page + 1, 100 * page}) {
    void* const p = valloc(n);
    void* const q = pvalloc(n);
    EXPECT_TRUE(aligned(p, page) && aligned(q, page));
    EXPECT_GE(malloc_usable_size(q), (n + page - 1) / page * page);
    free(p);
    free(q);
  }
}

TEST(UsableSize, OfNullIsZero) { EXPECT_EQ(malloc_usable_size(nullptr), 0u); }

TEST(SizedFree, AcceptsTheSizeOfTheAllocation) {
  for (size_t n = 0; n < size_t{4} << 20; n += 1 + n / 9) {
    free_sized(malloc(n), n);
    free_sized(calloc(1, n), n);
    for (size_t alignment = 1; alignment <= 1 << 17; alignment *= 8) {
      free_aligned_sized(aligned_alloc(alignment, n), alignment, n);
    }
  }
}

TEST(SizedFree, AcceptsTheSizeThatReallocLeft) {
  for (size_t from = 1; from < size_t{1} << 20; from += 1 + from / 3) {
    for (size_t to = 1; to < size_t{1} << 20; to += 1 + to / 3) {
      void* const p = realloc(malloc(from), to);
      ASSERT_GE(malloc_usable_size(p), to);
      free_sized(p, to);
    }
  }
}

TEST(OtherNames, AreTheSameHeap) {
  void* p = __libc_malloc(100);
  p = realloc(p, 200);
  p = __libc_realloc(p, 5000);
  EXPECT_GE(malloc_usable_size(p), 5000u);
  __libc_free(p);
  free(__libc_calloc(3, 5));
  cfree(__libc_memalign(64, 5));
  char* const text = strdup("libc's own malloc calls come here too");
  EXPECT_NE(hak_page_of(text, nullptr), nullptr);
  free(text);
}

TEST(Mallopt, KnownParametersAreAccepted) {
  EXPECT_EQ(mallopt(M_ARENA_MAX, 1), 1);
  EXPECT_EQ(mallopt(M_MMAP_THRESHOLD, 1 << 20), 1);
  EXPECT_EQ(mallopt(M_MXFAST, 0), 1);
  EXPECT_EQ(mallopt(M_KEEP, 1), 1);
  for (const int unknown : {M_ARENA_MAX - 1, 0, M_KEEP + 1, 12345}) {
    EXPECT_EQ(mallopt(unknown, 1), 0) << unknown;
  }
}

TEST(Mallinfo, CountsLiveBytes) {
  const struct mallinfo2 before = mallinfo2();
  static void* small[4000];
  for (void*& p : small) p = malloc(1000);
  void* const large = malloc(16 << 20);
  const struct mallinfo2 during = mallinfo2();
  // The perf flavour counts what is in the front cache as live, before already.
  EXPECT_GE(during.uordblks, before.uordblks + 3000 * 1024);
  EXPECT_LE(during.uordblks, before.uordblks + 5000 * 1024);
  EXPECT_GE(during.hblkhd, before.hblkhd + (16 << 20));
  EXPECT_EQ(during.hblks, before.hblks + 1);
  EXPECT_EQ(during.uordblks + during.fordblks, during.arena);
  EXPECT_EQ(static_cast<size_t>(__libc_mallinfo().hblkhd), during.hblkhd);
  for (void* p : small) free(p);
  free(large);
  EXPECT_LT(mallinfo2().hblkhd, during.hblkhd);
}

TEST(MallocInfo, WritesXml) {
  char* text = nullptr;
  size_t length = 0;
  FILE* const out = open_memstream(&text, &length);
  EXPECT_EQ(malloc_info(1, out), EINVAL);
  EXPECT_EQ(malloc_info(0, out), 0);
  fclose(out);
  EXPECT_EQ(strncmp(text, "<malloc version=\"1\">\n", 21), 0);
  EXPECT_NE(strstr(text, "<system type=\"current\" size=\""), nullptr);
  EXPECT_STREQ(text + length - 10, "</malloc>\n");
  free(text);
}

TEST(MallocStats, GoToStderr) {
  testing::internal::CaptureStderr();
  malloc_stats();
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("in use bytes"), std::string::npos) << text;
}

TEST(MallocTrim, SaysWhetherItGaveAnythingBack) {
  free(malloc(16 << 20));
  EXPECT_EQ(malloc_trim(0), 1);
  malloc_trim(0);
  EXPECT_EQ(malloc_trim(0), 0);
}

}  // namespace
