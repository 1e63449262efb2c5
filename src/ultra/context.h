// Context: all that one thread needs to allocate, and what a page names as its owner. Contexts are
// never freed: a thread that exits parks its context, and a new thread adopts it whole.
#pragma once

#include <cstdint>

#include "hot/so_ctx.h"
#include "pal/lock.h"
#include "policy/policy_snapshot.h"
#include "remote/remote_box.h"
#include "stats/stats_v3.h"
#include "ultra/ultra_cache.h"

namespace hakmem {

enum class ContextState : std::uint8_t {
  kUnused,
  kActive,    // held by a thread
  kParked,    // its thread has exited; others look at it when it is sent something
  kOrphaned,  // its thread was lost in a fork, in the hot path at most: it will be parked
};

// The program has been freeing, and only freeing, for a while: then the context keeps nothing, and
// every call takes the slow path (heap/maintenance.h).
struct ReleaseMode {
  std::uint16_t allocations_left = 0;  // not 0: it is on, for so many more slow allocations
  std::size_t freed_bytes = 0;         // flushed, or others' freed, since the last refill
  std::size_t thinned_bytes = 0;       // given to pages while it is on, since these were looked at
};

template <class C>
struct Context {
  UltraCache<C> ultra{};  // first: the hot path finds magazines at constant offsets
  SoCtx<C> so{};
  const PolicySnapshot* policy = nullptr;  // the one that `ultra` and `so` are set up for
  std::uint32_t number = 0;                // 0 for the contexts that stand for "none"
  // Under the registry's lock (context_registry.h).
  ContextState state = ContextState::kUnused;
  bool watched = false;            // on the queue of those that are visited once they are idle
  Context* next_parked = nullptr;  // or next orphaned
  Context* next_watched = nullptr;
  Context* next_sent = nullptr;

  // Under its own lock, as all that follows but for atomics. It is held on each slow path of the
  // thread, and by whoever works on the context in its stead. What the hot path touches, `ultra`,
  // is the thread's alone all the same.
  bool attended = false;  // it will be visited once it is idle
  bool lost = false;      // its thread was lost in a fork, and nobody has cleaned up yet
  ReleaseMode release{};
  void* fresh_block = nullptr;  // of the last refill, if it was on fresh memory (so_page.h)
  // For the child of a fork: the block whose slot its thread claims and has not put away yet, and
  // the page that it is posting a free to.
  typename C::World::template atomic<void*> claiming{nullptr};
  typename C::World::template atomic<std::uint32_t> posting{SoPage<C>::kNoPage};
  Lock<C> lock{};

  // Written by other threads: frees that they sent, and that somebody is to look at it.
  alignas(64) PendingPages<C> pending{};
  typename C::World::template atomic<std::uint32_t> called{
      0};  // 1: on the registry's stack of such
  typename C::World::template atomic<Context*> next_called{nullptr};
  alignas(64) ContextStats<C> stats{};

  bool releasing() const noexcept { return release.allocations_left != 0; }
  bool learning() const noexcept { return policy != nullptr && policy->learn; }
  bool counting() const noexcept { return policy != nullptr && policy->count; }
};

}  // namespace hakmem
