// misuse: pointers that must be refused between ops that are legal. What free would do about a
// pointer is what Allocator::locate says, so a run goes on behind a misuse. The model gives the
// verdict for the arena (models/lockstep/lockstep_pointers.h); here every live block, wherever it
// is, is also judged from what the program knows: its start is legal, its inside is not.
#include <array>

#include "fuzz/lockstep_run.h"
#include "fuzz/trace_mutator.h"

namespace hakmem::fuzz {
namespace {

using model::OpKind;

constexpr std::array kKinds{OpKind::kMalloc,      OpKind::kFree,      OpKind::kDoubleFree,
                            OpKind::kInterior,    OpKind::kMalloc,    OpKind::kMisaligned,
                            OpKind::kWild,        OpKind::kWrongSize, OpKind::kFreedRealloc,
                            OpKind::kRealloc,     OpKind::kFreeSized, OpKind::kAligned,
                            OpKind::kThreadExit,  OpKind::kRoute,     OpKind::kC6Hot,
                            OpKind::kCommitFails, OpKind::kTrim,      OpKind::kFree};

template <class C>
Fault verdict(model::Lockstep<C>& run, std::uintptr_t address) {
  return run.real().locate(reinterpret_cast<const void*>(address)).fault;
}

// An aligned and a misaligned place inside the block, chosen by `where`.
template <class C>
void judge_block(model::Lockstep<C>& run, const model::Block& block, std::size_t where) {
  const std::uintptr_t begin = block.owned.address;
  require(verdict(run, begin) == Fault::kNone, "a live block is refused");
  const std::size_t inside = 1 + where % (block.usable - 1);
  if (inside % kMinBlock != 0) {
    require(verdict(run, begin + inside) == Fault::kMisalignedFree, "misaligned, but not said so");
  }
  const std::size_t aligned = inside / kMinBlock * kMinBlock;
  if (aligned == 0) return;
  require(verdict(run, begin + aligned) == Fault::kInteriorFree, "interior, but not said so");
}

template <class C>
void judge_freed(model::Lockstep<C>& run, std::uintptr_t address) {
  for (const model::Block& block : run.blocks().all()) {
    if (address - block.owned.address < block.usable) return;  // handed out again
  }
  const Fault fault = verdict(run, address);
  require(fault == Fault::kDoubleFree || fault == Fault::kInvalidFree ||
              fault == Fault::kInteriorFree || fault == Fault::kNotMine,
          "a freed block is not refused");
}

template <class C>
void judge_all(model::Lockstep<C>& run, std::size_t where) {
  for (const model::Block& block : run.blocks().all()) judge_block(run, block, where += 7);
  for (const std::uintptr_t freed : run.blocks().freed()) judge_freed(run, freed);
}

}  // namespace
}  // namespace hakmem::fuzz

// Without checks a freed block may look live: hardened configurations alone.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hakmem::fuzz;
  const TraceInput input = decode_kinds(data, size, kKinds);
  run_chosen(input, Flavours::kHardened, [&](auto& run) { judge_all(run, input.header[3]); });
  return 0;
}
