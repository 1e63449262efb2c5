// The registry of contexts under the model checker: a context has one holder at a time, who sees
// all that the last one did (L1); frees sent to a parked context reach it, whether a scavenger or
// an adopter drains it, and those sent to an idle one a visitor (X2, X3); whoever visits all
// contexts finds each one constructed (X1).
#include "models/concurrency/checked_platform.h"
#include "models/concurrency/explore.h"

#include "cold/cold_box.h"
#include "heap/context_registry.h"
#include "page/freelist.h"

namespace hakmem::checked {
namespace {

constexpr std::uint32_t kContexts = 4;
using Ctx = Context<Tiny>;
using Page = SoPage<Tiny>;

struct Registry {
  Iteration iteration;
  CheckedPlatform platform;
  ContextRegistry<Tiny> contexts;
  Payload contents[kContexts];  // of a context: whatever its holder does to it
  int holders[kContexts] = {};

  // Holds a context for a while: nobody else does.
  void use(Ctx& ctx) {
    const std::uint32_t i = ctx.number - 1;
    RL_ASSERT(i < kContexts && ++holders[i] == 1);
    contents[i].write(1);
    rl::ctx().yield(1, rl::debug_info("use", "", 0));
    --holders[i];
  }
};

// Threads come and go, `kRounds` times each; no more contexts are made than threads at once.
template <unsigned kThreads, int kRounds>
struct ComeAndGo : rl::test_suite<ComeAndGo<kThreads, kRounds>, kThreads> {
  Registry registry;
  void before() { RL_ASSERT(registry.contexts.init(registry.platform)); }
  void thread(unsigned) {
    for (int i = 0; i < kRounds; ++i) {
      Ctx* const ctx = registry.contexts.attach();
      RL_ASSERT(ctx != nullptr && ctx->state == ContextState::kActive);
      registry.use(*ctx);
      registry.contexts.park(*ctx);
    }
  }
  void after() {
    std::uint32_t made = 0;
    registry.contexts.for_each([&](Ctx& ctx) {
      ++made;
      RL_ASSERT(ctx.state == ContextState::kParked);
    });
    RL_ASSERT(made <= kThreads);
  }
};

// A thread starts while another one visits every context.
struct Visit : rl::test_suite<Visit, 3> {
  Registry registry;
  void before() { RL_ASSERT(registry.contexts.init(registry.platform)); }
  void thread(unsigned index) {
    if (index != 0) {
      RL_ASSERT(registry.contexts.attach() != nullptr);
      return;
    }
    std::uint32_t visited = 0;
    registry.contexts.for_each([&](Ctx& ctx) {
      RL_ASSERT(ctx.number == ++visited);
      RL_ASSERT(ctx.pending.empty());
    });
  }
};

// A page of a parked context with `kBlocks` blocks in use elsewhere. Two threads free them; one
// scavenges; one starts, adopts the context and drains it. kLate: its own thread parks it
// meanwhile.
template <int kBlocks, bool kLate>
struct Adopt : rl::test_suite<Adopt<kBlocks, kLate>, 3> {
  Registry registry;
  LimitOf<Tiny> limit;
  Arena<Tiny> arena;
  MappingBudget<Tiny> mappings;
  ColdBox<Tiny> cold;
  Ctx* owner = nullptr;
  Page* page = nullptr;
  Payload blocks[4];
  int given[4] = {};

  void before() {
    Rng rng(7);
    arena.init(registry.platform);
    mappings.init(registry.platform);
    cold.init(registry.platform, arena, limit, mappings);
    RL_ASSERT(registry.contexts.init(registry.platform));
    owner = registry.contexts.attach();
    page = cold.refill_page(BinIndex(0), {owner, nullptr});
    for (int i = 0; i < kBlocks; ++i) {
      const std::uint16_t slot = take_slot_owner_only(*page, kEntryLive, rng);
      blocks[slot].write(0);
    }
    if (!kLate) registry.contexts.park(*owner);
  }
  void thread(unsigned index) {
    switch (index) {
      case 0:
        for (std::uint32_t slot = 0; slot < kBlocks; ++slot) free(slot);
        return;
      case 1:
        return registry.contexts.scavenge(2, [this](Ctx& ctx) { drain(ctx); });
      default:
        if (kLate) {
          drain_locked(*owner);
          registry.contexts.park(*owner);
        }
        Ctx* const ctx = registry.contexts.attach();
        RL_ASSERT(ctx == owner);
        drain_locked(*ctx);
        registry.contexts.park(*ctx);
    }
  }
  void free(std::uint32_t slot) {
    blocks[slot].write(1);
    std::uint32_t head = kNoSlot;
    RL_ASSERT(mark_remote(*page, slot, &head));
    if (post(arena, owner->pending, *page, slot, head)) registry.contexts.call(*owner);
  }
  void drain(Ctx& ctx) {
    registry.use(ctx);
    drain_owner_only(arena, ctx.pending, [&](Page& from, std::uint32_t slot) {
      RL_ASSERT(&from == page && ++given[slot] == 1);
      blocks[slot].write(2);
      give_slot_owner_only(from, slot);
    });
  }
  // As its thread does.
  void drain_locked(Ctx& ctx) {
    const LockGuard<Tiny> working(ctx.lock);
    registry.contexts.attend(ctx);
    drain(ctx);
  }
  void after() {
    registry.contexts.scavenge(2, [this](Ctx& ctx) { drain(ctx); });
    registry.contexts.visit_idle(9, {}, [this](Ctx& ctx, std::uint32_t) {
      drain(ctx);
      return false;
    });
    for (int i = 0; i < kBlocks; ++i) RL_ASSERT(given[i] == 1);
    RL_ASSERT(page->used == 0);
  }
};

// The owner is on slow paths, with its context's lock held, while two others visit, as if it were
// idle; one of them has freed a block of it.
struct Tend : rl::test_suite<Tend, 3> {
  Registry registry;
  LimitOf<Tiny> limit;
  Arena<Tiny> arena;
  MappingBudget<Tiny> mappings;
  ColdBox<Tiny> cold;
  Ctx* owner = nullptr;
  Page* page = nullptr;
  Payload block;
  int given = 0;

  void before() {
    Rng rng(7);
    arena.init(registry.platform);
    mappings.init(registry.platform);
    cold.init(registry.platform, arena, limit, mappings);
    RL_ASSERT(registry.contexts.init(registry.platform));
    owner = registry.contexts.attach();
    page = cold.refill_page(BinIndex(0), {owner, nullptr});
    take_slot_owner_only(*page, kEntryLive, rng);
    block.write(0);
  }
  void thread(unsigned index) {
    if (index == 0) {
      const LockGuard<Tiny> working(owner->lock);
      registry.contexts.attend(*owner);
      return work(*owner);
    }
    if (index == 1) {
      block.write(1);
      std::uint32_t head = kNoSlot;
      RL_ASSERT(mark_remote(*page, 0, &head));
      if (post(arena, owner->pending, *page, 0, head)) registry.contexts.call(*owner);
    }
    visit(2);
  }
  void visit(std::uint32_t now) {
    registry.contexts.visit_idle(now, {}, [this](Ctx& ctx, std::uint32_t) {
      work(ctx);
      return false;
    });
  }
  void work(Ctx& ctx) {
    registry.use(ctx);
    drain_owner_only(arena, ctx.pending, [&](Page& from, std::uint32_t slot) {
      ++given;
      block.write(2);
      give_slot_owner_only(from, slot);
    });
  }
  void after() {
    visit(9);
    RL_ASSERT(given == 1 && page->used == 0);
  }
};

// Two send something to one context, one of them to another first; a third looks at who was called.
struct Called : rl::test_suite<Called, 3> {
  static constexpr int kSends = 3;
  Iteration iteration;
  Ctx contexts[2];
  CalledContexts<Tiny> called;
  CheckedWorld::atomic<std::uint32_t> sent[kSends];
  bool seen[kSends] = {};

  void thread(unsigned index) {
    switch (index) {
      case 0:
        send(contexts[1], 0);
        return send(contexts[0], 1);
      case 1:
        return send(contexts[0], 2);
      default:
        look();
    }
  }
  void send(Ctx& ctx, int what) {
    sent[what].store_relaxed(1);
    called.call(ctx);
  }
  void look() {
    called.take_all([this](Ctx& ctx) {
      for (int i = 0; i < kSends; ++i) {
        const bool mine = (i == 0) == (&ctx == &contexts[1]);
        if (mine && sent[i].load_relaxed() == 1) seen[i] = true;
      }
    });
  }
  void after() {
    look();
    for (int i = 0; i < kSends; ++i) RL_ASSERT(seen[i]);
  }
};

}  // namespace
}  // namespace hakmem::checked

int main(int argc, char** argv) {
  using namespace hakmem::checked;
  Runner run(argc, argv);
  run.every<ComeAndGo<2, 2>>("2 threads come and go, twice each", 3);
  run.every<ComeAndGo<3, 1>>("3 threads come and go", 2);
  run.every<Visit>("2 threads start, 1 visits all contexts", 4);
  run.random<Adopt<1, false>>("a free against a scavenger and an adopter", 100000);
  run.every<Adopt<2, false>>("2 frees against a scavenger and an adopter", 2);
  run.every<Adopt<2, true>>("the same, and the owner parks meanwhile", 2);
  run.every<Tend>("an owner on a slow path against 2 visitors and a free", 2);
  run.random<ComeAndGo<4, 2>>("4 threads come and go, twice each", 10000);
  run.random<Adopt<4, true>>("4 frees against parking, a scavenger, an adopter", 20000);
  run.every<Called>("3 frees sent to 2 contexts, 1 looks at who was called", 4);
  for (const Side side : {Side::kRelease, Side::kAcquire}) {
    run.needs<Called>("X2", side, 3);
    run.needs<Called>("X3", side, 3);
  }
  run.needs<Visit>("X1", Side::kRelease, 2);
  run.needs<Visit>("X1", Side::kAcquire, 2);
  run.needs<ComeAndGo<2, 2>>("L1", Side::kRelease, 2);
  run.needs<ComeAndGo<2, 2>>("L1", Side::kAcquire, 2);
  run.needs<Tend>("L1", Side::kRelease, 2);
  run.needs<Tend>("L1", Side::kAcquire, 2);
  run.needs<Adopt<2, false>>("R1", Side::kRelease, 2);
  run.needs<Adopt<2, false>>("R1", Side::kAcquire, 2);
  return run.status();
}
