// What the whole-allocator properties share: rapidcheck draws a trace, lockstep runs it, a failure
// is made small and printed as text and as a C++ test. A crash prints the trace it happened in.
//
// The seed is fixed unless RC_PARAMS gives another one, and is printed:
//   RC_PARAMS="seed=7 max_success=1000" allocator_prop      more, and others
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "models/lockstep/lockstep.h"
#include "models/lockstep/lockstep_configs.h"
#include "models/lockstep/minimise.h"
#include "models/lockstep/op_generator.h"
#include "proptests/fixed_seed.h"

namespace hakmem::model {

// The trace being run, for the signal handler.
inline const Trace* g_running = nullptr;

inline void print_running_trace(int signal_number) {
  if (g_running != nullptr) {
    std::fprintf(stderr, "signal %d in this trace:\n%s", signal_number,
                 text_of(*g_running).c_str());
  }
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

template <class C>
std::string run_watched(const Trace& trace, const LockstepOptions& options) {
  signal(SIGSEGV, print_running_trace);
  signal(SIGABRT, print_running_trace);
  g_running = &trace;
  std::string failure = run_trace<C>(trace, options);
  g_running = nullptr;
  return failure;
}

struct Drawn {
  std::uint64_t seed = 0;
  std::size_t ops = 0;
};

// Fails the property with the smallest trace that still differs.
template <class C>
void check_trace(const Trace& trace, const LockstepOptions& options, const char* config) {
  const std::string failure = run_watched<C>(trace, options);
  if (failure.empty()) return;
  const Trace small =
      minimise(trace, [&](const Trace& t) { return !run_watched<C>(t, options).empty(); }, 3000);
  RC_FAIL(run_watched<C>(small, options) + "\nas C++ (seed " + std::to_string(options.seed) +
          "):\n" + cpp_of(small, config));
}

// Draws seeds rather than ops: shrinking is the minimiser's, which knows that every op may go.
template <class C>
void check_lockstep(std::size_t length, const LockstepOptions& options, const char* config) {
  const auto seed = *rc::gen::noShrink(rc::gen::arbitrary<std::uint32_t>());
  LockstepOptions mine = options;
  mine.seed = seed;
  mine.policy.count = seed % 2 == 0;
  mine.policy.learn = seed % 2 == 0;
  check_trace<C>(OpGenerator(seed, C::Sizes::kClasses).trace(length), mine, config);
}

}  // namespace hakmem::model
