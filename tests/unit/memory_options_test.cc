// HAKMEM_THP and HAKMEM_PREFAULT: what the boxes ask of the platform, and that nothing else
// changes. What the system makes of it: tests/citizen/huge_pages.cc.
#include "config/memory_options.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

constexpr std::size_t kSuperslab = Small::Sizes::kSuperslabBytes;
constexpr std::size_t kLarge = Small::Geometry::kBlockMax + 1;

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
  std::size_t wanted() { return heap_->platform().advised(HugeAdvice::kUse); }
  std::size_t unwanted() { return heap_->platform().advised(HugeAdvice::kAvoid); }
  std::uint64_t calls(Call kind) { return heap_->platform().calls(kind); }
  Survey survey() {
    Survey s;
    Surveyor<C>(*heap_).run(Patience::kWaits, s);
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
  EXPECT_EQ(heap.unwanted(), kSuperslab);
  void* const large = heap.take(kLarge);
  EXPECT_EQ(heap.unwanted(), kSuperslab + heap.survey().large_mapped);
  heap.give(large);
  EXPECT_EQ(heap.wanted(), 0u);
  Optioned v1({HugePages::kNever, Prefault::kNo}, v1_alone());
  v1.take(1024);
  EXPECT_EQ(v1.unwanted(), v1::Layout<Small>::kChunkBytes);
  EXPECT_EQ((*heap).platform().foreign_calls() + (*v1).platform().foreign_calls(), 0u);
}

TEST(HugePageOptions, MadviseAsksAndKeepsGuards) {
  FullOptioned heap({HugePages::kMadvise, Prefault::kNo});
  heap.take(1024);
  EXPECT_EQ(heap.wanted(), Full::Sizes::kSuperslabBytes);
  EXPECT_EQ(heap.calls(Call::kGuard), 1u);
  EXPECT_EQ(heap.unwanted(), 0u);
}

TEST(HugePageOptions, AlwaysLeavesOutGuardsInSuperslabsOnly) {
  FullOptioned heap({HugePages::kAlways, Prefault::kNo});
  heap.take(1024);
  EXPECT_EQ(heap.wanted(), Full::Sizes::kSuperslabBytes);
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
  EXPECT_EQ((*heap).platform().foreign_calls(), 0u);
}

// A superslab that may be backed by a huge page is resident as a whole.
TEST(HugePageOptions, SuperslabsAreResidentAsAWhole) {
  for (const HugePages huge :
       {HugePages::kSystem, HugePages::kNever, HugePages::kMadvise, HugePages::kAlways}) {
    Optioned heap({huge, Prefault::kNo});
    heap.take(1024);
    const Survey s = heap.survey();
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
  EXPECT_EQ((*heap).platform().foreign_calls(), 0u);
  EXPECT_TRUE(FakePlatform::is_readable(blocks[0]));
}

TEST(PrefaultOption, WarmPagesHaveTheirs) {
  Boxes<Small> boxes;
  boxes.cold.set_options({HugePages::kSystem, Prefault::kYes});
  SoPage<Small>* const page = boxes.borrow(bin_of<Small>(1024));
  ASSERT_NE(page, nullptr);
  EXPECT_EQ(boxes.platform.calls(Call::kPrefault), 1u);
  boxes.cold.retire_page(*page);
  ASSERT_EQ(boxes.borrow(bin_of<Small>(1024)), page);
  EXPECT_EQ(boxes.platform.calls(Call::kPrefault), 1u);
  boxes.cold.retire_page(*page);
  boxes.cold.trim();
  ASSERT_EQ(boxes.borrow(bin_of<Small>(1024)), page);
  EXPECT_EQ(boxes.platform.calls(Call::kPrefault), 2u) << "trim took its memory";
}

TEST(PrefaultOption, ARefusalDoesNoHarm) {
  Optioned heap({HugePages::kSystem, Prefault::kYes});
  (*heap).platform().fail_after(Call::kPrefault, 0);
  char* const p = static_cast<char*>(heap.take(1024));
  ASSERT_NE(p, nullptr);
  p[0] = p[1023] = 'x';
  EXPECT_EQ((*heap).platform().failures(), 1u);
  heap.give(p);
  EXPECT_EQ(heap.survey().allocated(), 0u);
}

}  // namespace
}  // namespace hakmem::test
