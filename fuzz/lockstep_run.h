// What the lockstep targets share: a run over the kinds of ops that a target is about, and the end
// of the program: every thread exits, every block is freed, and nothing is left over.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "fuzz/check.h"
#include "fuzz/poison_world.h"
#include "fuzz/trace_input.h"
#include "models/lockstep/lockstep.h"
#include "models/lockstep/lockstep_configs.h"

namespace hakmem::fuzz {

// Everything is compared every few ops, the context that acted more often, and all at the end; what
// an op returns and the block it is about, after each. A difference is then looked for op by op.
// Production's magazines hold hundreds of blocks, so there half as often.
template <class C>
inline constexpr unsigned kCompareEvery = C::Geometry::kMagazineMax > 16 ? 32 : 16;

template <class C>
model::LockstepOptions options_of(const TraceInput& input, unsigned compare_every) {
  model::LockstepOptions options;
  options.seed = input.seed();
  options.policy = input.policy();
  options.compare_every = compare_every;
  options.context_every = compare_every / 4 == 0 ? 1 : compare_every / 4;
  options.audit_every = 64;
  return options;
}

// Calls after(run) when the trace is through without a difference.
template <class C, class After>
bool run_once(const TraceInput& input, unsigned compare_every, bool report, After&& after) {
  model::Lockstep<C> run(options_of<C>(input, compare_every));
  const PoisonScope<C> poison(run.real().boxes().arena);
  for (const model::Op& op : ops_run<C>(input)) {
    if (!run.step(op)) break;
  }
  if (run.difference().empty()) after(run);
  run.finish();
  if (report && !run.difference().empty()) fail(run.failure());
  return run.difference().empty();
}

template <class C, class After>
void run_lockstep(const TraceInput& input, After&& after) {
  if (run_once<C>(input, kCompareEvery<C>, false, after)) return;
  run_once<C>(input, 1, true, after);  // names the first difference
  run_once<C>(input, kCompareEvery<C>, true,
              after);  // or it shows only in the rhythm it was found in
}

template <class C>
void run_lockstep(const TraceInput& input) {
  run_lockstep<C>(input, [](model::Lockstep<C>&) {});
}

// The input of a target that is about some kinds of ops: every op is mapped onto one of those, by
// their share in the list. Kinds that came later are in `also`: then older inputs keep their
// meaning.
inline TraceInput decode_kinds(const std::uint8_t* data, std::size_t size,
                               std::span<const model::OpKind> kinds,
                               std::span<const model::OpKind> also = {}) {
  const auto is_in = [](std::span<const model::OpKind> list, model::OpKind kind) {
    return std::find(list.begin(), list.end(), kind) != list.end();
  };
  TraceInput input = decode_input(data, size);
  for (model::Op& op : input.ops) {
    if (is_in(kinds, op.kind) || is_in(also, op.kind)) continue;
    op.kind = kinds[static_cast<std::size_t>(op.kind) % kinds.size()];
  }
  return input;
}

enum class Flavours : unsigned char { kHardened, kBoth };

// Runs the input in the configuration that its header chooses: mostly the small geometry with free
// slots poisoned, else production's, and the small one without checks if the target judges that.
template <class After>
void run_chosen(const TraceInput& input, Flavours flavours, After&& after) {
  const unsigned choice = input.header[0] % 8;
  if (choice == 7) return run_lockstep<model::ProductionHardened>(input, after);
  if (choice % 4 == 2 && flavours == Flavours::kBoth)
    return run_lockstep<model::SmallPerf>(input, after);
  run_lockstep<SmallPoisoned>(input, after);
}

// The program ends: blocks are freed by the thread `by`, then all threads exit. Nothing may be lent
// or live afterwards. Requires: no fork among the ops, whose lost threads keep their pages.
template <class C>
void end_program(model::Lockstep<C>& run, std::uint8_t by) {
  using model::OpKind;
  for (const OpKind calm : {OpKind::kCommitFails, OpKind::kMemoryFails, OpKind::kLimit}) {
    run.step({calm, by, 0, 0, 0});
  }
  while (!run.blocks().empty() && run.step({OpKind::kFree, by, 0, 0, 0})) {
  }
  for (std::uint8_t t = 0; t < model::Lockstep<C>::kThreads; ++t) {
    run.step({OpKind::kUsable, t, 0, 0, 0});
    run.step({OpKind::kThreadExit, t, 0, 0, 0});
  }
  run.step({OpKind::kTrim, by, 0, 0, 0});
  if (!run.difference().empty()) return;
  require(run.real().boxes().cold.totals().lent_bytes == 0,
          "a page is lent though no block is live");
  require(run.real().boxes().cold.totals().warm_bytes == 0,
          "memory is kept though all was trimmed");
  require(run.real().boxes().large.live_blocks() == 0, "a large block is left");
  for (std::size_t b = 0; b < C::Sizes::kBins; ++b) {
    require(run.real().boxes().v1.live_blocks(BinIndex(static_cast<std::uint8_t>(b))) == 0,
            "a block of v1 is left");
  }
}

}  // namespace hakmem::fuzz
