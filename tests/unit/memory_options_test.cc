// HAKMEM_THP and HAKMEM_PREFAULT: what the boxes ask of the platform, and that nothing else
// changes. What the system makes of it: tests/process/huge_pages.cc.
#include "config/memory_options.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

constexpr std::size_t kSuperslab = Small::Sizes::kSuperslabBytes;
constexpr std::size_t kLarge = Small::Geometry::kBlockMax + 1;
constexpr std::size_t kSlabsAhead = 512;  // the part of the arena that is advised at once

// An allocator that was started with the options.
template <class C>
class OptionedOf {
 public:
  explicit OptionedOf(const MemoryOptions& options,
                      const PolicySnapshot& policy = default_policy()) {
    heap_->set_memory_options(options);
    heap_->init(policy);
    ctx_ = heap_->attach_context();
  }
  void* take(std::size_t n) { return heap_->allocate(ctx_, n); }
  void give(void* p) { heap_->deallocate(ctx_, p); }
  void trim() { heap_->trim(ctx_); }
  Allocator<C>& operator*() { return *heap_; }
  std::size_t wanted() { return heap_->boxes().platform.advised(HugeAdvice::kUse); }
  std::size_t unwanted() { return heap_->boxes().platform.advised(HugeAdvice::kAvoid); }
  std::uint64_t calls(Call kind) { return heap_->boxes().platform.calls(kind); }
  std::size_t advised_ahead() {
    return std::min<std::size_t>(heap_->boxes().arena.superslabs(), kSlabsAhead) *
           C::Sizes::kSuperslabBytes;
  }
  MemoryStats memory() {
    MemoryStats s;
    MemoryCounter<C>(*heap_).run(Patience::kWaits, s);
    EXPECT_EQ(audit(*heap_), laws::kHolds);
    return s;
  }

 private:
  std::unique_ptr<Allocator<C>> heap_ = std::make_unique<Allocator<C>>();
  Context<C>* ctx_ = nullptr;
};

using Optioned = OptionedOf<Small>;     // without page guards: the small geometry has none
using FullOptioned = OptionedOf<Full>;  // with them

PolicySnapshot v1_alone() {
  PolicySnapshot policy = default_policy();
  policy.set_v3_mask(0);
  return policy;
}

TEST(HugePageOptions, TheSystemsSettingIsLeftAlone) {
  Optioned heap({});
  heap.take(1024);
  heap.take(kHugePageBytes);
  EXPECT_EQ(heap.calls(Call::kAdviseHuge), 0u);
  EXPECT_EQ(heap.calls(Call::kPrefault), 0u);
}

TEST(HugePageOptions, NeverIsSaidOfAllThatHoldsBlocks) {
  Optioned heap({HugePages::kNever, Prefault::kNo});
  heap.take(1024);
  const std::size_t ahead = heap.advised_ahead();
  EXPECT_EQ(heap.unwanted(), ahead);
  void* const large = heap.take(kLarge);
  EXPECT_EQ(heap.unwanted(), ahead + heap.memory().large_mapped);
  heap.give(large);
  EXPECT_EQ(heap.wanted(), 0u);
  Optioned v1({HugePages::kNever, Prefault::kNo}, v1_alone());
  v1.take(1024);
  EXPECT_EQ(v1.unwanted(), v1::Layout<Small>::kChunkBytes);
  EXPECT_EQ((*heap).boxes().platform.foreign_calls() + (*v1).boxes().platform.foreign_calls(), 0u);
}

TEST(HugePageOptions, MadviseAsksAndKeepsGuards) {
  FullOptioned heap({HugePages::kMadvise, Prefault::kNo});
  heap.take(1024);
  EXPECT_EQ(heap.wanted(), heap.advised_ahead());
  EXPECT_EQ(heap.calls(Call::kGuard), 1u);
  EXPECT_EQ(heap.unwanted(), 0u);
}

TEST(HugePageOptions, AlwaysLeavesOutGuardsInSuperslabsOnly) {
  FullOptioned heap({HugePages::kAlways, Prefault::kNo});
  heap.take(1024);
  EXPECT_EQ(heap.wanted(), heap.advised_ahead());
  EXPECT_EQ(heap.calls(Call::kGuard), 0u);
  heap.take(Full::Geometry::kBlockMax + 1);
  EXPECT_EQ(heap.calls(Call::kGuard), 2u);
}

TEST(HugePageOptions, OnlyMappingsThatCanHoldOneAreAskedFor) {
  Optioned heap({HugePages::kMadvise, Prefault::kNo});
  heap.take(kHugePageBytes - 4096);
  EXPECT_EQ(heap.wanted(), 0u);
  void* const p = heap.take(kHugePageBytes);
  EXPECT_EQ(heap.wanted(), kHugePageBytes + 2 * 4096) << "with its guards: it stays one mapping";
  ASSERT_NE((*heap).reallocate(nullptr, p, 2 * kHugePageBytes), nullptr);
  EXPECT_GE(heap.wanted(), 3 * kHugePageBytes) << "a mapping that grew, too";
  Optioned v1({HugePages::kAlways, Prefault::kNo}, v1_alone());
  v1.take(1024);
  EXPECT_EQ(v1.wanted(), 0u);
  EXPECT_EQ((*heap).boxes().platform.foreign_calls(), 0u);
}

// Before the first superslab of a part of the arena is committed: each is then of one mapping with
// the one before it.
TEST(HugePageOptions, SuperslabsAreAdvisedOnceAndAhead) {
  ColdSetUp<Small> boxes;
  boxes.cold.set_options({HugePages::kMadvise, Prefault::kNo});
  boxes.platform.fail_nth(Call::kCommit, 1);
  EXPECT_EQ(boxes.borrow(bin_of<Small>(1024)), nullptr);
  EXPECT_EQ(boxes.platform.calls(Call::kAdviseHuge), 1u);
  while (boxes.cold.superslabs_used() < 4) ASSERT_NE(boxes.borrow(bin_of<Small>(1024)), nullptr);
  EXPECT_EQ(boxes.platform.calls(Call::kAdviseHuge), 2u) << "the one refused is tried again";
  const std::size_t slabs = std::min<std::size_t>(boxes.arena.superslabs(), kSlabsAhead);
  EXPECT_EQ(boxes.platform.advised(HugeAdvice::kUse), 2 * slabs * kSuperslab);
  EXPECT_EQ(boxes.platform.calls(Call::kReveal), 2u);
}

// No guard is there to be taken away when pages of another size come.
TEST(HugePageOptions, SuperslabsWithoutGuardsChangeTheirLayoutUnasked) {
  ColdSetUp<Full> boxes;
  boxes.cold.set_options({HugePages::kAlways, Prefault::kNo});
  retire(boxes.cold, *boxes.borrow(bin_of<Full>(1024)));
  ASSERT_NE(boxes.borrow(bin_of<Full>(Full::Geometry::kBlockMax)), nullptr);
  EXPECT_EQ(boxes.cold.superslabs_used(), 1u);
  EXPECT_EQ(boxes.platform.calls(Call::kUnguard), 0u);
}

// A superslab that may be backed by a huge page is resident as a whole.
TEST(HugePageOptions, SuperslabsAreResidentAsAWhole) {
  for (const HugePages huge :
       {HugePages::kSystem, HugePages::kNever, HugePages::kMadvise, HugePages::kAlways}) {
    Optioned heap({huge, Prefault::kNo});
    heap.take(1024);
    const MemoryStats s = heap.memory();
    const bool whole = huge == HugePages::kMadvise || huge == HugePages::kAlways;
    EXPECT_EQ(s.small_resident == s.small_mapped, whole);
  }
}

TEST(PrefaultOption, PagesThatAreLentColdGetTheirMemory) {
  Optioned heap({HugePages::kSystem, Prefault::kYes});
  std::vector<void*> blocks;
  for (int i = 0; i < 4; ++i) blocks.push_back(heap.take(1024));  // one page
  EXPECT_EQ(heap.calls(Call::kPrefault), 1u);
  blocks.push_back(heap.take(1024));
  EXPECT_EQ(heap.calls(Call::kPrefault), 2u);
  EXPECT_EQ((*heap).boxes().platform.foreign_calls(), 0u);
  EXPECT_TRUE(FakePlatform::is_readable(blocks[0]));
}

TEST(PrefaultOption, GuardsGetNone) {
  ColdSetUp<Full> boxes;
  boxes.cold.set_options({HugePages::kSystem, Prefault::kYes});
  const BinIndex bin = bin_of<Full>(1024);
  ASSERT_NE(boxes.borrow(bin), nullptr);
  ASSERT_NE(boxes.borrow(bin), nullptr);
  const std::size_t page = std::size_t{1} << Full::Sizes::info(bin).page_shift;
  EXPECT_EQ(boxes.platform.prefaulted(), 2 * (page - Full::Sizes::kGuardBytes));
}

TEST(PrefaultOption, WarmPagesHaveTheirs) {
  ColdSetUp<Small> boxes;
  boxes.cold.set_options({HugePages::kSystem, Prefault::kYes});
  SoPage<Small>* const page = boxes.borrow(bin_of<Small>(1024));
  ASSERT_NE(page, nullptr);
  EXPECT_EQ(boxes.platform.calls(Call::kPrefault), 1u);
  retire(boxes.cold, *page);
  ASSERT_EQ(boxes.borrow(bin_of<Small>(1024)), page);
  EXPECT_EQ(boxes.platform.calls(Call::kPrefault), 1u);
  retire(boxes.cold, *page);
  boxes.cold.trim();
  ASSERT_EQ(boxes.borrow(bin_of<Small>(1024)), page);
  EXPECT_EQ(boxes.platform.calls(Call::kPrefault), 2u) << "trim took its memory";
}

TEST(PrefaultOption, ARefusalDoesNoHarm) {
  Optioned heap({HugePages::kSystem, Prefault::kYes});
  (*heap).boxes().platform.fail_after(Call::kPrefault, 0);
  char* const p = static_cast<char*>(heap.take(1024));
  ASSERT_NE(p, nullptr);
  p[0] = p[1023] = 'x';
  EXPECT_EQ((*heap).boxes().platform.failures(), 1u);
  heap.give(p);
  EXPECT_EQ(heap.memory().allocated(), 0u);
}

}  // namespace
}  // namespace hakmem::test
