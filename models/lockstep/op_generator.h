// Random ops and random changes to traces: what the property tests draw from, and the custom
// mutator and crossover of the fuzz targets. Sizes cluster around the bounds of bins and classes,
// runs of one size and of frees are common: pages fill up and empty.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/rng.h"
#include "models/lockstep/ops.h"

namespace hakmem::model {

class OpGenerator {
 public:
  // `classes`: of the geometry; larger sizes are drawn too.
  OpGenerator(std::uint64_t seed, unsigned classes) : rng_(seed), classes_(classes) {}

  Op op() {
    Op op;
    op.kind = kind();
    const bool any_thread = mood_ == kThreads || rng_.below(3) == 0;
    op.thread = static_cast<std::uint16_t>(any_thread ? rng_.below(4) : last_thread_);
    last_thread_ = op.thread;
    op.block = static_cast<std::uint16_t>(rng_.below(2) == 0 ? rng_.below(4) : rng_.below(400));
    op.size = is_policy(op.kind) ? size_class() : op.kind == OpKind::kLimit ? level() : size();
    op.arg = arg(op.kind);
    return op;
  }

  // `count` ops. Each trace has a mood: how many sizes it uses, and what is frequent in it.
  Trace trace(std::size_t count) {
    Trace ops;
    favourites_ = 1 + rng_.below(6);
    for (std::uint32_t i = 0; i < favourites_; ++i) favourite_[i] = any_size();
    mood_ = static_cast<Mood>(rng_.below(4));
    while (ops.size() < count) {
      ops.push_back(op());
      if (rng_.below(24) == 0) repeat(ops, count);
    }
    return ops;
  }

  // One change, at least one op long afterwards.
  void mutate(Trace& trace, std::size_t most) {
    if (trace.empty()) trace.push_back(op());
    const std::size_t at = place(trace);
    switch (rng_.below(8)) {
      case 0:
        trace[at] = op();
        break;
      case 1:
        trace[at].size = any_size();
        break;
      case 2:
        trace[at].block = static_cast<std::uint16_t>(rng_.below(64));
        break;
      case 3:
        trace[at].thread = static_cast<std::uint8_t>(rng_.below(4));
        break;
      case 4:
        erase_some(trace, at);
        break;
      case 5:
        trace[at].arg = arg(trace[at].kind);
        break;
      case 6:
        insert_run(trace, at);
        break;
      default:
        trace.insert(trace.begin() + static_cast<std::ptrdiff_t>(at), op());
        break;
    }
    if (trace.size() > most) trace.resize(most);
  }

  // The head of one, the tail of the other.
  Trace cross(const Trace& a, const Trace& b, std::size_t most) {
    Trace out(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(a.empty() ? 0 : place(a)));
    const std::size_t from = b.empty() ? 0 : place(b);
    out.insert(out.end(), b.begin() + static_cast<std::ptrdiff_t>(from), b.end());
    if (out.size() > most) out.resize(most);
    return out;
  }

 private:
  enum Mood : unsigned { kGrows, kFrees, kThreads, kTime };

  static bool is_policy(OpKind k) {
    return k == OpKind::kRoute || k == OpKind::kMaxPartial || k == OpKind::kWarmCap;
  }
  std::size_t place(const Trace& t) { return rng_.below(static_cast<std::uint32_t>(t.size())); }

  OpKind kind() {
    if (mood_ == kFrees && rng_.below(4) == 0) return OpKind::kFree;
    if (mood_ == kThreads && rng_.below(8) == 0) return OpKind::kThreadExit;
    if (mood_ == kTime && rng_.below(8) == 0) {
      return rng_.below(4) == 0 ? OpKind::kWarmCap : OpKind::kClock;
    }
    unsigned total = 0;
    for (const OpName& name : kOpNames) total += name.weight;
    std::uint32_t ticket = rng_.below(total);
    for (const OpName& name : kOpNames) {
      if (ticket < name.weight) return name.kind;
      ticket -= name.weight;
    }
    return OpKind::kMalloc;
  }

  std::uint32_t level() { return rng_.below(2) == 0 ? rng_.below(8) : 0; }
  std::uint32_t size_class() { return rng_.below(classes_); }
  std::uint32_t size() {
    return rng_.below(3) == 0 ? any_size() : favourite_[rng_.below(favourites_)];
  }
  // Around the top of a bin: a quarter of a class, one less, one more.
  std::uint32_t any_size() {
    const std::uint32_t top = 8u << rng_.below(classes_ + (rng_.below(8) == 0 ? 2 : 0));
    const std::uint32_t bin = top - rng_.below(4) * (top / 8);
    const std::uint32_t spot = rng_.below(6);
    if (spot == 0) return bin + 1;
    if (spot == 1) return bin - 1;
    return spot == 2 ? rng_.below(top + 1) : bin;
  }
  std::uint32_t arg(OpKind kind) {
    switch (kind) {
      case OpKind::kAligned:
        return rng_.below(15);
      case OpKind::kMask:
        return rng_.below(3) == 0 ? 0xFFFF : static_cast<std::uint32_t>(rng_.next());
      case OpKind::kRoute:
      case OpKind::kC6Hot:
      case OpKind::kCount:
        return rng_.below(2);
      case OpKind::kLearn:
        return rng_.below(4) == 0 ? 0 : 1;
      case OpKind::kCommitFails:
      case OpKind::kMemoryFails:
        return rng_.below(3) == 0 ? 1 : 0;
      case OpKind::kMaxPartial:
      case OpKind::kWarmCap:
        return rng_.below(4);
      case OpKind::kClock:
        return rng_.below(3000);
      case OpKind::kLimit:
        return level();
      default:
        return static_cast<std::uint32_t>(rng_.next());
    }
  }

  void repeat(Trace& ops, std::size_t count) {
    const Op again = ops.back();
    for (std::uint32_t n = rng_.below(12); n > 0 && ops.size() < count; --n) ops.push_back(again);
  }
  void insert_run(Trace& trace, std::size_t at) {
    const Op again = rng_.below(2) == 0 ? op() : trace[at];
    trace.insert(trace.begin() + static_cast<std::ptrdiff_t>(at), 1 + rng_.below(12), again);
  }
  void erase_some(Trace& trace, std::size_t at) {
    const std::size_t end = std::min(trace.size(), at + 1 + rng_.below(8));
    if (end - at == trace.size()) return;
    trace.erase(trace.begin() + static_cast<std::ptrdiff_t>(at),
                trace.begin() + static_cast<std::ptrdiff_t>(end));
  }

  Rng rng_;
  unsigned classes_;
  std::uint16_t last_thread_ = 0;
  std::uint32_t favourites_ = 1;
  std::uint32_t favourite_[6] = {40, 40, 40, 40, 40, 40};
  Mood mood_ = kGrows;
};

}  // namespace hakmem::model
