// Makes a failing trace small: drops stretches of ops (halves, quarters, ... single ones) while it
// still fails, then makes the numbers of what is left plain. Since every op is valid in every
// state, anything may be dropped.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "models/lockstep/ops.h"

namespace hakmem::model {

// Fails: bool(const Trace&). Requires: fails(trace).
template <class Fails>
class Minimiser {
 public:
  Minimiser(Fails fails, std::size_t runs_max) : fails_(fails), runs_left_(runs_max) {}

  Trace run(Trace trace) {
    for (bool smaller = true; smaller;) {
      smaller = drop_stretches(trace);
      smaller = simplify_numbers(trace) || smaller;
    }
    return trace;
  }

 private:
  bool still_fails(const Trace& trace) {
    if (runs_left_ == 0) return false;
    --runs_left_;
    return fails_(trace);
  }

  bool drop_stretches(Trace& trace) {
    const std::size_t before = trace.size();
    for (std::size_t n = std::max<std::size_t>(trace.size() / 2, 1);; n /= 2) {
      for (std::size_t at = trace.size(); at > 0;) {
        at = at > n ? at - n : 0;
        Trace shorter = trace;
        const auto from = shorter.begin() + static_cast<std::ptrdiff_t>(at);
        const auto left = static_cast<std::ptrdiff_t>(std::min(n, shorter.size() - at));
        shorter.erase(from, from + left);
        if (still_fails(shorter)) trace = shorter;
      }
      if (n <= 1) return trace.size() < before;
    }
  }

  bool simplify_numbers(Trace& trace) {
    bool changed = false;
    for (std::size_t i = 0; i < trace.size(); ++i) {
      changed = try_values(trace, i, &Op::thread, {0, 1}) || changed;
      changed = try_values(trace, i, &Op::block, {0, 1, 2}) || changed;
      changed = try_values(trace, i, &Op::arg, {0, 1, 2}) || changed;
      changed = try_values(trace, i, &Op::size, {0, 16, 1024}) || changed;
    }
    return changed;
  }
  // Takes the first value at which the trace still fails.
  template <class Number>
  bool try_values(Trace& trace, std::size_t i, Number Op::* member,
                  std::initializer_list<unsigned> values) {
    for (const unsigned value : values) {
      const auto wanted = static_cast<Number>(value);
      if (trace[i].*member <= wanted) return false;
      Trace simpler = trace;
      simpler[i].*member = wanted;
      if (!still_fails(simpler)) continue;
      trace = simpler;
      return true;
    }
    return false;
  }

  Fails fails_;
  std::size_t runs_left_;
};

template <class Fails>
Trace minimise(const Trace& trace, Fails fails, std::size_t runs_max = 20000) {
  return Minimiser<Fails>(fails, runs_max).run(trace);
}

}  // namespace hakmem::model
