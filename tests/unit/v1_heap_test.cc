// V1Heap over the fake platform: every bin, every fault, the front cache's entries, exhaustion of
// each kind of memory, trim and fork hooks; in the production and the small geometry.
#include "v1/v1_heap.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <vector>

#include "base/atomic.h"
#include "config/config.h"
#include "pal/fake.h"

namespace hakmem {
namespace {

using Production = Config<ProductionGeometry, FakePlatform, StdWorld, kHardenedMitigations>;
using Small = Config<SmallGeometry, FakePlatform, StdWorld, kHardenedMitigations>;
using Perf = Config<ProductionGeometry, FakePlatform, StdWorld, kPerfMitigations>;

constinit v1::V1Heap<Production> constant_initialized;

template <class C>
class V1Heap : public testing::Test {
 protected:
  using Sizes = typename C::Sizes;
  static constexpr std::size_t kCellBytes = v1::Layout<C>::kCellBytes;
  static constexpr std::size_t kChunkBytes = v1::Layout<C>::kChunkBytes;

  V1Heap() {
    budget_.init(platform_);
    heap_.init(platform_, limit_, budget_);
  }
  ~V1Heap() override { EXPECT_EQ(platform_.foreign_calls(), 0u); }

  static std::vector<BinIndex> bins() {
    std::vector<BinIndex> all;
    for (std::size_t b = 0; b < Sizes::kBins; ++b)
      all.push_back(BinIndex(static_cast<std::uint8_t>(b)));
    return all;
  }
  static std::size_t block_size(BinIndex bin) { return Sizes::info(bin).block_size; }
  static BinIndex first_bin() { return BinIndex(2); }  // 32 bytes: room for an interior pointer
  static BinIndex last_bin() { return BinIndex(static_cast<std::uint8_t>(Sizes::kBins - 1)); }

  char* take(BinIndex bin) { return static_cast<char*>(heap_.allocate(bin)); }
  Fault give(const void* p) { return heap_.deallocate(ClientPtr(p)).fault; }
  Fault ask(const void* p) { return heap_.locate(ClientPtr(p)).fault; }

  FakePlatform platform_;
  LimitOf<C> limit_;
  MappingBudget<C> budget_;
  v1::V1Heap<C> heap_;
};

using Configs = testing::Types<Production, Small, Perf>;
TYPED_TEST_SUITE(V1Heap, Configs);

TYPED_TEST(V1Heap, ServesEveryBinWithDisjointWritableBlocks) {
  for (const BinIndex bin : this->bins()) {
    const std::size_t size = this->block_size(bin);
    std::vector<char*> blocks;
    for (int i = 0; i < 40; ++i) {
      blocks.push_back(this->take(bin));
      ASSERT_NE(blocks.back(), nullptr);
      std::memset(blocks.back(), i + 1, size);
    }
    EXPECT_EQ(this->heap_.live_blocks(bin), 40u);
    for (int i = 0; i < 40; ++i) {
      const char* const p = blocks[static_cast<std::size_t>(i)];
      for (std::size_t k = 0; k < size; ++k) ASSERT_EQ(p[k], i + 1) << "bin of " << size;
      const BlockView view = this->heap_.deallocate(ClientPtr(p));
      ASSERT_EQ(view.fault, Fault::kNone);
      EXPECT_EQ(view.block_size, size);
      EXPECT_EQ(view.bin, bin.value());
      EXPECT_EQ(view.size_class, TypeParam::Sizes::info(bin).size_class);
      EXPECT_STREQ(view.heap, "v1");
    }
    EXPECT_EQ(this->heap_.live_blocks(bin), 0u);
  }
}

TYPED_TEST(V1Heap, BlocksAreAlignedToWhatDividesTheirSize) {
  for (const BinIndex bin : this->bins()) {
    const std::size_t size = this->block_size(bin);
    const std::size_t divisor = size & (~size + 1);
    const std::size_t alignment = std::min(divisor, TypeParam::Sizes::kUnitBytes);
    for (int i = 0; i < 20; ++i) {
      ASSERT_EQ(ClientPtr(this->take(bin)).address() % alignment, 0u) << "bin of " << size;
    }
  }
}

TYPED_TEST(V1Heap, SecondFreeIsADoubleFree) {
  for (const BinIndex bin : this->bins()) {
    char* const p = this->take(bin);
    ASSERT_EQ(this->give(p), Fault::kNone);
    const BlockView view = this->heap_.deallocate(ClientPtr(p));
    EXPECT_EQ(view.fault, Fault::kDoubleFree);
    EXPECT_EQ(view.state, SlotState::kFree);
    EXPECT_EQ(this->heap_.live_blocks(bin), 0u) << "a fault changes nothing";
  }
}

TYPED_TEST(V1Heap, SecondFreeIsRecognisedAfterTheRunWasReleased) {
  const BinIndex bin = this->last_bin();
  char* const keeps_chunk = this->take(this->last_bin());
  std::vector<char*> blocks{keeps_chunk};
  while (this->heap_.locate(ClientPtr(blocks.back())).page ==
         this->heap_.locate(ClientPtr(keeps_chunk)).page) {
    blocks.push_back(this->take(bin));
  }
  ASSERT_EQ(this->give(blocks.back()), Fault::kNone);  // its run is empty, and not the only one
  char* const last = blocks.back();
  EXPECT_EQ(this->ask(last), Fault::kDoubleFree);
  EXPECT_EQ(this->ask(keeps_chunk), Fault::kNone);
}

TYPED_TEST(V1Heap, InteriorPointersAreTold) {
  char* const p = this->take(this->first_bin());
  const BlockView view = this->heap_.deallocate(ClientPtr(p + 16));
  EXPECT_EQ(view.fault, Fault::kInteriorFree);
  EXPECT_EQ(view.offset, 16u);
  EXPECT_EQ(this->ask(p), Fault::kNone);
}

TYPED_TEST(V1Heap, MisalignedPointersAreTold) {
  char* const p = this->take(this->first_bin());
  EXPECT_EQ(this->give(p + 1), Fault::kMisalignedFree);
  EXPECT_EQ(this->give(p + 8), Fault::kMisalignedFree);
  EXPECT_EQ(this->ask(p), Fault::kNone);
}

TYPED_TEST(V1Heap, SlotsNeverHandedOutAreInvalid) {
  const BinIndex bin = this->first_bin();
  char* const p = this->take(bin);
  EXPECT_EQ(this->give(p + this->block_size(bin)), Fault::kInvalidFree);
  EXPECT_EQ(this->give(p + this->kCellBytes - 16), Fault::kInvalidFree);
  EXPECT_EQ(this->give(p + this->kCellBytes), Fault::kInvalidFree) << "a cell without a run";
}

TYPED_TEST(V1Heap, ForeignPointersAreNotMine) {
  int local = 0;
  char* const p = this->take(this->first_bin());
  const std::uintptr_t base = ClientPtr(p).address() & ~(this->kChunkBytes - 1);
  for (const std::uintptr_t address :
       {std::uintptr_t{0}, std::uintptr_t{16}, ClientPtr(&local).address(), ~std::uintptr_t{0},
        ~std::uintptr_t{15}, std::uintptr_t{1} << 63, base - 16}) {
    EXPECT_EQ(this->heap_.deallocate(ClientPtr(address)).fault, Fault::kNotMine) << address;
    EXPECT_EQ(this->heap_.cache(ClientPtr(address)), nullptr);
  }
}

// Every address in a chunk gets exactly the answer that the list of live blocks implies.
TYPED_TEST(V1Heap, AnswersForEveryAddressOfARun) {
  const BinIndex bin = this->first_bin();
  const std::size_t size = this->block_size(bin);
  std::set<std::uintptr_t> live, used;
  std::vector<char*> blocks;
  for (int i = 0; i < 4; ++i) blocks.push_back(this->take(bin));
  for (char* const p : blocks) used.insert(ClientPtr(p).address());
  live = used;
  this->give(blocks[1]);
  live.erase(ClientPtr(blocks[1]).address());
  const std::uintptr_t base = ClientPtr(blocks[0]).address();
  for (std::uintptr_t a = base; a < base + this->kCellBytes; ++a) {
    const std::uintptr_t start = base + (a - base) / size * size;
    Fault expected = Fault::kInvalidFree;
    if (used.count(start) != 0) expected = a != start ? Fault::kInteriorFree : Fault::kDoubleFree;
    if (a % 16 != 0) expected = Fault::kMisalignedFree;
    if (live.count(a) != 0) expected = Fault::kNone;
    ASSERT_EQ(this->heap_.locate(ClientPtr(a)).fault, expected) << "offset " << a - base;
  }
}

TYPED_TEST(V1Heap, GivesNullWhenTheSystemHasNoMoreChunksAndRecovers) {
  this->platform_.fail_after(Call::kMap, 2);
  std::vector<char*> blocks;
  const BinIndex bin = this->last_bin();
  while (char* const p = this->take(bin)) blocks.push_back(p);
  ASSERT_FALSE(blocks.empty());
  for (char* const p : blocks) std::memset(p, 1, this->block_size(bin));
  ASSERT_EQ(this->give(blocks.back()), Fault::kNone);
  EXPECT_EQ(this->take(bin), blocks.back()) << "a freed block is served again";
  this->platform_.stop_failing();
  EXPECT_NE(this->take(bin), nullptr);
}

// Whatever single call fails while the heap grows: null or a good block, and nothing leaks.
TYPED_TEST(V1Heap, SurvivesTheFailureOfAnySingleCall) {
  for (const Call kind : {Call::kMap, Call::kSparse, Call::kPurge}) {
    for (std::uint64_t nth = 1; nth <= 12; ++nth) {
      FakePlatform platform;
      MemoryLimit<StdWorld> limit;
      MappingBudget<TypeParam> budget;
      budget.init(platform);
      v1::V1Heap<TypeParam> heap;
      heap.init(platform, limit, budget);
      platform.fail_nth(kind, nth);
      std::vector<void*> blocks;
      for (const BinIndex bin : this->bins()) {
        for (int i = 0; i < 6; ++i) {
          if (void* const p = heap.allocate(bin)) blocks.push_back(p);
        }
      }
      for (void* const p : blocks) ASSERT_EQ(heap.deallocate(ClientPtr(p)).fault, Fault::kNone);
      heap.trim();
      platform.stop_failing();
      EXPECT_LE(platform.live_bytes(), heap.bytes_mapped() + 4 * platform.page_bytes())
          << "kind " << int(kind) << " call " << nth;
      EXPECT_EQ(platform.foreign_calls(), 0u);
    }
  }
}

TYPED_TEST(V1Heap, TakesEmptyRunsOfOtherBinsWhenOutOfMemory) {
  const BinIndex bin = this->last_bin(), other(static_cast<std::uint8_t>(bin.value() - 1));
  std::vector<char*> blocks;
  this->platform_.fail_after(Call::kMap, 1);
  while (char* const p = this->take(bin)) blocks.push_back(p);
  for (char* const p : blocks) ASSERT_EQ(this->give(p), Fault::kNone);
  ASSERT_EQ(this->platform_.calls(Call::kUnmap), 0u) << "the warm chunk, with the bin's one run";
  EXPECT_NE(this->take(other), nullptr);
}

TYPED_TEST(V1Heap, EmptyChunksGoBackToTheSystemAllButOne) {
  const BinIndex bin = this->last_bin();
  std::vector<char*> blocks;
  for (std::size_t i = 0; i < 200; ++i) blocks.push_back(this->take(bin));
  const std::size_t peak = this->platform_.live_bytes();
  for (char* const p : blocks) ASSERT_EQ(this->give(p), Fault::kNone);
  EXPECT_LE(this->platform_.live_bytes(), peak / 2);
  EXPECT_LE(this->heap_.bytes_mapped(), 2 * (this->kChunkBytes + sizeof(v1::Chunk<TypeParam>) +
                                             3 * this->platform_.page_bytes()));
}

TYPED_TEST(V1Heap, TrimGivesEverythingEmptyBackAndKeepsTheRest) {
  std::vector<char*> blocks;
  for (const BinIndex bin : this->bins()) {
    for (int i = 0; i < 10; ++i) blocks.push_back(this->take(bin));
  }
  char* const kept = this->take(this->first_bin());
  std::memset(kept, 7, this->block_size(this->first_bin()));
  for (char* const p : blocks) ASSERT_EQ(this->give(p), Fault::kNone);
  const std::size_t before = this->platform_.live_bytes();
  EXPECT_GT(this->heap_.trim(), 0u);
  EXPECT_LT(this->platform_.live_bytes(), before);
  EXPECT_EQ(this->heap_.trim(), 0u) << "nothing is left to give";
  EXPECT_EQ(kept[this->block_size(this->first_bin()) - 1], 7);
  EXPECT_EQ(this->give(kept), Fault::kNone);
  this->heap_.trim();
  EXPECT_LE(this->platform_.live_bytes(), 6 * this->platform_.page_bytes()) << "the registries";
}

TYPED_TEST(V1Heap, OneBlockInAndOutDoesNotMapAndUnmap) {
  const BinIndex bin = this->last_bin();
  this->give(this->take(bin));
  const std::uint64_t maps = this->platform_.calls(Call::kMap);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(this->give(this->take(bin)), Fault::kNone);
  EXPECT_EQ(this->platform_.calls(Call::kMap), maps);
  EXPECT_EQ(this->platform_.calls(Call::kUnmap), 0u);
}

TYPED_TEST(V1Heap, ABinKeepsItsOneEmptyRun) {
  char* const p = this->take(BinIndex(2));
  ASSERT_EQ(this->give(p), Fault::kNone);
  char* const q = this->take(BinIndex(3));
  EXPECT_NE(this->heap_.locate(ClientPtr(q)).page, this->heap_.locate(ClientPtr(p)).page);
  EXPECT_EQ(this->take(BinIndex(2)), p);
}

TYPED_TEST(V1Heap, ForkHooksHoldTheLock) {
  this->heap_.lock();
  EXPECT_FALSE(this->heap_.try_lock());
  this->heap_.unlock();
  EXPECT_NE(this->take(this->first_bin()), nullptr);
}

template <class C>
class V1HeapCached : public V1Heap<C> {};
using CheckedConfigs = testing::Types<Production, Small>;
TYPED_TEST_SUITE(V1HeapCached, CheckedConfigs);

TYPED_TEST(V1HeapCached, AParkedBlockIsNotFreeableButReleasable) {
  char* const p = this->take(this->first_bin());
  auto* const entry = this->heap_.cache(ClientPtr(p));
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->load_relaxed(), kEntryCached);
  EXPECT_EQ(this->heap_.cache(ClientPtr(p)), nullptr) << "one of two that free it parks it";
  const BlockView view = this->heap_.deallocate(ClientPtr(p));
  EXPECT_EQ(view.fault, Fault::kDoubleFree);
  EXPECT_EQ(view.state, SlotState::kCached);
  EXPECT_EQ(this->heap_.live_blocks(this->first_bin()), 1u);
  EXPECT_EQ(this->heap_.release_cached(ClientPtr(p)).fault, Fault::kNone);
  EXPECT_EQ(this->heap_.live_blocks(this->first_bin()), 0u);
  EXPECT_EQ(this->take(this->first_bin()), p);
}

TYPED_TEST(V1HeapCached, ReleasingWhatIsNotParkedIsCorruption) {
  char* const p = this->take(this->first_bin());
  EXPECT_EQ(this->heap_.release_cached(ClientPtr(p)).fault, Fault::kCorruption);
  EXPECT_EQ(this->give(p), Fault::kNone) << "and nothing was changed";
}

TYPED_TEST(V1HeapCached, AnEntryThatContradictsTheBitmapIsCorruption) {
  char* const p = this->take(this->first_bin());
  auto* const entry = this->heap_.cache(ClientPtr(p));
  entry->store_relaxed(kEntryLive);
  this->give(p);
  entry->store_relaxed(kEntryLive);
  EXPECT_EQ(this->give(p), Fault::kCorruption);
}

TEST(V1HeapPerf, GoesByTheBitmapWhateverTheEntrySays) {
  FakePlatform platform;
  MemoryLimit<StdWorld> limit;
  MappingBudget<Perf> budget;
  budget.init(platform);
  v1::V1Heap<Perf> heap;
  heap.init(platform, limit, budget);
  void* const p = heap.allocate(BinIndex(2));
  heap.cache(ClientPtr(p))->store_relaxed(kEntryCached);
  EXPECT_EQ(heap.deallocate(ClientPtr(p)).fault, Fault::kNone);
  EXPECT_EQ(heap.deallocate(ClientPtr(p)).fault, Fault::kDoubleFree);
  void* const q = heap.allocate(BinIndex(2));
  EXPECT_EQ(heap.release_cached(ClientPtr(q)).fault, Fault::kNone);
}

// Metadata stays small enough for a process that has 128 MiB of address space and only v1.
TEST(V1HeapProduction, MetadataIsAFewPercentOfAddressSpace) {
  FakePlatform platform;
  MemoryLimit<StdWorld> limit;
  MappingBudget<Production> budget;
  budget.init(platform);
  v1::V1Heap<Production> heap;
  heap.init(platform, limit, budget);
  std::size_t bytes = 0;
  for (; bytes < (std::size_t{64} << 20); bytes += 1024) {
    ASSERT_NE(heap.allocate(Production::Sizes::bin_of(1024)), nullptr);
  }
  EXPECT_LT(platform.live_bytes(), bytes + bytes / 4);
}

TEST(V1HeapProduction, IsConstantInitialized) {
  FakePlatform platform;
  MemoryLimit<StdWorld> limit;
  MappingBudget<Production> budget;
  constant_initialized.init(platform, limit, budget);
  EXPECT_EQ(constant_initialized.locate(ClientPtr(&platform)).fault, Fault::kNotMine);
}

}  // namespace
}  // namespace hakmem
