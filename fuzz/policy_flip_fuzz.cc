// policy_flip: classes go to v1 and back while their blocks are live, in all contexts, with the
// cold box refusing at times (fallback to v1), limits, and the learner at work. In
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
    OpKind::kLimit,      OpKind::kThreadExit, OpKind::kAligned, OpKind::kDoubleFree,
    OpKind::kTrim,       OpKind::kLimit,      OpKind::kPurge};
constexpr std::array kAlsoKept{OpKind::kLearn, OpKind::kClock};

template <class C>
void roll_back(model::Lockstep<C>& run, std::uint8_t choice) {
  const std::uint8_t by = choice % model::Lockstep<C>::kThreads;
  run.step({OpKind::kMask, by, 0, 0, choice < 128 ? 0u : kMaskAll});
  run.step({OpKind::kMalloc, by, 0, 400, 0});
  end_program(run, by);
}

}  // namespace
}  // namespace hakmem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hakmem::fuzz;
  const TraceInput input = decode_kinds(data, size, kKinds, kAlsoKept);
  run_chosen(input, Flavours::kBoth, [&](auto& run) { roll_back(run, input.header[3]); });
  return 0;
}
