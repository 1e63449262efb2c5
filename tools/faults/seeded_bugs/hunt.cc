// Looks for a difference between the allocator it is compiled with and the model, for 60 seconds;
// prints how long it took, and the trace made small. Each trace runs in a child, so that a crash
// counts as found. Compiled by run.py against a copy of the sources that has a bug in it.
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "models/lockstep/lockstep.h"
#include "models/lockstep/lockstep_configs.h"
#include "models/lockstep/minimise.h"
#include "models/lockstep/op_generator.h"

namespace hakmem::model {
namespace {

using Allocators = HAKMEM_HUNT_CONFIG;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Exit status of the child: 0 no difference, else a difference or a crash.
int run_in_child(const Trace& trace, const LockstepOptions& options) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(10);
    if (freopen("/dev/null", "w", stderr) == nullptr) _exit(2);
    _exit(run_trace<Allocators>(trace, options).empty() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

int report(const Trace& trace, const LockstepOptions& options, double seconds) {
  const Trace small =
      minimise(trace, [&](const Trace& t) { return run_in_child(t, options) != 0; }, 4000);
  const int status = run_in_child(small, options);
  std::string what = "signal " + std::to_string(WTERMSIG(status));
  if (!WIFSIGNALED(status)) {
    what = run_trace<Allocators>(small, options);
    what = what.substr(0, what.find('\n'));
  }
  std::printf("found in %.2f s, %zu ops: %s\n%s", seconds, small.size(), what.c_str(),
              text_of(small).c_str());
  return 0;
}

int hunt() {
  const Clock::time_point start = Clock::now();
  for (std::uint64_t seed = 1; seconds_since(start) < 60; ++seed) {
    const Trace trace = OpGenerator(seed, Allocators::Sizes::kClasses).trace(400);
    LockstepOptions options;
    options.seed = seed;
    options.policy.count = seed % 3 == 0;
    if (run_in_child(trace, options) != 0) return report(trace, options, seconds_since(start));
  }
  std::printf("NOT FOUND\n");
  return 1;
}

}  // namespace
}  // namespace hakmem::model

int main() { return hakmem::model::hunt(); }
