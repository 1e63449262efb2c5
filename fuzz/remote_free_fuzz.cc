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

// Few sizes, so that pages of one bin go from hand to hand.
void keep_sizes_small(TraceInput& input) {
  for (model::Op& op : input.ops) op.size = 1 + op.size % 64;
}

}  // namespace
}  // namespace hakmem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hakmem::fuzz;
  TraceInput input = decode_kinds(data, size, kKinds);
  const std::uint8_t choice = input.header[3];
  if (choice % 2 != 0) keep_sizes_small(input);
  run_chosen(input, Flavours::kBoth, [&](auto& run) { end_program(run, choice % run.kThreads); });
  return 0;
}
