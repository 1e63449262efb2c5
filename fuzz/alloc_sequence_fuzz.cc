// alloc_sequence: all ops in lockstep with the reference model, which predicts every page, slot,
// magazine, counter and route (models/lockstep/lockstep.h). Small geometry reaches every edge
// within a few ops, with free slots poisoned; four pages a superslab show every tier; production
// geometry is what ships; each hardened and without checks.
#include "fuzz/lockstep_run.h"
#include "fuzz/trace_mutator.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hakmem;
  const fuzz::TraceInput input = fuzz::decode_input(data, size);
  switch (input.header[0] % 8) {
    case 3:
      fuzz::run_lockstep<model::FourPagesHardened>(input);
      break;
    case 4:
      fuzz::run_lockstep<model::SmallPerf>(input);
      break;
    case 6:
      fuzz::run_lockstep<model::ProductionHardened>(input);
      break;
    case 7:
      fuzz::run_lockstep<model::ProductionPerf>(input);
      break;
    default:
      fuzz::run_lockstep<fuzz::SmallPoisoned>(input);
      break;
  }
  return 0;
}
