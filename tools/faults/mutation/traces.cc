// Random traces in lockstep with the model, over every geometry and flavour: the quick judge of a
// mutant. Exits 1 at the first difference. Unlike the properties it does not make the trace small.
#include <cstdint>
#include <cstdlib>

#include "models/lockstep/lockstep.h"
#include "models/lockstep/lockstep_configs.h"
#include "models/lockstep/op_generator.h"

namespace hakmem::model {
namespace {

template <class C>
void run(std::uint64_t first, std::uint64_t seeds, std::size_t length, LockstepOptions options) {
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    options.seed = seed;
    options.policy.count = seed % 3 == 0;
    const Trace trace = OpGenerator(seed, C::Sizes::kClasses).trace(length);
    if (!run_trace<C>(trace, options).empty()) std::_Exit(1);
  }
}

}  // namespace
}  // namespace hakmem::model

int main(int argc, char** argv) {
  using namespace hakmem::model;
  const std::uint64_t seeds = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 20;
  LockstepOptions on_v1;
  on_v1.policy.set_v3_mask(0x80);
  on_v1.policy.c6_hot = true;
  LockstepOptions now_and_then;
  now_and_then.compare_every = 16;
  now_and_then.audit_every = 256;
  // A few of each first: most mutants differ within one trace.
  for (std::uint64_t first = 1; first <= seeds; first += 5) {
    run<SmallHardened>(first, 5, 400, {});
    run<FourPagesHardened>(first, 5, 500, {});
    run<SmallPerf>(first, 2, 200, {});
    run<SmallHardened>(first, 1, 200, on_v1);
    run<ProductionHardened>(first, 1, 500, now_and_then);
    run<ProductionPerf>(first, 1, 300, now_and_then);
  }
}
