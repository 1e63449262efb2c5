// What the threads of a scheduled run do: a program of a few operations a thread over a common
// table of blocks, made from a seed, and printed so that a person can follow it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "base/rng.h"

namespace hakmem::schedule {

enum class Kind : unsigned char {
  kMalloc,  // into the cell, if it is empty
  kCalloc,
  kAligned,
  kFree,  // what is in the cell, if anything
  kRealloc,
  kUsable,
  kTwice,  // misuse: two threads free the cell's block, each by one of these
  kTrim,
  kPurge,
  kStats,
  kPolicy,  // the class's route to and fro
  kCount,   // counting and learning on or off
  kLimit,
  kClock,    // a decay period passes
  kRestart,  // the thread ends, and another begins in its place
  kFork,     // and this thread goes on in the child
  kKinds
};

constexpr const char* name_of(Kind kind) {
  constexpr const char* kNames[] = {"malloc", "calloc", "aligned", "free",  "realloc", "usable",
                                    "twice",  "trim",   "purge",   "stats", "policy",  "count",
                                    "limit",  "clock",  "restart", "fork"};
  return kNames[static_cast<std::size_t>(kind)];
}

struct Op {
  Kind kind = Kind::kMalloc;
  std::uint8_t cell = 0;
  std::uint32_t size = 0;
};

struct Program {
  std::vector<std::vector<Op>> threads;
  // With it all contexts are there before the first step, the first thread's has done this, and
  // they are parked when all is at rest: what is explored is the threads' ops and nothing else.
  std::vector<Op> before{};

  std::size_t ops() const {
    std::size_t n = 0;
    for (const auto& thread : threads) n += thread.size();
    return n;
  }
};

struct Flavour {
  bool misuse = false;
  bool forks = false;
  bool policies = true;  // which route a class takes; v1 holds its lock over its system calls
};

inline constexpr std::uint32_t kCells = 10;

class ProgramMaker {
 public:
  ProgramMaker(std::uint64_t seed, const Flavour& flavour) : rng_(seed), flavour_(flavour) {}

  // `ops`: in all threads together, about.
  Program make(std::size_t ops) {
    Program program;
    const std::size_t threads = 2 + rng_.below(3);
    constexpr std::uint32_t kDifferent[] = {1, 3, 6};
    different_ = kDifferent[rng_.below(3)];
    constexpr std::uint32_t kBlocks[] = {2, 4, kCells};
    cells_ = kBlocks[rng_.below(3)];
    for (std::size_t t = 0; t < threads; ++t) {
      auto& thread = program.threads.emplace_back();
      for (std::size_t i = 0; i < ops / threads; ++i) thread.push_back(op());
    }
    if (flavour_.misuse) add_pair(program);
    return program;
  }

 private:
  // One thread makes a block, and that one and another free it.
  void add_pair(Program& program) {
    const auto threads = static_cast<std::uint32_t>(program.threads.size());
    const std::uint32_t maker = rng_.below(threads);
    const std::uint32_t other = (maker + 1 + rng_.below(threads - 1)) % threads;
    const auto cell = static_cast<std::uint8_t>(rng_.below(cells_));
    auto& makes = program.threads[maker];
    const auto at = [this](const std::vector<Op>& ops, std::size_t from) {
      const auto room = static_cast<std::uint32_t>(ops.size() - from + 1);
      return static_cast<std::ptrdiff_t>(from + rng_.below(room));
    };
    const std::ptrdiff_t made = at(makes, 0);
    makes.insert(makes.begin() + made, {Kind::kMalloc, cell, size()});
    makes.insert(makes.begin() + at(makes, static_cast<std::size_t>(made) + 1),
                 {Kind::kTwice, cell, 0});
    auto& frees = program.threads[other];
    frees.insert(frees.begin() + at(frees, 0), {Kind::kTwice, cell, 0});
  }
  Op op() {
    const auto cell = static_cast<std::uint8_t>(rng_.below(cells_));
    return {kind(), cell, size()};
  }
  Kind kind() {
    const std::uint32_t roll = rng_.below(100);
    if (flavour_.misuse && roll >= 88) return Kind::kTwice;
    if (flavour_.forks && roll == 87) return Kind::kFork;
    if (roll < 34) return Kind::kMalloc;
    if (roll < 64) return Kind::kFree;
    constexpr Kind kOthers[] = {Kind::kCalloc,  Kind::kAligned, Kind::kRealloc, Kind::kUsable,
                                Kind::kTrim,    Kind::kPurge,   Kind::kStats,   Kind::kPolicy,
                                Kind::kCount,   Kind::kLimit,   Kind::kClock,   Kind::kClock,
                                Kind::kRestart, Kind::kRestart, Kind::kRealloc, Kind::kTrim};
    const Kind other = kOthers[rng_.below(std::size(kOthers))];
    return other == Kind::kPolicy && !flavour_.policies ? Kind::kMalloc : other;
  }
  // Few different ones: threads are to meet on the same pages.
  std::uint32_t size() {
    constexpr std::uint32_t kSizes[] = {1000, 16, 300, 2000, 5000, 40000};
    return kSizes[rng_.below(rng_.below(8) == 0 ? std::size(kSizes) : different_)];
  }

  Rng rng_;
  Flavour flavour_;
  std::uint32_t different_ = 1;
  std::uint32_t cells_ = kCells;
};

inline void print(const Op& op) {
  std::printf(" %s(%u,%u)", name_of(op.kind), unsigned{op.cell}, op.size);
}
inline void print(const Program& program) {
  if (!program.before.empty()) {
    std::printf("  before:  ");
    for (const Op& op : program.before) print(op);
    std::printf("\n");
  }
  for (std::size_t t = 0; t < program.threads.size(); ++t) {
    std::printf("  thread %zu:", t);
    for (const Op& op : program.threads[t]) print(op);
    std::printf("\n");
  }
}

}  // namespace hakmem::schedule
