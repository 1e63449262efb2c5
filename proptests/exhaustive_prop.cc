// Small scope, all of it: every sequence over a small alphabet of ops, to the depth that the number
// of states allows, on the real code in the small geometry (4 slots a page, 2 pages a superslab,
// magazines of 4), in lockstep with the model. Sequences that reach a state seen before are not
// continued (models/lockstep/state_key.h says what a state is): their futures have been looked at.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <unordered_set>
#include <vector>

#include "models/lockstep/lockstep.h"
#include "models/lockstep/lockstep_configs.h"
#include "models/lockstep/state_key.h"

namespace hakmem::model {
namespace {

struct Explored {
  std::size_t depth = 0;      // every sequence up to this length was covered
  std::size_t states = 0;     // different ones
  std::size_t sequences = 0;  // run
};

class Explorer {
 public:
  Explorer(Trace prefix, Trace alphabet)
      : prefix_(std::move(prefix)), alphabet_(std::move(alphabet)) {
    options_.compare_every = 1;
    options_.audit_every = 1;
  }

  // Breadth first, until a level would take the run beyond `sequences_max`.
  Explored run(std::size_t sequences_max) {
    std::vector<Trace> level{prefix_};
    while (!level.empty() && done_.sequences + level.size() * alphabet_.size() <= sequences_max) {
      std::vector<Trace> next;
      for (const Trace& trace : level) {
        for (const Op& op : alphabet_) extend(trace, op, next);
        if (testing::Test::HasFailure()) return done_;
      }
      level.swap(next);
      ++done_.depth;
    }
    done_.states = seen_.size();
    return done_;
  }

 private:
  void extend(Trace trace, const Op& op, std::vector<Trace>& next) {
    trace.push_back(op);
    ++done_.sequences;
    // Every shorter part has been compared when it was run itself.
    options_.compare_every = options_.audit_every = static_cast<unsigned>(trace.size());
    Lockstep<SmallOrdered> run(options_);
    for (const Op& each : trace) {
      if (!run.step(each)) break;
    }
    run.finish();
    ASSERT_EQ(run.failure(), "") << cpp_of(trace, "SmallOrdered");
    StateKey key(run.model(), run.blocks());
    run.each_remembered([&](std::size_t n) { key.add(n); });
    if (seen_.insert(key.text()).second) next.push_back(trace);
  }

  LockstepOptions options_;
  Trace prefix_, alphabet_;
  std::unordered_set<std::string> seen_;
  Explored done_;
};

void explore(const char* what, const Trace& prefix, const Trace& alphabet,
             std::size_t depth_at_least, std::size_t sequences_max = 24000) {
  const Explored done = Explorer(prefix, alphabet).run(sequences_max);
  std::printf("%s: all sequences of up to %zu of %zu ops (%zu run, %zu states)\n", what, done.depth,
              alphabet.size(), done.sequences, done.states);
  EXPECT_GE(done.depth, depth_at_least);
}

constexpr Op malloc_by(unsigned thread, std::uint32_t size) {
  return {OpKind::kMalloc, static_cast<std::uint8_t>(thread), 0, size, 0};
}
constexpr Op free_by(unsigned thread, std::uint16_t which) {
  return {OpKind::kFree, static_cast<std::uint8_t>(thread), which, 0, 0};
}
constexpr Op exit_of(unsigned thread) {
  return {OpKind::kThreadExit, static_cast<std::uint8_t>(thread), 0, 0, 0};
}
constexpr std::uint16_t kNewest = 0;
constexpr std::uint16_t kOldest = 27719;  // the last of up to 12 blocks: -1 modulo 1 to 12

// Two threads hand blocks of one bin to each other and exit.
TEST(Exhaustive, TwoThreadsOneBin) {
  explore("two threads, one bin", {},
          {malloc_by(0, 1000), malloc_by(1, 1000), free_by(0, kNewest), free_by(1, kNewest),
           free_by(0, kOldest), exit_of(0), exit_of(1)},
          7);
}

// Blocks so large that a magazine holds two, and a page one: pages come and go.
TEST(Exhaustive, PagesFillAndEmpty) {
  explore(
      "pages", {{OpKind::kMaxPartial, 0, 0, 9, 1}},
      {malloc_by(0, 4096), free_by(0, kNewest), free_by(0, kOldest), free_by(0, 1), free_by(1, 2)},
      9);
}

// Classes put on v1 and back with blocks of both alive, C6 cached in front.
TEST(Exhaustive, PolicyFlips) {
  explore("policy", {},
          {malloc_by(0, 500),
           free_by(0, kNewest),
           free_by(0, kOldest),
           free_by(1, kNewest),
           {OpKind::kRoute, 0, 0, 6, 0},
           {OpKind::kRoute, 1, 0, 6, 1},
           {OpKind::kC6Hot, 0, 0, 0, 1},
           {OpKind::kCount, 1, 0, 0, 1}},
          6);
}

// Superslabs change their bin, the limit and the system refuse, trim comes in between.
TEST(Exhaustive, ColdBox) {
  explore("cold box", {{OpKind::kMask, 0, 0, 0, 0xFFFF}},
          {malloc_by(0, 4096),
           malloc_by(0, 2048),
           free_by(0, kNewest),
           free_by(0, kOldest),
           {OpKind::kTrim, 0, 0, 0, 0},
           {OpKind::kLimit, 0, 0, 0, 2},  // hard one unit more than held
           {OpKind::kCommitFails, 0, 0, 0, 1},
           {OpKind::kCommitFails, 0, 0, 0, 0}},
          7, 40000);
}

// Time passes over pages of four system pages: at rest, idle, tended by the other thread, purged.
TEST(Exhaustive, MemoryAtRest) {
  explore("memory at rest", {{OpKind::kMaxPartial, 0, 0, 9, 1}},
          {malloc_by(0, 4096),
           malloc_by(1, 2048),
           free_by(0, kNewest),
           free_by(1, kOldest),
           {OpKind::kClock, 0, 0, 0, 250},
           {OpKind::kPurge, 0, 0, 0, 0}},
          7);
}

// The memory limit is met, crossed, lowered and lifted with blocks of three heaps about.
TEST(Exhaustive, Limits) {
  explore("limits", {{OpKind::kMaxPartial, 0, 0, 9, 0}},
          {malloc_by(0, 4096),
           malloc_by(0, 9000),
           free_by(0, kNewest),
           free_by(0, kOldest),
           {OpKind::kLimit, 0, 0, 1, 5},  // soft what is held, hard 8 units more
           {OpKind::kLimit, 0, 0, 0, 1},  // hard what is held
           {OpKind::kLimit, 0, 0, 0, 0},  // none
           {OpKind::kPurge, 0, 0, 0, 0}},
          6, 5000);
}

}  // namespace
}  // namespace hakmem::model
