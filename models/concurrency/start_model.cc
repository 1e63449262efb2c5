// The start of the process's heap under the model checker: however many threads come first, one
// sets up, the others wait for it, and all see what was set up (B1).
#include "models/concurrency/checked_platform.h"
#include "models/concurrency/explore.h"

#include "config/geometry_proofs.h"
#include "pal/start_gate.h"

namespace hakmem::checked {
namespace {

// Of the sizes of all these models.
static_assert(sizeof(SizeProofs<Tiny::Sizes>) && sizeof(SizeProofs<TinyPerf::Sizes>));

template <unsigned kThreads>
struct Start : rl::test_suite<Start<kThreads>, kThreads> {
  Iteration iteration;
  StartGate<Tiny> gate;
  Payload heap;
  int starts = 0, firsts = 0;
  void thread(unsigned) {
    if (!gate.is_open() && gate.open([this] { heap.write(++starts); })) ++firsts;
    RL_ASSERT(heap.read() == 1);
  }
  void after() { RL_ASSERT(starts == 1 && firsts == 1 && gate.is_open()); }
};

}  // namespace
}  // namespace hakmem::checked

int main(int argc, char** argv) {
  using namespace hakmem::checked;
  Runner run(argc, argv);
  run.every<Start<2>>("2 threads come first", 6);
  run.every<Start<3>>("3 threads come first", 4);
  run.needs<Start<2>>("B1", Side::kRelease, 3);
  run.needs<Start<2>>("B1", Side::kAcquire, 3);
  run.needs<Start<2>>("L1", Side::kRelease, 3);
  run.needs<Start<2>>("L1", Side::kAcquire, 3);
  return run.status();
}
