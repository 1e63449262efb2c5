// Every schedule of a program, but for those that differ only in the order of steps that do not
// touch one another: dynamic partial-order reduction (Flanagan and Godefroid, POPL 2005) with sleep
// sets. A run is made anew for each; the steps of its prefix are chosen as before.
//
// Two steps are dependent when they are on the same object and one of them writes; system calls are
// all on one object. What is between two steps of a thread belongs to the first of them.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "models/schedule/scheduler.h"

namespace hakmem::schedule {

class Exploration final : public Chooser {
 public:
  using Threads = std::uint32_t;  // a bit each

  // Whether a schedule is left that was not run. Call before each run.
  bool next() {
    if (begun_ && !back_up()) return false;
    begun_ = true;
    ++runs_;
    depth_ = 0;
    objects_.clear();
    clocks_ = {};
    return true;
  }

  std::size_t choose(Threads ready, std::size_t current,
                     const std::array<Step, kThreadsMax>& steps) override {
    if (ready == 0) return kNobody;
    if (depth_ == nodes_.size()) {
      const Threads asleep = inherited();
      const Threads awake = ready & ~asleep;
      if (awake == 0) return kNobody;  // each of them leads to what was seen
      const std::size_t first = (awake >> current & 1) != 0 ? current : lowest(awake);
      nodes_.push_back({ready, asleep, 1u << first, 0, first, {}});
    }
    Node& node = nodes_[depth_];
    if (node.ready != ready) wandered_ = true;
    for (std::size_t t = 0; t < kThreadsMax; ++t)
      node.steps[t] = {steps[t].object, steps[t].writes};
    take(node.chosen, node.steps[node.chosen]);
    ++depth_;
    return node.chosen;
  }

  std::uint64_t runs() const { return runs_; }
  std::uint64_t states() const { return states_; }
  // A run took another way than its prefix had: something outside the schedule decided.
  bool wandered() const { return wandered_; }

 private:
  struct Touch {
    const void* object;
    bool writes;
  };
  struct Node {
    Threads ready, asleep, wanted, done;
    std::size_t chosen;
    std::array<Touch, kThreadsMax> steps;
  };
  using Clock = std::array<std::uint32_t, kThreadsMax>;  // of each thread, steps known; from 1
  struct Last {
    std::uint32_t step = 0;  // index + 1; 0: none
    Clock clock{};
  };
  struct Object {
    std::array<Last, kThreadsMax> read{}, written{};
  };

  static std::size_t lowest(Threads bits) { return static_cast<std::size_t>(__builtin_ctz(bits)); }
  static bool dependent(const Touch& a, const Touch& b) {
    return a.object != nullptr && a.object == b.object && (a.writes || b.writes);
  }

  // Threads whose next step, run from the node before, only leads to schedules that were seen.
  Threads inherited() const {
    if (depth_ == 0) return 0;
    const Node& before = nodes_[depth_ - 1];
    Threads asleep = 0;
    for (Threads bits = before.asleep | before.done; bits != 0; bits &= bits - 1) {
      const std::size_t t = lowest(bits);
      if (t != before.chosen && !dependent(before.steps[t], before.steps[before.chosen]))
        asleep |= 1u << t;
    }
    return asleep;
  }

  // The thread's step is done at this depth: where it could have come before another's, that is to
  // be tried.
  void take(std::size_t thread, const Touch& step) {
    ++states_;
    Clock& mine = clocks_[thread];
    if (step.object != nullptr) {
      Object& object = objects_[step.object];
      Clock known = mine;
      const auto meet = [&](std::size_t other, const Last& last) {
        if (last.step == 0 || other == thread) return;
        if (mine[other] < last.step) reverse(last.step - 1, thread);
        for (std::size_t t = 0; t < kThreadsMax; ++t)
          known[t] = known[t] < last.clock[t] ? last.clock[t] : known[t];
      };
      for (std::size_t t = 0; t < kThreadsMax; ++t) {
        meet(t, object.written[t]);
        if (step.writes) meet(t, object.read[t]);
      }
      mine = known;
      mine[thread] = depth_ + 1;
      (step.writes ? object.written : object.read)[thread] = {depth_ + 1, mine};
    } else {
      mine[thread] = depth_ + 1;
    }
  }
  void reverse(std::uint32_t depth, std::size_t thread) {
    Node& node = nodes_[depth];
    node.wanted |= (node.ready >> thread & 1) != 0 ? 1u << thread : node.ready;
  }

  bool back_up() {
    nodes_.resize(depth_);
    while (!nodes_.empty()) {
      Node& node = nodes_.back();
      node.done |= 1u << node.chosen;
      const Threads left = node.wanted & ~node.done & ~node.asleep;
      if (left != 0) {
        node.chosen = lowest(left);
        return true;
      }
      nodes_.pop_back();
    }
    return false;
  }

  std::vector<Node> nodes_;
  std::uint32_t depth_ = 0;
  std::unordered_map<const void*, Object> objects_;
  std::array<Clock, kThreadsMax> clocks_{};
  std::uint64_t runs_ = 0;
  std::uint64_t states_ = 0;
  bool begun_ = false;
  bool wandered_ = false;
};

}  // namespace hakmem::schedule
