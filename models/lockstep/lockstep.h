// Lockstep: one op at a time on a real Allocator<C> and on the reference model, everything compared
// after each. `step` is false from the first difference on; `failure` says what differed and shows
// the trace. Single-threaded: "threads" are contexts used in turn, so order is part of the trace.
//
//   Lockstep<SmallHardened> run(options);
//   for (const Op& op : trace) if (!run.step(op)) break;
//   run.finish();  run.failure() == "" when all was as predicted
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "heap/allocator.h"
#include "heap/allocator_members.h"
#include "inspect/audit.h"
#include "models/lockstep/blocks.h"
#include "models/lockstep/lockstep_compare.h"
#include "models/lockstep/model_platform.h"
#include "models/lockstep/ops.h"

namespace hakmem::model {

// How an op's numbers are to be read: every op is valid in every state. A recorded trace has rules
// of its own (recorded_trace.h).
struct OpenTrace {
  using Blocks = model::Blocks;
  static constexpr std::size_t kThreads = 4;
  static constexpr std::size_t thread(const Op& op) { return op.thread % kThreads; }
  template <class C>
  static constexpr std::size_t size(const Op& op) {
    return op.size % (3 * C::Geometry::kBlockMax);
  }
  static constexpr std::size_t alignment(const Op& op) { return std::size_t{1} << op.arg % 15; }
};

struct LockstepOptions {
  std::uint64_t seed = 1;
  PolicySnapshot policy = default_policy();
  unsigned compare_every = 1;  // ops between comparisons of everything
  unsigned context_every = 1;  // ops between comparisons of the context that acted
  unsigned audit_every = 16;   // ops between audits of the laws
  FaultPlan faults{};          // what the fake platform refuses
};

template <class C, class Rules = OpenTrace>
class Lockstep {
 public:
  static constexpr std::size_t kThreads = Rules::kThreads;
  using Blocks = typename Rules::Blocks;

  explicit Lockstep(const LockstepOptions& options) : options_(options) {
    NextPlatform::next_seed = options.seed;
    NextPlatform::next_plan = options.faults;
    real_ = std::make_unique<hakmem::Allocator<C>>();
    real_->init(options.policy);
    static const Shape derived = shape_of<C>();
    Shape shape = derived;
    const bool contexts = options.faults.is_none() || has_contexts();
    // The system refused the table for them: v1 and large alone.
    if (!contexts && !attach_refused_) shape.contexts_max = 0;
    model_ = std::make_unique<Allocator>(shape, real_->boxes().arena.base(),
                                         real_->boxes().arena.superslabs(), options.policy);
    if (contexts && !options.faults.is_none()) model_->park(model_->attach());
    model_->cold().soiled = [this](std::size_t slab) {
      return real_->boxes()
          .cold.record_for_test(SlabIndex(static_cast<std::uint32_t>(slab)))
          .soiled;
    };
    model_->reorder = [this](Page& page) { reorder(page); };
    model_->cold().elsewhere = [&limit = real_->boxes().limit] { return limit.at_next_question(); };
  }

  bool step(const Op& op) {
    if (!difference_.empty()) return false;
    trace_.push_back(op);
    begin_step(op);
    perform(op);
    check_limit();
    if (difference_.empty()) compare();
    return difference_.empty();
  }

  // Contents of all live blocks, everything, the laws.
  bool finish() {
    const std::uint64_t said = NextPlatform::times_said - said_before_;
    if constexpr (kFake) expect(said == (model_->learner().full ? 1 : 0), "said once what it must");
    blocks_.for_each(
        [&](const Block& b) { expect(Pattern::holds(b), "contents of a live block"); });
    if (difference_.empty()) note(Comparer<C>(*real_, *model_).everything());
    audit_laws();
    if constexpr (kFake)
      expect(real_->boxes().platform.foreign_calls() == 0, "calls about foreign memory");
    return difference_.empty();
  }

  // Frees every block, ends every thread, trims: nothing may be left, in the model or really.
  bool finish_empty() {
    if constexpr (kFake) real_->boxes().platform.stop_failing();
    step({OpKind::kLimit, 0, 0, 0, 0});
    while (!blocks_.empty() && step({OpKind::kFree, 0, 0, 0, 0})) {
    }
    for (std::uint16_t t = 0; t < kThreads; ++t) step({OpKind::kThreadExit, t, 0, 0, 0});
    step({OpKind::kTrim, 0, 0, 0, 0});
    step({OpKind::kThreadExit, 0, 0, 0, 0});
    expect(real_->boxes().cold.totals().lent_bytes == 0, "pages are lost");
    expect(real_->boxes().cold.totals().warm_bytes == 0, "trim left warm pages");
    return finish();
  }

  const std::string& difference() const { return difference_; }
  const Trace& trace() const { return trace_; }
  // Empty, or the difference and the trace up to it.
  std::string failure() const {
    return difference_.empty() ? "" : difference_ + "\nafter:\n" + text_of(trace_);
  }
  hakmem::Allocator<C>& real() { return *real_; }
  Allocator& model() { return *model_; }
  Blocks& blocks() { return blocks_; }
  // Which context each thread holds, and what the system refuses: part of the state, too.
  template <class Visit>
  void each_remembered(Visit&& visit) const {
    for (const Thread& t : threads_) visit(t.attached ? t.model + 2 : 0);
    visit(commit_failing_ ? 1 : 0);
    visit(memory_failing_ ? 1 : 0);
  }

 private:
  using RealContext = hakmem::Context<C>;
  static constexpr bool kFake = std::is_base_of_v<NextPlatform, typename C::Platform>;

  struct Thread {
    RealContext* real = nullptr;
    std::size_t model = kNone;
    bool attached = false;  // both may be none: every context was taken
  };

  // ---- bookkeeping

  RealContext* attach() {
    RealContext* const real = real_->attach_context();
    if constexpr (kFake) {
      attach_refused_ =
          real == nullptr && real_->boxes().platform.commits_refused() != commits_seen_;
      commits_seen_ = real_->boxes().platform.commits_refused();
    }
    return real;
  }
  bool has_contexts() {
    RealContext* const probe = attach();
    if (probe != nullptr) real_->park_context(*probe);
    return probe != nullptr;
  }

  void expect(bool holds, const char* what) {
    if (!holds && difference_.empty()) difference_ = what;
  }
  void note(const std::string& difference) {
    if (difference_.empty()) difference_ = difference;
  }
  void begin_step(const Op& op) {
    actor_ = Rules::thread(op);
    attach_refused_ = false;
    model_->cold().clock_ms = real_->boxes().platform.clock_ms();  // it stands still during a step
    held_before_ = real_->boxes().limit.held();
    cached_before_ = real_->boxes().large.bytes_cached();
    for (std::size_t h = 0; h < 3; ++h) limit_refusals_[h] = limit_refusals(h);
    real_->boxes().limit.forget_questions();
    real_->boxes().platform.forget_remaps();
    if constexpr (kFake) {
      commits_before_ = commits_seen_ = real_->boxes().platform.commits_refused();
      policy_maps_before_ = real_->boxes().platform.policy_maps_refused();
      unmaps_before_ = real_->boxes().platform.unmaps_refused();
      refusals_before_ = real_->boxes().platform.failures();
    }
  }
  // What the system refused during the step so far; the model is told.
  void tell_model() {
    if constexpr (kFake) {
      model_->commit_fails = real_->boxes().platform.commits_refused() != commits_before_;
      model_->policy_memory_fails =
          real_->boxes().platform.policy_maps_refused() != policy_maps_before_;
    }
  }
  // A large block that had to grow did not where it is, nor was it moved by the system: that or the
  // limit refused.
  bool remap_failed(const Block& before, std::size_t n, std::uintptr_t address) {
    return n > before.usable && address != before.owned.address &&
           !real_->boxes().platform.remapped(before.owned.address);
  }
  bool unmap_failed() {
    if constexpr (kFake) return real_->boxes().platform.unmaps_refused() != unmaps_before_;
    return false;
  }
  bool system_refused() {
    if constexpr (kFake) return real_->boxes().platform.failures() != refusals_before_;
    return false;
  }
  std::size_t limit_refusals(std::size_t holder) {
    return real_->boxes().limit.refusals(static_cast<Holder>(holder));
  }
  // No block of n bytes at that alignment from v1 or large: the system refused, or the limit did
  // and what it would have taken is really too much.
  bool refused(const Served& served, std::size_t n) {
    if (system_refused()) return true;
    const bool large = served.heap == Heap::kLarge;
    const auto holder = static_cast<std::size_t>(large ? Holder::kMappings : Holder::kChunks);
    const std::size_t need =
        large ? (n == 0 ? 4096 : (n + 4095) / 4096 * 4096) : v1::Layout<C>::kChunkBytes;
    return limit_refusals(holder) != limit_refusals_[holder] &&
           real_->boxes().limit.held() + need > real_->boxes().limit.get().hard;
  }
  // More than the hard limit allows is never taken, and above the soft limit nothing more is
  // cached.
  void check_limit() {
    const std::size_t held = real_->boxes().limit.held();
    const LimitBytes limit = real_->boxes().limit.get();
    expect(held <= held_before_ || held <= limit.hard, "more is held than the hard limit allows");
    const bool over = held > limit.soft && held_before_ > limit.soft;
    expect(!over || real_->boxes().large.bytes_cached() <= cached_before_,
           "cached above the soft limit");
    expect(real_->boxes().limit.questions_match(), "how often the cold box looked at the limit");
  }

  Thread& thread() {
    Thread& t = attached_thread();
    if (t.real != nullptr) rng_before_ = t.real->so.rng;
    return t;
  }
  Thread& attached_thread() {
    Thread& t = threads_[actor_];
    if (t.attached) return t;
    t.attached = true;
    t.real = attach();
    t.model = attach_refused_ ? kNone : model_->attach();
    expect((t.real == nullptr) == (t.model == kNone), "a context was to be had");
    if (t.real != nullptr) expect(t.real->number == t.model + 1, "which context was attached");
    return t;
  }

  void compare() {
    Comparer<C> comparer(*real_, *model_);
    const bool all = trace_.size() % options_.compare_every == 0;
    if (all) {
      note(comparer.everything());
      compare_allocated();
    } else if (trace_.size() % options_.context_every == 0 && threads_[actor_].model != kNone)
      note(comparer.context(threads_[actor_].model));
    if (trace_.size() % options_.audit_every == 0) audit_laws();
  }
  // What the allocator says is out is what the program holds, to the byte.
  void compare_allocated() {
    if (!difference_.empty()) return;
    std::size_t held = 0;
    blocks_.for_each([&](const Block& b) { held += b.usable; });
    MemoryStats memory;
    MemoryCounter<C>(*real_).run(Patience::kWaits, memory);
    if (memory.allocated() != held) {
      difference_ = "bytes allocated: the allocator has " + std::to_string(memory.allocated()) +
                    ", the program holds " + std::to_string(held);
    }
  }
  void audit_laws() {
    if (!difference_.empty()) return;
    const char* const broken = hakmem::audit(*real_);
    if (broken != nullptr) difference_ = std::string("law ") + broken + " is broken";
  }

  // ---- the ops

  void perform(const Op& op) {
    switch (op.kind) {
      case OpKind::kMalloc:
      case OpKind::kCalloc:
      case OpKind::kAligned:
        return allocate(op);
      case OpKind::kRealloc:
        return blocks_.has(op.block) ? reallocate(op) : void();
      case OpKind::kFree:
      case OpKind::kFreeSized:
        return blocks_.has(op.block) ? free(op) : void();
      case OpKind::kUsable:
        return blocks_.has(op.block) ? check_block(blocks_.at(blocks_.pick(op.block))) : void();
      case OpKind::kThreadExit:
        return thread_exit();
      case OpKind::kForkChild:
        return fork_child();
      case OpKind::kRoute:
      case OpKind::kMask:
      case OpKind::kMaxPartial:
      case OpKind::kWarmCap:
      case OpKind::kC6Hot:
      case OpKind::kCount:
      case OpKind::kLearn:
        return change_policy(op);
      case OpKind::kCommitFails:
      case OpKind::kMemoryFails:
        return set_failing(op);
      case OpKind::kTrim:
        return trim();
      case OpKind::kLimit:
        return set_limit(op);
      case OpKind::kPurge:
        return purge();
      case OpKind::kClock:
        return advance_clock(op);
      case OpKind::kDoubleFree:
      case OpKind::kFreedRealloc:
        return stale_pointer(op);
      case OpKind::kInterior:
      case OpKind::kMisaligned:
      case OpKind::kWrongSize:
        return blocks_.has(op.block) ? wrong_pointer(op, blocks_.at(blocks_.pick(op.block)))
                                     : void();
      case OpKind::kWild:
        return wild_pointer(op);
    }
  }

  // Of the arena, from its start on.
  std::size_t bytes_in_use() { return model_->cold().slabs.size() * model_->shape().superslab; }

  // ---- memory (lockstep_memory.h)

  void allocate(const Op& op);
  void* allocate_really(const Op& op, const Thread& t, std::size_t n, std::size_t alignment);
  void settle(const Served& served, void* p, Block block);
  void write(const Block& block);
  void reallocate(const Op& op);
  void finish_move(const Thread& t, std::size_t at, void* p, std::size_t n);
  void free(const Op& op);
  void free_in_model(const Thread& t, const Owned& owned, Door door);
  void check_block(const Block& block);
  void check_page_of(const Block& block);
  bool fits_exactly(const Block& block, std::size_t n, SizeRule rule);

  // ---- pointers that are no blocks (lockstep_pointers.h)

  void stale_pointer(const Op& op);
  void wrong_pointer(const Op& op, const Block& block);
  void wrong_size(const Op& op, const Block& block);
  void wild_pointer(const Op& op);
  void check_verdict(std::uintptr_t address);

  // ---- a fork's child (lockstep_reshuffle.h)

  void follow_magazine(RealContext& real, Context& model, std::size_t bin);
  void reorder(Page& page);

  // ---- threads, policy, system (lockstep_world.h)

  void thread_exit();
  void fork_child();
  void change_policy(const Op& op);
  void edit_policy(const Op& op, PolicySnapshot& policy);
  void set_limit(const Op& op);
  void set_failing(const Op& op);
  void trim();
  void purge();
  void advance_clock(const Op& op);

  LockstepOptions options_;
  std::unique_ptr<hakmem::Allocator<C>> real_;
  std::unique_ptr<Allocator> model_;
  Blocks blocks_;
  std::vector<Thread> threads_ = std::vector<Thread>(kThreads);
  std::size_t actor_ = 0;
  std::uint64_t commits_before_ = 0, refusals_before_ = 0, policy_maps_before_ = 0;
  std::uint64_t commits_seen_ = 0;
  std::uint64_t unmaps_before_ = 0, said_before_ = NextPlatform::times_said;
  std::size_t held_before_ = 0, cached_before_ = 0;
  std::array<std::size_t, 3> limit_refusals_{};  // by holder, before the step
  bool commit_failing_ = false, memory_failing_ = false;
  bool attach_refused_ = false;  // the system refused memory for one more context
  std::uint64_t patterns_ = 0;
  Rng rng_before_;  // of the context that acts
  Trace trace_;
  std::string difference_;
};

// Runs a trace; the failure text, empty when there was none.
template <class C>
std::string run_trace(const Trace& trace, const LockstepOptions& options = {}) {
  Lockstep<C> run(options);
  for (const Op& op : trace) {
    if (!run.step(op)) break;
  }
  run.finish();
  return run.failure();
}

}  // namespace hakmem::model

#include "models/lockstep/lockstep_memory.h"
#include "models/lockstep/lockstep_pointers.h"
#include "models/lockstep/lockstep_reshuffle.h"
#include "models/lockstep/lockstep_world.h"
