// policy_flip: classes go to v1 and back while their blocks are live, in all contexts, with the
// cold box refusing at times (fallback to v1), budgets and limits, and the learner at work. In
// lockstep with the model; at the end everything is rolled back to v1, then freed: nothing may be
// lost.
#include <array>

#include "fuzz/lockstep_run.h"
#include "fuzz/trace_mutator.h"

namespace hakmem::fuzz {
namespace {

using model::OpKind;

constexpr std::array kKinds{
    OpKind::kMalloc,     OpKind::kFree,       OpKind::kRoute,   OpKind::kMalloc,
    OpKind::kFree,       OpKind::kMask,       OpKind::kRealloc, OpKind::kC6Hot,
    OpKind::kMaxPartial, OpKind::kWarmCap,    OpKind::kCount,   OpKind::kCommitFails,
    OpKind::kBudget,     OpKind::kThreadExit, OpKind::kAligned, OpKind::kDoubleFree,
    OpKind::kTrim,       OpKind::kLimit,      OpKind::kPurge};
constexpr std::array kAlsoKept{OpKind::kLearn, OpKind::kClock};

template <class C>
void run(const TraceInput& input) {
  run_lockstep<C>(input, [&](model::Lockstep<C>& lockstep) {
    const std::uint8_t by = input.header[3] % model::Lockstep<C>::kThreads;
    lockstep.step({OpKind::kMask, by, 0, 0, input.header[3] < 128 ? 0u : kMaskAll});
    lockstep.step({OpKind::kMalloc, by, 0, 400, 0});
    end_program(lockstep, by);
  });
}

}  // namespace
}  // namespace hakmem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hakmem;
  fuzz::TraceInput input = fuzz::decode_input(data, size);
  fuzz::keep_kinds(input, fuzz::kKinds, fuzz::kAlsoKept);
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
