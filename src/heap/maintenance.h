// Maintenance: what is done beside the calls of the program, by whichever thread is on a slow path.
//
//   catch_up         the current policy, and frees that others have posted: on each slow path
//   keep_time        once per decay period what is at rest goes back: here, in contexts whose
//                    threads do nothing, in the cold box
//   scavenge         a few contexts of ended or lost threads: whenever a page is borrowed
//   release mode     a thread that only frees keeps nothing
//   trim, purge      when the program asks
#pragma once

#include "heap/fork_control.h"

namespace hakmem {

// What one call of the program may find of others at the end of a period, so that none takes long.
inline constexpr std::uint32_t kIdlePerPeriod = 64, kInUsePerPeriod = 2;
inline constexpr std::size_t kContextsPerVisit = 2;  // of those that others look after
inline constexpr std::size_t kEveryContext = ~std::size_t{0};

template <class C>
class Maintenance {
 public:
  using Sizes = typename C::Sizes;
  using Ctx = Context<C>;
  using Page = SoPage<C>;

  explicit Maintenance(Boxes<C>& boxes) noexcept : boxes_(boxes), returns_(boxes) {}

  // ---- on each slow path

  // Two loads when there is nothing to do. Requires: the context's lock is held.
  void catch_up(Ctx& ctx) noexcept {
    HAKMEM_DCHECK(ctx.lock.is_held(), "context-lock", ctx.number);
    if (HAKMEM_UNLIKELY(&boxes_.policy.current() != ctx.policy)) take_up_policy(ctx);
    returns_.drain(ctx);
  }
  // For a thread that has just got the context.
  void catch_up_anew(Ctx& ctx) noexcept {
    take_up_policy(ctx);
    returns_.drain(ctx);
  }
  // Where nothing else is done to the context.
  void lock_and_catch_up(Ctx& ctx) noexcept {
    if (&boxes_.policy.current() == ctx.policy && ctx.pending.empty()) return;
    const LockGuard<C> working(ctx.lock);
    catch_up(ctx);
  }

  // ---- once per decay period

  // Where magazines are refilled or overflow.
  void keep_time(Ctx& ctx) noexcept {
    const std::uint32_t now = boxes_.cold.period();
    if (HAKMEM_LIKELY(now == ctx.so.seen_period())) return;
    ctx.so.period.store_relaxed(now);  // relaxed: a stamp
    returns_.flush_unused(ctx);
    boxes_.hot(ctx).purge_at_rest_in_turns(now);
    visit_idle(now, {kIdlePerPeriod, kInUsePerPeriod});
    boxes_.cold.age(now);
  }

  // What any thread's slow path does once in a period, for a thread that does nothing else. False
  // when nothing is left that may have to go back later.
  bool release_idle() noexcept {
    const std::uint32_t now = boxes_.cold.period();
    visit_idle(now, {});
    boxes_.cold.age(now, Caller::kHoldsNone);
    boxes_.large.decay();
    return boxes_.cold.totals().warm_bytes != 0;
  }

  // Memory must not wait for a thread to come back: whoever borrows a page first looks after a few
  // parked contexts that were sent frees, and after large blocks that have been cached for long.
  // Above the soft limit none is cached, nor a chunk of v1.
  void scavenge() noexcept {
    if (HAKMEM_UNLIKELY(boxes_.limit.over_soft(Holder::kMappings))) {
      boxes_.large.trim();
      boxes_.v1.unmap_empty();
    } else {
      boxes_.large.decay();
    }
    visit_ended(kContextsPerVisit);
  }

  // ---- release mode: a thread that has only been freeing for a while may do nothing else for
  // hours. Its magazines would keep nearly empty pages from going back, and nobody but it may touch
  // them: so it keeps none. Its frees go straight to their pages, which costs no more than to
  // collect and then flush them. Above the soft limit this begins with the first magazine that
  // overflows. Much of what it freed may have been sent to threads that have ended.

  void enter_release_mode(Ctx& ctx) noexcept {
    ctx.release = {C::Tuning::kReleaseModeAllocations, 0, 0};
    returns_.flush_all(ctx);
    hold_what_policy_says(ctx);
    returns_.retire_empty_pages(ctx);
    visit_ended(kEveryContext);
  }

  // The first allocations after that come this way, however small, and see how much time has
  // passed.
  void allocating_in_release_mode(Ctx& ctx) noexcept {
    keep_time(ctx);
    scavenge();
    if (--ctx.release.allocations_left == 0) hold_what_policy_says(ctx);
  }

  // A page with few blocks left need not wait for the time either. Each time an eighth of what the
  // context has was given to its pages, these are looked at: a few looks for each page's worth.
  void note_thinned(Ctx& ctx, std::size_t bytes) noexcept {
    ctx.release.thinned_bytes += bytes;
    if (HAKMEM_LIKELY(ctx.release.thinned_bytes < C::Tuning::kReleaseModeBytes)) return;
    if (ctx.release.thinned_bytes < ctx.so.owned_bytes() / 8) return;
    ctx.release.thinned_bytes = 0;
    boxes_.hot(ctx).purge_thinned();
  }

  void note_freed_elsewhere(Ctx& ctx, std::size_t bytes) noexcept {
    ctx.release.freed_bytes += bytes;
    if (HAKMEM_LIKELY(ctx.release.freed_bytes < C::Tuning::kReleaseModeBytes)) return;
    const LockGuard<C> working(ctx.lock);
    enter_release_mode(ctx);
  }

  // ---- when the program asks. Both: bytes given back to the system.

  // First the caller's own magazines.
  std::size_t trim(Ctx* ctx) noexcept {
    const std::size_t before = boxes_.limit.held_by(Holder::kPages);
    if (ctx != nullptr) {
      const LockGuard<C> working(ctx->lock);
      catch_up(*ctx);
      returns_.flush_all(*ctx);
      returns_.retire_empty_pages(*ctx);
    }
    // Above the soft limit pages went back at once; another thread's charges hide some of them.
    const std::size_t at_once = given_back_since(before);
    return at_once + purge();
  }

  // What is free now, in all heaps and in contexts that no thread is working on, but for their
  // magazines; nothing of it is left for a second call.
  std::size_t purge() noexcept {
    const std::size_t before = boxes_.limit.held_by(Holder::kPages);
    std::size_t unused = 0;
    ForkControl<C>(boxes_).salvage(kEveryContext);
    boxes_.contexts.visit_all([&](Ctx& ctx) {
      returns_.drain(ctx);
      returns_.retire_empty_pages(ctx);
    });
    const bool exists = boxes_.arena.exists();
    if (exists) boxes_.cold.for_each_lent_page([&](Page& page) { unused += purge_unused(page); });
    const std::size_t retired = given_back_since(before);
    const std::size_t small = exists ? boxes_.cold.trim(Caller::kHoldsNone) : 0;
    return unused + retired + small + boxes_.v1.trim() + boxes_.large.trim();
  }

 private:
  void take_up_policy(Ctx& ctx) noexcept {
    const PolicySnapshot& policy = boxes_.policy.current();
    ctx.policy = &policy;
    hold_what_policy_says(ctx);
    returns_.retire_beyond_max_partial(ctx);
    for (const BinIndex bin : Sizes::bins()) {
      const bool wanted = policy.front_cached(SizeClass(Sizes::info(bin).size_class));
      if (wanted && !ctx.ultra.is_open(bin)) ctx.ultra.open(bin);
      if (!wanted && ctx.ultra.is_open(bin)) {
        Magazine<C>& magazine = ctx.ultra.magazine(bin);
        returns_.flush(ctx, magazine, magazine.size());
        ctx.ultra.close(bin);
      }
    }
  }

  // But nothing in release mode.
  void hold_what_policy_says(Ctx& ctx) noexcept {
    const PolicySnapshot& policy = *ctx.policy;
    ctx.ultra.set_hidden(policy.count || policy.every_call_slow || ctx.releasing());
    for (const BinIndex bin : Sizes::bins()) {
      ctx.so.bins[bin.value()].max_partial =
          ctx.releasing() ? 0 : policy.classes[Sizes::info(bin).size_class].max_partial;
    }
  }

  // Contexts of lost threads, and parked ones that were sent frees.
  void visit_ended(std::size_t most) noexcept {
    ForkControl<C>(boxes_).salvage(most);
    drain_parked(most);
  }
  void drain_parked(std::size_t most) noexcept {
    boxes_.contexts.scavenge(most, [&](Ctx& parked) { returns_.drain(parked); });
  }

  // A page at a time, so that a thread that comes back does not wait.
  void visit_idle(std::uint32_t now, typename ContextRegistry<C>::Looks looks) noexcept {
    drain_parked(looks.idle);
    PageCursor at;
    boxes_.contexts.visit_idle(now, looks, [&](Ctx& idle, std::uint32_t step) {
      if (step == 0) at = {};
      returns_.drain(idle);
      return boxes_.hot(idle).purge_next_at_rest(now, at);
    });
  }

  // Its owner waits for this page's purge at most. Not of a context in use.
  std::size_t purge_unused(Page& page) noexcept {
    Ctx* const owner = page.owner.load_relaxed();  // relaxed: looked at again under the lock
    if (owner == nullptr || !owner->lock.try_lock()) return 0;
    const bool still_lent = page.owner.load_relaxed() == owner && !owner->lost &&
                            page.head == boxes_.arena.unit_of(page);
    const std::size_t bytes = still_lent ? boxes_.hot(*owner).purge_unused(page) : 0;
    owner->lock.unlock();
    return bytes;
  }

  std::size_t given_back_since(std::size_t before) const noexcept {
    const std::size_t after = boxes_.limit.held_by(Holder::kPages);
    return before > after ? before - after : 0;
  }

  Boxes<C>& boxes_;
  PageReturns<C> returns_;
};

}  // namespace hakmem
