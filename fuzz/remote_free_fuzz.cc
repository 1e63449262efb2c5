// remote_free: blocks of one context freed by others, contexts that are parked and adopted with
// frees on their way, drains by owners and scavengers. Contexts are used in turn by one thread, so
// every order is a trace; the model predicts each stack. Real threads: tests under TSan, and the
// model checker.
#include <array>

#include "fuzz/lockstep_run.h"
#include "fuzz/trace_mutator.h"

namespace hakmem::fuzz {
namespace {

using model::OpKind;

constexpr std::array kKinds{OpKind::kMalloc, OpKind::kFree,       OpKind::kMalloc,
                            OpKind::kFree,   OpKind::kThreadExit, OpKind::kRealloc,
                            OpKind::kFree,   OpKind::kDoubleFree, OpKind::kMaxPartial,
                            OpKind::kTrim,   OpKind::kRoute,      OpKind::kClock};

template <class C>
void run(TraceInput& input) {
  // Few sizes, so that pages of one bin go from hand to hand.
  if (input.header[3] % 2 != 0) {
    for (model::Op& op : input.ops) op.size = 1 + op.size % 64;
  }
  run_lockstep<C>(input, [&](model::Lockstep<C>& lockstep) {
    end_program(lockstep, input.header[3] % model::Lockstep<C>::kThreads);
  });
}

}  // namespace
}  // namespace hakmem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hakmem;
  fuzz::TraceInput input = fuzz::decode_input(data, size);
  fuzz::keep_kinds(input, fuzz::kKinds);
  switch (input.header[0] % 4) {
    case 2:
      fuzz::run<model::SmallPerf>(input);
      break;
    case 3:
      fuzz::run<model::ProductionHardened>(input);
      break;
    default:
      fuzz::run<fuzz::SmallPoisoned>(input);
      break;
  }
  return 0;
}
