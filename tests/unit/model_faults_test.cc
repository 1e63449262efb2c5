// Every system call failing at its k-th occurrence, for every k, in a scripted workload: the run
// stays in lockstep with the model while it fails and afterwards, laws hold throughout, the failure
// reaches the program as "no block" or is served by v1, and nothing is lost.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "models/lockstep/lockstep.h"
#include "models/lockstep/lockstep_configs.h"
#include "models/lockstep/op_generator.h"

namespace hakmem::model {
namespace {

// Every kind of op but a fork's child (its lost contexts keep pages) and those that make the system
// refuse on their own.
Trace workload() {
  Trace trace = OpGenerator(5, SmallHardened::Sizes::kClasses).trace(500);
  std::erase_if(trace, [](const Op& op) {
    return op.kind == OpKind::kForkChild || op.kind == OpKind::kCommitFails ||
           op.kind == OpKind::kMemoryFails;
  });
  for (std::uint32_t large = 0; large < 3; ++large) {
    trace.push_back({OpKind::kMalloc, 0, 0, 9000 + 4096 * large, 0});
    trace.push_back({OpKind::kRealloc, 1, 0, 12000, 0});
    trace.push_back({OpKind::kFree, 0, 1, 0, 0});
    trace.push_back({OpKind::kRoute, 0, 0, large, 0});
  }
  return trace;
}

struct Outcome {
  std::string failure;
  std::vector<std::uint64_t> calls;  // by kind
  std::uint64_t refused = 0;
};

template <class C>
Outcome run_with(const FaultPlan& plan) {
  LockstepOptions options;
  options.faults = plan;
  options.audit_every = 4;
  Lockstep<C> run(options);
  for (const Op& op : workload()) {
    if (!run.step(op)) break;
  }
  Outcome out;
  auto& platform = run.real().boxes().platform;
  for (std::size_t k = 0; k < static_cast<std::size_t>(Call::kCount); ++k) {
    out.calls.push_back(platform.calls(static_cast<Call>(k)));
  }
  out.refused = platform.failures();
  run.finish_empty();
  out.failure = run.failure();
  return out;
}

template <class C>
class Faults : public testing::Test {};
using Configs = testing::Types<SmallHardened, SmallPerf>;
TYPED_TEST_SUITE(Faults, Configs);

TYPED_TEST(Faults, EveryCallFailsOnce) {
  const Outcome undisturbed = run_with<TypeParam>({});
  ASSERT_EQ(undisturbed.failure, "");
  std::size_t runs = 0;
  for (const Call kind : {Call::kReserve, Call::kCommit, Call::kPurge, Call::kGuard, Call::kMap,
                          Call::kSparse, Call::kTable, Call::kOpen, Call::kRemap, Call::kProtect,
                          Call::kUnmap, Call::kUnsparse, Call::kReveal}) {
    const std::uint64_t calls = undisturbed.calls[static_cast<std::size_t>(kind)];
    for (std::uint64_t nth = 1; nth <= calls; ++nth, ++runs) {
      const Outcome out = run_with<TypeParam>({FaultPlan::Mode::kNth, kind, nth});
      ASSERT_EQ(out.failure, "") << "call " << nth << " of kind " << static_cast<int>(kind);
      // How much there is to be cut off a new mapping depends on where the kernel puts it.
      const bool reached = out.calls[static_cast<std::size_t>(kind)] >= nth;
      EXPECT_TRUE(reached || kind == Call::kUnmap);
      EXPECT_EQ(out.refused, reached ? 1u : 0u)
          << "call " << nth << " of kind " << static_cast<int>(kind);
    }
  }
  std::printf("%zu runs with one call failing\n", runs);
  EXPECT_GT(runs, 60u);
}

// From some call on the system refuses for good: v1 and large alone, or nothing at all.
TYPED_TEST(Faults, EveryKindFailsFromSomewhereOn) {
  for (const Call kind :
       {Call::kReserve, Call::kCommit, Call::kPurge, Call::kMap, Call::kSparse, Call::kTable,
        Call::kOpen, Call::kRemap, Call::kProtect, Call::kUnmap, Call::kUnsparse}) {
    for (const std::uint64_t from : {1u, 2u, 3u, 4u, 5u, 8u, 20u}) {
      const Outcome out = run_with<TypeParam>({FaultPlan::Mode::kAllFrom, kind, from});
      ASSERT_EQ(out.failure, "") << "from call " << from << " of kind " << static_cast<int>(kind);
    }
  }
}

// The process may have only so many mappings: the sharpest form of vm.max_map_count.
TYPED_TEST(Faults, AnyCapOnMappings) {
  std::uint64_t refused = 0;
  for (std::size_t most = 1; most <= 60; ++most) {
    FaultPlan plan;
    plan.mappings_max = most;
    const Outcome out = run_with<TypeParam>(plan);
    ASSERT_EQ(out.failure, "") << "with " << most << " mappings";
    refused += out.refused;
  }
  EXPECT_GT(refused, 1000u);
}

TEST(FaultsReachTheProgram, CommitRefusedIsServedByV1AndCounted) {
  Lockstep<SmallHardened> run({});
  ASSERT_TRUE(run.step({OpKind::kCount, 0, 0, 0, 1}));
  ASSERT_TRUE(run.step({OpKind::kCommitFails, 0, 0, 0, 1}));
  ASSERT_TRUE(run.step({OpKind::kMalloc, 0, 0, 100, 0}));
  ASSERT_EQ(run.blocks().size(), 1u);
  EXPECT_EQ(run.blocks().at(0).owned.heap, Heap::kV1);
  EXPECT_EQ(run.real().stats().by_class[4].alloc_fb_v1, 1u);
  ASSERT_TRUE(run.step({OpKind::kCommitFails, 0, 0, 0, 0}));
  ASSERT_TRUE(run.step({OpKind::kMalloc, 0, 0, 100, 0}));
  EXPECT_EQ(run.blocks().at(1).owned.heap, Heap::kV3);
}

TEST(FaultsReachTheProgram, NothingMappedIsNoBlock) {
  Lockstep<SmallHardened> run({});
  ASSERT_TRUE(run.step({OpKind::kCommitFails, 0, 0, 0, 1}));
  ASSERT_TRUE(run.step({OpKind::kMemoryFails, 0, 0, 0, 1}));
  ASSERT_TRUE(run.step({OpKind::kMalloc, 0, 0, 100, 0}));
  ASSERT_TRUE(run.step({OpKind::kMalloc, 0, 0, 10000, 0}));
  EXPECT_TRUE(run.blocks().empty());
  ASSERT_TRUE(run.step({OpKind::kMemoryFails, 0, 0, 0, 0}));
  ASSERT_TRUE(run.step({OpKind::kMalloc, 0, 0, 10000, 0}));
  EXPECT_EQ(run.blocks().size(), 1u);
  EXPECT_TRUE(run.finish());
}

// Every heap is refused what it would have to take; what it has it still hands out.
TEST(FaultsReachTheProgram, TheHardLimitIsRefusedByEveryHeapAndLiftedAgain) {
  Lockstep<SmallHardened> run({});
  ASSERT_TRUE(run.step({OpKind::kMalloc, 0, 0, 100, 0}));
  ASSERT_TRUE(run.step({OpKind::kLimit, 0, 0, 0, 1}));  // what is held, and no more
  ASSERT_TRUE(run.step({OpKind::kMalloc, 0, 0, 4000, 0}));
  ASSERT_TRUE(run.step({OpKind::kMalloc, 0, 0, 10000, 0}));
  EXPECT_EQ(run.blocks().size(), 1u);
  EXPECT_EQ(run.real().boxes().limit.refusals(Holder::kPages), 1u);
  EXPECT_EQ(run.real().boxes().limit.refusals(Holder::kChunks), 1u);
  EXPECT_EQ(run.real().boxes().limit.refusals(Holder::kMappings), 1u);
  ASSERT_TRUE(run.step({OpKind::kMalloc, 0, 0, 100, 0}));
  EXPECT_EQ(run.blocks().size(), 2u) << "out of the page that is there";
  ASSERT_TRUE(run.step({OpKind::kLimit, 0, 0, 0, 0}));
  ASSERT_TRUE(run.step({OpKind::kMalloc, 0, 0, 4000, 0}));
  EXPECT_EQ(run.blocks().size(), 3u);
  EXPECT_TRUE(run.finish_empty()) << run.failure();
}

// The block stays, and may be freed by the size that was asked for.
TEST(FaultsReachTheProgram, ABlockThatCannotShrinkIsFreedWithItsNewSize) {
  for (const OpKind refusing : {OpKind::kLimit, OpKind::kMemoryFails}) {
    Lockstep<SmallHardened> run({});
    ASSERT_TRUE(run.step({OpKind::kMalloc, 0, 0, 4096, 0}));
    ASSERT_TRUE(run.step({OpKind::kWrongSize, 0, 0, 32, 0}));
    ASSERT_TRUE(run.step({OpKind::kCommitFails, 0, 0, 0, 1}));
    ASSERT_TRUE(run.step({refusing, 0, 0, 0, 1}));
    ASSERT_TRUE(run.step({OpKind::kRealloc, 0, 0, 32, 0}));
    const Block& block = run.blocks().at(run.blocks().pick(0));
    EXPECT_TRUE(block.unmovable);
    EXPECT_EQ(block.asked, 32u);
    ASSERT_TRUE(run.step({OpKind::kWrongSize, 0, 0, 32, 0}));
    ASSERT_TRUE(run.step({OpKind::kFreeSized, 0, 0, 0, 0})) << run.failure();
    EXPECT_TRUE(run.finish()) << run.failure();
  }
}

}  // namespace
}  // namespace hakmem::model
