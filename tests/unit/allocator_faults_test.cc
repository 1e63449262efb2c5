// Bad frees: in every bin, for blocks in every state, from the owner's thread and from another, the
// hot path refuses every wrong pointer and the slow path gives it the right name. That the name
// ends in its report and an abort is shown for each kind of fault at the end.
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

template <class C>
class Faults : public ::testing::Test {
 protected:
  // Whether the hot path takes the pointer, which changes nothing when it does not.
  bool hot_path_takes(Context<C>* ctx, std::uintptr_t address) {
    bool missed = false;
    deallocate_fast<C>(heap_.allocator->boxes().arena, ctx, reinterpret_cast<void*>(address),
                       [&] { missed = true; });
    return !missed;
  }
  void expect_fault(std::uintptr_t address, Fault due) {
    for (Context<C>* ctx : {heap_.ctx, other_, none_.get()}) {
      ASSERT_FALSE(hot_path_takes(ctx, address)) << std::hex << address;
    }
    ASSERT_EQ(heap_.allocator->locate(reinterpret_cast<void*>(address)).fault, due)
        << std::hex << address;
  }
  // A block of the bin in the state asked for; the magazine is not full.
  std::uintptr_t block_in(SlotState state, std::size_t size) {
    void* const p = heap_.take(size);
    if (state == SlotState::kRemote) heap_.allocator->deallocate(other_, p);
    if (state == SlotState::kCached || state == SlotState::kFree) heap_.give(p);
    if (state == SlotState::kFree) heap_.allocator->trim(heap_.ctx);
    EXPECT_EQ(heap_.state_of(p), state);
    return reinterpret_cast<std::uintptr_t>(p);
  }
  Heap<C> heap_;
  Context<C>* other_ = heap_.allocator->attach_context();
  std::unique_ptr<Context<C>> none_ = std::make_unique<Context<C>>();
};
using Configs = ::testing::Types<Small, Full>;
TYPED_TEST_SUITE(Faults, Configs);

TYPED_TEST(Faults, EveryBinEveryStateEveryOffset) {
  std::size_t last = 0;
  for (const BinInfo& info : TypeParam::Sizes::kBinTable) {
    if (info.block_size == last) continue;
    last = info.block_size;
    for (const SlotState state :
         {SlotState::kLive, SlotState::kCached, SlotState::kRemote, SlotState::kFree}) {
      const std::uintptr_t block = this->block_in(state, last);
      if (state != SlotState::kLive) this->expect_fault(block, Fault::kDoubleFree);
      for (std::size_t offset = 1; offset < last; offset += offset < 64 ? 1 : last / 16 + 1) {
        this->expect_fault(block + offset,
                           offset % 16 == 0 ? Fault::kInteriorFree : Fault::kMisalignedFree);
      }
    }
  }
}

TYPED_TEST(Faults, NeverHandedOut) {
  // A size whose pages are not carved at once.
  void* const p = this->heap_.take(TypeParam::Geometry::kSlotsMax > 4 ? 64 : 4096);
  const SoPage<TypeParam>& page = this->heap_.page_of(p);
  ASSERT_LT(page.carved, page.capacity);
  this->expect_fault(page.base + std::uintptr_t{page.carved} * page.block_size,
                     Fault::kInvalidFree);
  const Arena<TypeParam>& arena = this->heap_.allocator->boxes().arena;
  this->expect_fault(arena.base() + TypeParam::Sizes::kSuperslabBytes - 16, Fault::kInvalidFree);
  this->expect_fault(arena.base() + arena.bytes() - 16, Fault::kNotMine);  // no superslab yet
}

TYPED_TEST(Faults, OutsideOfEverything) {
  int local = 0;
  const Arena<TypeParam>& arena = this->heap_.allocator->boxes().arena;
  for (const std::uintptr_t address :
       {std::uintptr_t{1}, std::uintptr_t{4096}, reinterpret_cast<std::uintptr_t>(&local),
        arena.base() - 16, arena.base() + arena.bytes(), ~std::uintptr_t{0}, ~std::uintptr_t{15},
        std::uintptr_t{1} << 63}) {
    this->expect_fault(address, Fault::kNotMine);
  }
}

TYPED_TEST(Faults, InAndAfterALargeBlock) {
  void* const p = this->heap_.take(3 * TypeParam::Geometry::kBlockMax);
  const auto block = reinterpret_cast<std::uintptr_t>(p);
  this->expect_fault(block + 4096, Fault::kInteriorFree);
  this->expect_fault(block + 4100, Fault::kMisalignedFree);
  this->heap_.give(p);
  this->expect_fault(block, Fault::kDoubleFree);
}

TYPED_TEST(Faults, AfterThePageWasRetired) {
  const std::uintptr_t block = this->block_in(SlotState::kFree, 500);
  ASSERT_EQ(this->heap_.page_of(reinterpret_cast<void*>(block)).flags, PageFlag::kRetired);
  this->expect_fault(block, Fault::kDoubleFree);
  this->expect_fault(block + 16, Fault::kInteriorFree);
}

TYPED_TEST(Faults, AHotPathThatRefusesChangesNothing) {
  void* const p = this->heap_.take(100);
  const std::size_t before = this->heap_.magazine_of(100).size();
  EXPECT_FALSE(this->hot_path_takes(this->other_, reinterpret_cast<std::uintptr_t>(p)));
  EXPECT_EQ(this->heap_.magazine_of(100).size(), before);
  EXPECT_EQ(this->heap_.state_of(p), SlotState::kLive);
  EXPECT_TRUE(this->hot_path_takes(this->heap_.ctx, reinterpret_cast<std::uintptr_t>(p)));
  EXPECT_EQ(this->heap_.audit(), laws::kHolds);
}

class FaultsDeathTest : public ::testing::Test {
 protected:
  void give_at(void* p, std::ptrdiff_t offset) { heap_.give(static_cast<char*>(p) + offset); }
  static void dies(const char* code, auto&& call) {
    EXPECT_EXIT(call(), ::testing::KilledBySignal(SIGABRT), std::string("hakmem: fatal: ") + code);
  }
  Heap<Small> heap_;
  Context<Small>* other_ = heap_.allocator->attach_context();
};

TEST_F(FaultsDeathTest, DoubleFreeInEveryState) {
  void* const p = heap_.take(100);
  heap_.give(p);
  dies("double-free: free.*\n.*state=CACHED owner=1 this=1", [&] { heap_.give(p); });
  dies("double-free: free.*\n.*state=CACHED owner=1 this=2",
       [&] { heap_.allocator->deallocate(other_, p); });
  heap_.allocator->trim(heap_.ctx);
  dies("double-free: free.*\n.*state=FREE", [&] { heap_.give(p); });
  void* const remote = heap_.take(100);
  heap_.allocator->deallocate(other_, remote);
  dies("double-free: free.*\n.*state=REMOTE owner=1 this=1", [&] { heap_.give(remote); });
  dies("double-free: free.*\n.*state=REMOTE owner=1 this=2",
       [&] { heap_.allocator->deallocate(other_, remote); });
}

TEST_F(FaultsDeathTest, PointersBesideABlocksStart) {
  void* const p = heap_.take(100);
  dies("interior-free: free.*\n.*block=112 .*offset=16 ", [&] { give_at(p, 16); });
  dies("misaligned-free: free.*\n.*offset=8 ", [&] { give_at(p, 8); });
}

TEST_F(FaultsDeathTest, PointersOfNobody) {
  alignas(16) char local[16];
  dies("invalid-free: free.*\n.*heap=none page=none", [&] { heap_.give(local); });
  dies("invalid-free", [&] {
    heap_.give(reinterpret_cast<void*>(heap_.allocator->boxes().arena.base() + (1u << 20)));
  });
}

TEST_F(FaultsDeathTest, ReallocOfAFreedBlock) {
  void* const p = heap_.take(100);
  heap_.give(p);
  dies("freed-realloc: realloc", [&] { heap_.allocator->reallocate(heap_.ctx, p, 10); });
  dies("interior-free: realloc", [&] {
    heap_.allocator->reallocate(heap_.ctx, static_cast<char*>(heap_.take(100)) + 16, 10);
  });
}

TEST_F(FaultsDeathTest, BlocksOfV1AndLarge) {
  void* const large = heap_.take(1 << 20);
  heap_.give(large);
  dies("double-free: free.*\n.*heap=large", [&] { heap_.give(large); });
  heap_.platform().fail_after(Call::kCommit, 0);  // no superslab
  void* const v1 = heap_.take(100);
  dies("interior-free: free.*\n.*heap=v1", [&] { give_at(v1, 16); });
  heap_.give(v1);
  dies("double-free: free.*\n.*heap=v1", [&] { heap_.give(v1); });
}

TEST_F(FaultsDeathTest, CachedBlocksOfV1) {
  PolicySnapshot policy = default_policy();
  policy.set_v3_mask(0);
  policy.c6_hot = true;
  heap_.allocator->publish_policy(heap_.ctx, policy);
  void* const p = heap_.take(512);
  heap_.give(p);
  dies("double-free: free.*\n.*state=CACHED", [&] { heap_.give(p); });
  dies("interior-free: free.*\n.*heap=v1", [&] { give_at(heap_.take(512), 16); });
}

TEST_F(FaultsDeathTest, AThreadWithoutAContext) {
  void* const p = heap_.take(100);
  heap_.give(p);
  dies("double-free: free.*\n.*owner=1 this=0",
       [&] { heap_.allocator->deallocate_slow(nullptr, p, "free"); });
}

TEST_F(FaultsDeathTest, LookingAtWhatIsNotLive) {
  void* const p = heap_.take(100);
  EXPECT_EQ(heap_.allocator->locate_live(heap_.ctx, p, "look").block_size, 112u);
  heap_.give(p);
  dies("double-free: look", [&] { heap_.allocator->locate_live(heap_.ctx, p, "look"); });
}

// The owner freed the page's last block at the same moment, and the page has gone back since.
TEST_F(FaultsDeathTest, AForeignFreeThatFindsThePageGone) {
  void* const p = heap_.take(100);
  heap_.page_of(p).owner.store_relaxed(nullptr);
  dies("double-free: free", [&] { heap_.allocator->deallocate(other_, p); });
}

}  // namespace
}  // namespace hakmem::test
