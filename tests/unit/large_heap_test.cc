// LargeHeap over the fake platform: sizes, alignment, guards, every fault, resizing in and out of
// place, refusals of the system, many blocks, threads; with and without mitigations.
#include "large/large_heap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "base/atomic.h"
#include "config/config.h"
#include "pal/fake.h"

namespace hakmem {
namespace {

using Hardened = Config<ProductionGeometry, FakePlatform, StdWorld, kHardenedMitigations>;
using Perf = Config<ProductionGeometry, FakePlatform, StdWorld, kPerfMitigations>;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kMiB = std::size_t{1} << 20;

constinit large::LargeHeap<Hardened> constant_initialized;

template <class C>
class LargeHeap : public testing::Test {
 protected:
  static constexpr bool kGuards = C::kMitigations.guard_pages;

  LargeHeap() {
    budget_.init(platform_);
    heap_.init(platform_, limit_, budget_);
  }
  ~LargeHeap() override { EXPECT_EQ(platform_.foreign_calls(), 0u); }

  char* take(std::size_t n, std::size_t alignment = kPage) {
    return static_cast<char*>(heap_.allocate(n, alignment));
  }
  char* resize(void* p, std::size_t n) { return static_cast<char*>(heap_.resize(ClientPtr(p), n)); }
  Fault give(const void* p) { return heap_.deallocate(ClientPtr(p)).fault; }
  Fault diagnose(const void* p) { return heap_.diagnose(ClientPtr(p)).fault; }
  // All that the heap has mapped is what it says, but for the guards around its registry.
  void expect_accounted() {
    const std::size_t registry = heap_.live_blocks() != 0 || platform_.live_bytes() != 0 ? 1 : 0;
    EXPECT_LE(heap_.bytes_mapped(), platform_.live_bytes());
    EXPECT_GE(heap_.bytes_mapped() + 6 * kPage * registry, platform_.live_bytes());
  }
  void expect_guarded(char* p) {
    const std::size_t n = heap_.locate(ClientPtr(p)).block_size;
    EXPECT_TRUE(FakePlatform::is_readable(p + n - 1));
    if (kGuards) {
      EXPECT_FALSE(FakePlatform::is_readable(p + n));
    }
  }

  FakePlatform platform_;
  LimitOf<C> limit_;
  MappingBudget<C> budget_;
  large::LargeHeap<C> heap_;
};
using Configs = testing::Types<Hardened, Perf>;
TYPED_TEST_SUITE(LargeHeap, Configs);

TYPED_TEST(LargeHeap, BlocksAreZeroWritableAndWhollyUsable) {
  for (const std::size_t n : {std::size_t{1}, kPage, kPage + 1, std::size_t{65537}, 3 * kMiB}) {
    char* const p = this->take(n);
    ASSERT_NE(p, nullptr);
    const BlockView view = this->heap_.locate(ClientPtr(p));
    EXPECT_EQ(view.fault, Fault::kNone);
    EXPECT_EQ(view.state, SlotState::kLive);
    EXPECT_STREQ(view.heap, "large");
    EXPECT_EQ(view.page, ClientPtr(p).address());
    EXPECT_EQ(view.block_size, (n + kPage - 1) / kPage * kPage);
    for (std::size_t i = 0; i < view.block_size; ++i) ASSERT_EQ(p[i], 0);
    std::memset(p, 1, view.block_size);
    this->expect_guarded(p);
    if (this->kGuards) {
      EXPECT_FALSE(FakePlatform::is_readable(p - 1));
    }
    EXPECT_EQ(this->give(p), Fault::kNone);
  }
  this->heap_.trim();
  this->expect_accounted();
}

TYPED_TEST(LargeHeap, HonoursAnyAlignmentUpToAGibibyte) {
  for (std::size_t alignment = 1; alignment <= 1024 * kMiB; alignment *= 2) {
    char* const p = this->take(100000, alignment);
    ASSERT_NE(p, nullptr) << alignment;
    EXPECT_EQ(ClientPtr(p).address() % alignment, 0u);
    p[0] = p[99999] = 'x';
    if (alignment > 32 * kMiB) {
      EXPECT_LE(this->platform_.live_bytes(), 64 * kPage) << "what alignment cost was given back";
    }
    EXPECT_EQ(this->give(p), Fault::kNone);
    this->heap_.trim();
    EXPECT_LE(this->platform_.live_bytes(), 16 * kPage) << alignment;
  }
  this->expect_accounted();
}

TYPED_TEST(LargeHeap, AbsurdRequestsAreRefused) {
  EXPECT_EQ(this->take(PTRDIFF_MAX), nullptr);
  EXPECT_EQ(this->take(std::size_t{PTRDIFF_MAX} + 1), nullptr);
  EXPECT_EQ(this->take(~std::size_t{0}), nullptr);
  EXPECT_EQ(this->take(kPage, std::size_t{1} << 63), nullptr);
  EXPECT_EQ(this->take(PTRDIFF_MAX, std::size_t{1} << 63), nullptr) << "the sum wraps around";
  EXPECT_EQ(this->take(PTRDIFF_MAX - kPage, std::size_t{1} << 62), nullptr);
  EXPECT_EQ(this->heap_.live_blocks(), 0u);
}

TYPED_TEST(LargeHeap, FaultsAreToldApart) {
  char* const p = this->take(100000);
  int local = 0;
  EXPECT_EQ(this->diagnose(p), Fault::kNone);
  EXPECT_EQ(this->diagnose(p + 16), Fault::kInteriorFree);
  EXPECT_EQ(this->diagnose(p + 99984), Fault::kInteriorFree);
  EXPECT_EQ(this->diagnose(p + 1), Fault::kMisalignedFree);
  EXPECT_EQ(this->heap_.diagnose(ClientPtr(p + 4096)).offset, 4096u);
  EXPECT_EQ(this->diagnose(p - 16), Fault::kNotMine);
  EXPECT_EQ(this->diagnose(p + this->heap_.locate(ClientPtr(p)).block_size), Fault::kNotMine);
  EXPECT_EQ(this->diagnose(&local), Fault::kNotMine);
  EXPECT_EQ(this->diagnose(nullptr), Fault::kNotMine);
  EXPECT_EQ(this->give(p), Fault::kNone);
  EXPECT_EQ(this->diagnose(p), Fault::kDoubleFree);
  EXPECT_EQ(this->heap_.diagnose(ClientPtr(p)).state, SlotState::kFree);
}

// Look-up and free say nothing about pointers that may be another heap's.
TYPED_TEST(LargeHeap, OnlyDiagnosisSpeaksAboutAnythingButLiveStarts) {
  char* const p = this->take(100000);
  EXPECT_EQ(this->give(p + 16), Fault::kNotMine);
  EXPECT_EQ(this->heap_.locate(ClientPtr(p + 16)).fault, Fault::kNotMine);
  EXPECT_EQ(this->give(p), Fault::kNone);
  EXPECT_EQ(this->give(p), Fault::kNotMine);
  EXPECT_EQ(this->heap_.locate(ClientPtr(p)).fault, Fault::kNotMine);
  EXPECT_EQ(this->resize(p, 200000), nullptr);
}

TYPED_TEST(LargeHeap, ShrinksInPlaceAndGivesTheTailBack) {
  char* const p = this->take(10 * kMiB);
  std::memset(p, 'a', 10 * kMiB);
  const std::size_t before = this->platform_.live_bytes();
  ASSERT_EQ(this->resize(p, 3 * kMiB + 1), p);
  EXPECT_GE(this->heap_.bytes_cached(), 7 * kMiB - 4 * kPage);
  this->heap_.trim();
  EXPECT_EQ(this->platform_.live_bytes(), before - 7 * kMiB + kPage);
  EXPECT_EQ(this->heap_.locate(ClientPtr(p)).block_size, 3 * kMiB + kPage);
  EXPECT_EQ(std::count(p, p + 3 * kMiB + kPage, 'a'), static_cast<long>(3 * kMiB + kPage));
  this->expect_guarded(p);
  this->expect_accounted();
  EXPECT_EQ(this->resize(p, 3 * kMiB + 2), p) << "the same pages: nothing to do";
  EXPECT_EQ(this->give(p), Fault::kNone);
  this->heap_.trim();
  this->expect_accounted();
}

TYPED_TEST(LargeHeap, GrowsWithItsContentsAndZeroesBehind) {
  char* const p = this->take(2 * kMiB);
  char* const wall = this->take(kMiB);  // may be in the way
  std::memset(p, 'a', 2 * kMiB);
  char* const q = this->resize(p, 9 * kMiB);
  ASSERT_NE(q, nullptr);
  EXPECT_EQ(std::count(q, q + 2 * kMiB, 'a'), static_cast<long>(2 * kMiB));
  EXPECT_EQ(std::count(q + 2 * kMiB, q + 9 * kMiB, '\0'), static_cast<long>(7 * kMiB));
  EXPECT_EQ(this->heap_.live_blocks(), 2u);
  this->expect_guarded(q);
  this->expect_accounted();
  if (q != p) {
    EXPECT_EQ(this->diagnose(p), Fault::kDoubleFree);
  }
  char* const r = this->resize(q, 20 * kMiB);
  ASSERT_NE(r, nullptr);
  EXPECT_EQ(r[0], 'a');
  this->expect_guarded(r);
  if (this->kGuards && this->platform_.calls(Call::kProtect) == 0) {  // cheap guards move along
    EXPECT_FALSE(FakePlatform::is_readable(r - 1));
    EXPECT_TRUE(this->platform_.is_live(r - 1, 1)) << "a guard, not a gap by chance";
  }
  EXPECT_EQ(this->give(r), Fault::kNone);
  EXPECT_EQ(this->give(wall), Fault::kNone);
  this->heap_.trim();
  this->expect_accounted();
}

TYPED_TEST(LargeHeap, ARefusedGrowthChangesNothing) {
  char* const p = this->take(kMiB);
  p[0] = 'a';
  this->platform_.fail_nth(Call::kRemap, 1);
  EXPECT_EQ(this->resize(p, 2 * kMiB), nullptr);
  EXPECT_EQ(this->resize(p, PTRDIFF_MAX), nullptr);
  EXPECT_EQ(this->resize(p, ~std::size_t{0}), nullptr);
  EXPECT_EQ(p[0], 'a');
  EXPECT_EQ(this->heap_.locate(ClientPtr(p)).block_size, kMiB);
  EXPECT_EQ(this->give(p), Fault::kNone);
}

TYPED_TEST(LargeHeap, RefusalsOfTheSystemGiveNullAndLeakNothing) {
  this->platform_.fail_nth(Call::kMap, 1);
  EXPECT_EQ(this->take(kMiB), nullptr);
  this->platform_.fail_nth(Call::kSparse, 1);  // the registry cannot be made
  EXPECT_EQ(this->take(kMiB), nullptr);
  EXPECT_EQ(this->platform_.live_bytes(), 0u);
  char* const p = this->take(kMiB);
  EXPECT_NE(p, nullptr);
  EXPECT_EQ(this->give(p), Fault::kNone);
}

TYPED_TEST(LargeHeap, WorksWhereTheSystemHasNoGuards) {
  this->platform_.fail_after(Call::kGuard, 0);
  char* p = this->take(kMiB);
  this->expect_guarded(p);  // by protection instead
  p = this->resize(p, 4 * kMiB);
  ASSERT_NE(p, nullptr);
  this->expect_guarded(p);
  this->expect_accounted();
  this->platform_.fail_after(Call::kProtect, 0);
  char* q = this->take(kMiB);
  ASSERT_NE(q, nullptr) << "failing guards are no error";
  q = this->resize(q, 2 * kMiB);
  ASSERT_NE(q, nullptr);
  std::memset(q, 1, 2 * kMiB);
  ASSERT_NE(this->resize(q, kMiB), nullptr);
  EXPECT_EQ(this->give(p), Fault::kNone);
  EXPECT_EQ(this->give(q), Fault::kNone);
  this->heap_.trim();
  this->expect_accounted();
}

TYPED_TEST(LargeHeap, FreedMemoryIsOutOfReachOnceItIsCold) {
  for (const std::size_t n : {kMiB, 40 * kMiB}) {
    char* const p = this->take(n);
    std::memset(p, 1, n);
    EXPECT_EQ(this->give(p), Fault::kNone);
    this->platform_.advance_clock_ms(large::LargeHeap<TypeParam>::kKeepMs + 1);
    this->heap_.decay();
    EXPECT_FALSE(FakePlatform::is_readable(p));
    EXPECT_FALSE(FakePlatform::is_readable(p + n - 1));
    EXPECT_EQ(this->diagnose(p), Fault::kDoubleFree);
  }
}

TYPED_TEST(LargeHeap, BlocksNeverOverlapAndKeepTheirContents) {
  struct Block {
    std::size_t size;
    char fill;
  };
  std::mt19937 random(42);
  std::map<char*, Block> live;
  const auto mark = [](char* p, const Block& b) { p[0] = p[b.size / 2] = p[b.size - 1] = b.fill; };
  const auto marked = [](const char* p, const Block& b) {
    return p[0] == b.fill && p[b.size / 2] == b.fill && p[b.size - 1] == b.fill;
  };
  for (int step = 0; step < 6000; ++step) {
    const auto dice = random() % 10;
    const std::size_t size = kPage + random() % (random() % 8 == 0 ? 8 * kMiB : 200000);
    if (live.empty() || dice < 4) {
      char* const p = this->take(size, std::size_t{1} << random() % 18);
      ASSERT_NE(p, nullptr);
      live[p] = {size, static_cast<char>(random())};
      mark(p, live[p]);
    } else {
      auto at = live.begin();
      std::advance(at, random() % live.size());
      ASSERT_TRUE(marked(at->first, at->second)) << "step " << step;
      if (dice < 6) {
        char* const p = this->resize(at->first, size);
        if (p == nullptr) continue;  // over two mappings: the system does not move those
        ASSERT_EQ(p[0], at->second.fill);
        live.erase(at);
        live[p] = {size, static_cast<char>(random())};
        mark(p, live[p]);
      } else {
        ASSERT_EQ(this->give(at->first), Fault::kNone);
        live.erase(at);
      }
    }
    if (step % 100 == 0) this->platform_.advance_clock_ms(300);
    if (step % 1000 != 0) continue;
    this->expect_accounted();
    const char* end = nullptr;
    for (const auto& [p, b] : live) {
      ASSERT_GE(p, end);
      end = p + b.size;
    }
  }
  for (const auto& [p, b] : live) ASSERT_EQ(this->give(p), Fault::kNone);
  this->heap_.trim();
  EXPECT_EQ(this->heap_.live_blocks(), 0u);
  this->expect_accounted();
}

TYPED_TEST(LargeHeap, ThreadsFreeEachOthersBlocks) {
  std::vector<std::atomic<char*>> board(32);
  std::atomic<int> faults{0}, damaged{0};
  const auto work = [&](unsigned seed) {
    std::mt19937 random(seed);
    for (int step = 0; step < 1500; ++step) {
      char* p = this->take(65537 + random() % 300000);
      const char fill = static_cast<char>(ClientPtr(p).address() >> 12);
      p[0] = p[65536] = fill;
      char* const other = board[random() % board.size()].exchange(p);
      if (other == nullptr) continue;
      damaged += other[0] == other[65536] ? 0 : 1;
      char* const resized = step % 4 == 0 ? this->resize(other, 65537 + random() % 600000) : other;
      char* const kept = resized == nullptr ? other : resized;
      faults += this->give(kept) == Fault::kNone ? 0 : 1;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) threads.emplace_back(work, t + 7);
  for (std::thread& t : threads) t.join();
  for (auto& place : board) {
    if (char* const p = place.load()) {
      EXPECT_EQ(this->give(p), Fault::kNone);
    }
  }
  EXPECT_EQ(faults, 0);
  EXPECT_EQ(damaged, 0);
  EXPECT_EQ(this->heap_.live_blocks(), 0u);
}

TYPED_TEST(LargeHeap, ForkHooksHoldTheLock) {
  this->heap_.lock();
  EXPECT_FALSE(this->heap_.try_lock());
  this->heap_.unlock();
  EXPECT_NE(this->take(kMiB), nullptr);
}

// Where guards cost mappings, their number is bounded, and freeing returns the budget.
TEST(LargeHeapGuards, GuardsThatCostMappingsAreBudgeted) {
  FakePlatform platform;
  MemoryLimit<StdWorld> limit;
  MappingBudget<Hardened> budget;
  budget.init(platform);
  large::LargeHeap<Hardened> heap;
  heap.init(platform, limit, budget);
  platform.fail_after(Call::kGuard, 0);
  platform.fail_after(Call::kUnguard, 0);
  std::vector<void*> blocks;
  for (int i = 0; i < 9000; ++i) {
    blocks.push_back(heap.allocate(kPage, kPage));
    ASSERT_NE(blocks.back(), nullptr);
  }
  EXPECT_EQ(platform.calls(Call::kProtect), 65530u / 4 / 2) << "two mappings each";
  for (void* const p : blocks) heap.deallocate(ClientPtr(p));
  heap.trim();
  const std::uint64_t before = platform.calls(Call::kProtect);
  heap.allocate(kPage, kPage);
  EXPECT_EQ(platform.calls(Call::kProtect), before + 2);
}

// A hole costs a mapping: with none left, what is freed stays, without its memory, for another use.
TYPED_TEST(LargeHeap, WhatCannotBeUnmappedIsKeptWithoutMemory) {
  char* const p = this->take(40 * kMiB);
  std::memset(p, 1, 40 * kMiB);
  this->platform_.fail_after(Call::kUnmap, 0);
  EXPECT_EQ(this->give(p), Fault::kNone);
  EXPECT_EQ(this->heap_.live_blocks(), 0u);
  EXPECT_EQ(this->heap_.trim(), 40 * kMiB) << "of memory";
  EXPECT_EQ(this->heap_.unmap_pending_blocks(), 1u);
  EXPECT_EQ(this->heap_.resize(ClientPtr(p), kMiB), nullptr);
  EXPECT_EQ(this->diagnose(p), Fault::kDoubleFree);
  EXPECT_EQ(this->diagnose(p + 16), Fault::kNotMine) << "it is no block";
  this->expect_accounted();
  if (TypeParam::kMitigations.check_frees) {
    EXPECT_FALSE(FakePlatform::is_readable(p));
  } else {
    EXPECT_EQ(p[kMiB], 0) << "the memory is gone";
  }
  EXPECT_NE(this->take(20 * kMiB), p) << "far too long";
  char* const q = this->take(39 * kMiB);
  EXPECT_EQ(q, p);
  EXPECT_EQ(q[kMiB], 0);
  std::memset(q, 2, 39 * kMiB);
  EXPECT_EQ(this->heap_.unmap_pending_blocks(), 0u);
  EXPECT_EQ(this->give(q), Fault::kNone);
  this->heap_.trim();
  EXPECT_EQ(this->heap_.trim(), 0u) << "still refused";
  this->platform_.stop_failing();
  EXPECT_EQ(this->heap_.trim(), 40 * kMiB + (this->kGuards ? 2 * kPage : 0));
  EXPECT_EQ(this->heap_.unmap_pending_blocks(), 0u);
}

TYPED_TEST(LargeHeap, BlocksWithUnmapPendingServeOnlyWhatTheyAreAlignedFor) {
  char* const p = this->take(40 * kMiB);
  const std::uintptr_t address = ClientPtr(p).address();
  const std::size_t beyond = 2 * (address & (~address + 1));  // twice what it is aligned to
  this->platform_.fail_after(Call::kUnmap, 0);
  EXPECT_EQ(this->give(p), Fault::kNone);
  this->heap_.trim();
  ASSERT_EQ(this->heap_.unmap_pending_blocks(), 1u);
  char* const q = this->take(40 * kMiB, beyond);
  EXPECT_NE(q, p);
  EXPECT_EQ(ClientPtr(q).address() % beyond, 0u);
  EXPECT_EQ(this->take(40 * kMiB), p);
}

// What cannot be cut off a new mapping belongs to it, and goes with it.
TYPED_TEST(LargeHeap, WhatCannotBeCutOffStaysWithTheBlock) {
  this->platform_.fail_after(Call::kUnmap, 0);
  char* const p = this->take(kMiB, 64 * kMiB);
  ASSERT_NE(p, nullptr);
  EXPECT_EQ(ClientPtr(p).address() % (64 * kMiB), 0u);
  this->expect_guarded(p);
  this->expect_accounted();
  char* const q = this->take(4 * kMiB);
  std::memset(q, 1, 4 * kMiB);
  EXPECT_EQ(this->resize(q, kMiB), q);
  EXPECT_EQ(this->heap_.locate(ClientPtr(q)).block_size, kMiB);
  EXPECT_EQ(q[kMiB - 1], 1);
  this->platform_.stop_failing();
  EXPECT_EQ(this->give(p), Fault::kNone);
  EXPECT_EQ(this->give(q), Fault::kNone);
  this->heap_.trim();
  this->expect_accounted();
}

// More than one batch, of which the first try fails.
TYPED_TEST(LargeHeap, TrimTriesEveryPendingUnmap) {
  std::vector<char*> blocks;
  for (int i = 0; i < 401; ++i) blocks.push_back(this->take(kMiB));
  std::sort(blocks.begin(), blocks.end());
  this->platform_.fail_after(Call::kUnmap, 0);
  for (std::size_t i = 1; i < 401; i += 2) {  // with a live one between them
    EXPECT_EQ(this->give(blocks[i]), Fault::kNone);
  }
  this->heap_.trim();
  ASSERT_EQ(this->heap_.unmap_pending_blocks(), 200u);
  this->platform_.fail_nth(Call::kUnmap, 1);
  this->heap_.trim();
  EXPECT_EQ(this->heap_.unmap_pending_blocks(), 1u);
  this->heap_.trim();
  EXPECT_EQ(this->heap_.unmap_pending_blocks(), 0u);
  this->expect_accounted();
}

TYPED_TEST(LargeHeap, ABlockHiddenInTheCacheIsUsableAfterItsUnmapFailed) {
  char* const p = this->take(8 * kMiB);
  EXPECT_EQ(this->give(p), Fault::kNone);
  this->platform_.fail_after(Call::kUnmap, 0);
  this->heap_.trim();
  ASSERT_EQ(this->heap_.unmap_pending_blocks(), 1u);
  EXPECT_EQ(this->take(8 * kMiB), p);
  std::memset(p, 1, 8 * kMiB);
}

TYPED_TEST(LargeHeap, AHiddenBlockThatCannotBeShownAgainIsNotUsed) {
  if (!TypeParam::kMitigations.check_frees) return;
  char* const p = this->take(40 * kMiB);
  this->platform_.fail_after(Call::kUnmap, 0);
  EXPECT_EQ(this->give(p), Fault::kNone);
  this->heap_.trim();
  this->platform_.fail_nth(Call::kUnguard, 1);
  char* const q = this->take(40 * kMiB);
  EXPECT_NE(q, p);
  std::memset(q, 1, 40 * kMiB);
  EXPECT_EQ(this->heap_.unmap_pending_blocks(), 1u);
}

TEST(LargeHeapGuards, AShrunkBlockPaysForTheGuardsItHas) {
  FakePlatform platform;
  MappingBudget<Hardened> budget;
  budget.init(platform);
  MemoryLimit<StdWorld> limit;
  large::LargeHeap<Hardened> heap;
  heap.init(platform, limit, budget);
  platform.fail_after(Call::kGuard, 0);
  void* p = heap.allocate(8 * kMiB, kPage);
  EXPECT_EQ(budget.guard_mappings(), 4u);
  for (std::size_t mib = 7; mib > 0; --mib) p = heap.resize(ClientPtr(p), mib * kMiB);
  heap.trim();  // the tails
  EXPECT_EQ(budget.guard_mappings(), 4u);
  p = heap.resize(ClientPtr(p), 16 * kMiB);
  EXPECT_LE(budget.guard_mappings(), 4u);
  heap.deallocate(ClientPtr(p));
  heap.trim();
  EXPECT_EQ(budget.guard_mappings(), 0u);
}

// What was freed side by side is one range, and each that began there is still known as freed.
TYPED_TEST(LargeHeap, EveryFreedStartIsKnownWhileItsMemoryIsKept) {
  std::vector<char*> blocks;
  for (int i = 0; i < 300; ++i) blocks.push_back(this->take(10 * kPage));
  for (char* const p : blocks) EXPECT_EQ(this->give(p), Fault::kNone);
  char* const joined = this->take(1000 * kPage);
  // A range that is hardly longer is taken whole: how long they are is the kernel's choice.
  const std::size_t length = this->heap_.locate(ClientPtr(joined)).block_size;
  ASSERT_GE(length, 1000 * kPage);
  for (char* const p : blocks) {
    const bool within = p > joined && p < joined + length;
    if (p == joined) continue;
    EXPECT_EQ(this->diagnose(p), within ? Fault::kInteriorFree : Fault::kDoubleFree);
  }
  std::memset(joined, 1, 1000 * kPage);  // no guard is left in it
  this->expect_guarded(joined);
}

TYPED_TEST(LargeHeap, ABlockKnowsTheSizeThatWasAskedFor) {
  const auto asked = [&](void* p) { return this->heap_.locate(ClientPtr(p)).asked; };
  char* const p = this->take(kMiB + 5);
  EXPECT_EQ(asked(p), kMiB + 5);
  EXPECT_EQ(this->resize(p, kMiB), p);
  EXPECT_EQ(asked(p), kMiB) << "in the same pages";
  this->platform_.fail_after(Call::kUnmap, 0);
  this->platform_.fail_after(Call::kSparse, 0);
  for (std::size_t n = 700000; n > kPage; n /= 2) {
    EXPECT_EQ(this->resize(p, n), p);
    EXPECT_EQ(asked(p), n) << "whether or not it could be cut";
  }
  this->heap_.restate(ClientPtr(p), 7);
  EXPECT_EQ(asked(p), 7u);
  char* const q = static_cast<char*>(this->heap_.allocate(kMiB, 1, large::Contents::kAny, kMiB));
  EXPECT_EQ(asked(q), kMiB);
  EXPECT_EQ(this->heap_.locate(ClientPtr(q)).block_size, 2 * kMiB);
  EXPECT_EQ(this->resize(q, 2 * kMiB - 1), q) << "into its room";
}

TYPED_TEST(LargeHeap, GrowsIntoTheFreeMemoryBehindIt) {
  char* const whole = this->take(20 * kMiB);
  std::memset(whole, 1, 20 * kMiB);
  EXPECT_EQ(this->give(whole), Fault::kNone);
  char* p = this->take(kMiB);
  ASSERT_EQ(p, whole);
  p[kMiB - 1] = 'a';
  for (std::size_t mib = 2; mib <= 16; mib *= 2) {
    ASSERT_EQ(this->heap_.resize(ClientPtr(p), mib * kMiB, mib * kMiB / 8), whole);
    std::memset(p + kMiB, 'b', mib * kMiB - kMiB);
    this->expect_guarded(p);
  }
  EXPECT_EQ(p[kMiB - 1], 'a');
  EXPECT_EQ(this->platform_.calls(Call::kRemap), 0u);
  EXPECT_EQ(this->platform_.calls(Call::kMap), 1u);
  EXPECT_EQ(this->give(p), Fault::kNone);
  EXPECT_EQ(this->take(20 * kMiB), whole) << "joined";
  this->expect_accounted();
}

TYPED_TEST(LargeHeap, WhatCannotBeOpenedIsNotGrownInto) {
  if (!TypeParam::kMitigations.guard_pages) return;
  EXPECT_EQ(this->give(this->take(20 * kMiB)), Fault::kNone);
  char* const p = this->take(kMiB);
  p[0] = p[kMiB - 1] = 'a';
  this->platform_.fail_nth(Call::kUnguard, 1);
  EXPECT_EQ(this->resize(p, 4 * kMiB), nullptr);
  EXPECT_EQ(this->heap_.locate(ClientPtr(p)).block_size, kMiB);
  EXPECT_EQ(p[kMiB - 1], 'a');
  EXPECT_EQ(this->limit_.held_by(Holder::kMappings), this->heap_.bytes_charged());
  EXPECT_EQ(this->give(p), Fault::kNone);
  this->heap_.trim();
  this->expect_accounted();
}

// Small blocks at a large alignment share mappings, of which a process may have 65,530.
TYPED_TEST(LargeHeap, AlignedBlocksCostNoMappingEach) {
  std::vector<char*> blocks;
  for (int i = 0; i < 3000; ++i) {
    blocks.push_back(this->take(100, kMiB));
    ASSERT_NE(blocks.back(), nullptr);
    ASSERT_EQ(ClientPtr(blocks.back()).address() % kMiB, 0u);
    blocks.back()[99] = 1;
  }
  EXPECT_LT(this->platform_.calls(Call::kMap), 3000u / 4);
  EXPECT_EQ(this->platform_.calls(Call::kUnmap), 0u);
  EXPECT_LE(this->limit_.held(), 3100 * kPage) << "charged for what they can touch";
  EXPECT_EQ(this->diagnose(blocks[7] + 16), Fault::kInteriorFree);
  for (char* const p : blocks) {
    EXPECT_EQ(this->give(p), Fault::kNone);
    EXPECT_EQ(this->diagnose(p), Fault::kDoubleFree);
  }
  this->heap_.trim();
  EXPECT_EQ(this->limit_.held(), 0u);
  this->expect_accounted();
}

// A platform that calls back while the system moves memory.
struct CallingPlatform : FakePlatform {
  std::function<void()> while_moving;
  void* remap(void* at, std::size_t bytes, std::size_t new_bytes) noexcept {
    if (while_moving) while_moving();
    return FakePlatform::remap(at, bytes, new_bytes);
  }
};

TEST(LargeHeapLock, NobodyWaitsWhileABlockIsMoved) {
  using Calling = Config<ProductionGeometry, CallingPlatform, StdWorld, kHardenedMitigations>;
  CallingPlatform platform;
  MemoryLimit<StdWorld> limit;
  MappingBudget<Calling> budget;
  budget.init(platform);
  large::LargeHeap<Calling> heap;
  heap.init(platform, limit, budget);
  void* const p = heap.allocate(kMiB, 1);
  void* const other = heap.allocate(kMiB, 1);
  int moves = 0;
  platform.while_moving = [&] {
    ++moves;
    EXPECT_EQ(heap.deallocate(ClientPtr(other)).fault, Fault::kNone);
    EXPECT_EQ(heap.deallocate(ClientPtr(p)).fault, Fault::kNotMine) << "somebody is resizing it";
    EXPECT_EQ(heap.diagnose(ClientPtr(p)).fault, Fault::kDoubleFree);
    EXPECT_EQ(heap.resize(ClientPtr(p), 5 * kMiB), nullptr);
  };
  void* const q = heap.resize(ClientPtr(p), 50 * kMiB);
  ASSERT_NE(q, nullptr);
  EXPECT_EQ(moves, 1);
  EXPECT_EQ(heap.deallocate(ClientPtr(q)).fault, Fault::kNone);
}

TEST(LargeHeapStart, IsConstantInitialized) {
  FakePlatform platform;
  MemoryLimit<StdWorld> limit;
  MappingBudget<Hardened> budget;
  constant_initialized.init(platform, limit, budget);
  EXPECT_EQ(constant_initialized.locate(ClientPtr(&platform)).fault, Fault::kNotMine);
}

}  // namespace
}  // namespace hakmem
