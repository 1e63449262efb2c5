// The definitions of Allocator's rare paths: start, threads, policy, statistics, trim, fork.
#pragma once

#include "base/check.h"
#include "front/allocator.h"
#include "page/reshuffle.h"

namespace hakmem {

inline constexpr std::size_t kContextsPerVisit = 2;  // of those that others look after
// What one call of the program may find of others at the end of a period, so that none takes long.
inline constexpr std::uint32_t kIdlePerPeriod = 64, kInUsePerPeriod = 2;

template <class C>
void Allocator<C>::init(const PolicySnapshot& policy) noexcept {
  policy_.init(platform_, policy);
  mappings_.init(platform_);
  v1_.init(platform_, limit_, mappings_);
  large_.init(platform_, limit_, mappings_);
  if (!arena_.init(platform_)) return;  // v1 and large serve alone
  if (!cold_.init(platform_, arena_, limit_, mappings_) || !contexts_.init(platform_)) return;
  set_warm_caps(policy);
}

template <class C>
typename Allocator<C>::Ctx* Allocator<C>::attach_context() noexcept {
  salvage(kContextsPerVisit);
  Ctx* const ctx = contexts_.attach();
  if (ctx != nullptr) {
    const LockGuard<C> working(ctx->lock);
    take_up_policy(*ctx);
    contexts_.attend(*ctx);
    drain(*ctx);
  }
  return ctx;
}

// The context keeps only pages with blocks that are in use elsewhere, and, where many contexts wait
// for a thread, not the memory of its magazines.
template <class C>
void Allocator<C>::park_context(Ctx& ctx) noexcept {
  {
    const LockGuard<C> working(ctx.lock);
    give_up_all(ctx);
  }
  if (contexts_.parked() >= kWarmContexts) contexts_.purge_magazines(ctx);
  contexts_.park(ctx);
}

template <class C>
void Allocator<C>::give_up_all(Ctx& ctx) noexcept {
  HAKMEM_DCHECK(ctx.lock.is_held(), "context-lock", ctx.number);
  flush_all(ctx);
  drain(ctx);
  ctx.ebb_bytes = ctx.ebb_left = 0;
  for (SoClass<C>& cls : ctx.so.classes) cls.max_partial = 0;
  retire_empty_pages(ctx);
}

// In the child of a fork, little by little: contexts of lost threads are parked in their stead.
template <class C>
void Allocator<C>::salvage(std::size_t most) noexcept {
  contexts_.salvage(most, [&](Ctx& lost) {
    drop_half_done(lost);
    give_up_all(lost);
  });
}

// Of a lost thread's context. A pop lowers `top` and marks the block LIVE, in either order: in the
// middle of one the newest place may be LIVE already, or the one above it not yet, and the program
// has not got the block. A slow free claims the slot before it waits for the lock. A push on the
// hot path that was cut short loses its block, no more.
template <class C>
void Allocator<C>::drop_half_done(Ctx& ctx) noexcept {
  if constexpr (C::kMitigations.check_frees) {
    for (std::size_t b = 0; b < Sizes::kBins; ++b) {
      Magazine<C>& magazine = ctx.ultra.magazine(BinIndex(static_cast<std::uint8_t>(b)));
      // relaxed, here and below: there is one thread that works on it
      if (!magazine.empty() && magazine.top[-1].entry->load_relaxed() == kEntryLive) {
        magazine.top[-1].entry->store_relaxed(kEntryCached);
      } else if (magazine.room() != 0) {
        const Page* const page = astray(ctx, magazine.top->block);
        if (page != nullptr && page->bin == b) ++magazine.top;
      }
    }
    const void* const claimed = ctx.claiming.load_relaxed();
    ctx.claiming.store_relaxed(nullptr);
    Page* const page = astray(ctx, claimed);
    if (page != nullptr) {
      hot(ctx).give(*page,
                    static_cast<std::uint32_t>(
                        divide(ClientPtr(claimed).address() - page->base, page->reciprocal).value));
    }
  }
}

// The page of a block of the context's that is CACHED and yet in no magazine; else nullptr.
template <class C>
typename Allocator<C>::Page* Allocator<C>::astray(Ctx& ctx, const void* block) noexcept {
  if constexpr (C::kMitigations.check_frees) {
    const Page* const unit = arena_.so_page_of(ClientPtr(block));
    if (unit == nullptr || unit->owner.load_relaxed() != &ctx) return nullptr;  // relaxed: as above
    const Quotient q = divide(ClientPtr(block).address() - unit->base, unit->reciprocal);
    if (unit->entries[q.value].load_relaxed() != kEntryCached) return nullptr;
    const Magazine<C>& magazine =
        ctx.ultra.magazine(BinIndex(static_cast<std::uint8_t>(unit->bin)));
    for (const MagazinePlace<C>* at = magazine.base; at != magazine.top; ++at) {
      if (at->block == block) return nullptr;
    }
    return &arena_.page(unit->head);
  }
  return nullptr;
}

// What every slow path does first, with the context's lock held: two loads when there is nothing to
// do.
template <class C>
void Allocator<C>::prepare(Ctx& ctx) noexcept {
  HAKMEM_DCHECK(ctx.lock.is_held(), "context-lock", ctx.number);
  if (HAKMEM_UNLIKELY(&policy_.current() != ctx.policy)) take_up_policy(ctx);
  drain(ctx);
}

// The same where nothing else is done to the context.
template <class C>
void Allocator<C>::take_note(Ctx& ctx) noexcept {
  if (&policy_.current() == ctx.policy && ctx.pending.empty()) return;
  const LockGuard<C> working(ctx.lock);
  prepare(ctx);
}

template <class C>
void Allocator<C>::take_up_policy(Ctx& ctx) noexcept {
  const PolicySnapshot& policy = policy_.current();
  ctx.policy = &policy;
  set_up_holding(ctx);
  hot(ctx).retire_beyond_max_partial([&](const Page& page) { count_retired(ctx, page); });
  for (std::size_t b = 0; b < Sizes::kBins; ++b) {
    const BinIndex bin(static_cast<std::uint8_t>(b));
    const SizeClass size_class(Sizes::info(bin).size_class);
    Magazine<C>& magazine = ctx.ultra.magazine(bin);
    const bool wanted = policy.front_cached(size_class);
    if (wanted && !ctx.ultra.is_open(bin)) ctx.ultra.open(bin);
    if (!wanted && ctx.ultra.is_open(bin)) {
      flush(ctx, magazine, magazine.size());
      ctx.ultra.close(bin);
    }
  }
}

// How much the context keeps for itself: what the policy says, but nothing while it ebbs.
template <class C>
void Allocator<C>::set_up_holding(Ctx& ctx) noexcept {
  const PolicySnapshot& policy = *ctx.policy;
  ctx.ultra.set_hidden(policy.count || policy.every_call_slow || ctx.ebbing());
  for (std::size_t b = 0; b < Sizes::kBins; ++b) {
    const std::uint8_t size_class = Sizes::info(BinIndex(static_cast<std::uint8_t>(b))).size_class;
    ctx.so.classes[b].max_partial = ctx.ebbing() ? 0 : policy.classes[size_class].max_partial;
  }
}

// A thread that has only been freeing for a while may do nothing else for hours. Its magazines
// would keep nearly empty pages from going back, and nobody but it may touch them: so it keeps
// none. Its frees go straight to their pages, which costs no more than to collect and then flush
// them. Above the soft memory limit this begins with the first magazine that overflows. Much of
// what it freed may have been sent to threads that have ended.
template <class C>
void Allocator<C>::begin_ebb(Ctx& ctx) noexcept {
  ctx.ebb_bytes = ctx.thinned_bytes = 0;
  ctx.ebb_left = C::Geometry::kEbbAllocations;
  flush_all(ctx);
  set_up_holding(ctx);
  retire_empty_pages(ctx);
  salvage(~std::size_t{0});
  contexts_.scavenge(~std::size_t{0}, [&](Ctx& parked) { drain(parked); });
}

// A page with few blocks left need not wait for the time either. Each time an eighth of what the
// context has was given to its pages, these are looked at: a few looks for each page's worth.
template <class C>
void Allocator<C>::note_thinned(Ctx& ctx, std::size_t bytes) noexcept {
  ctx.thinned_bytes += bytes;
  if (HAKMEM_LIKELY(ctx.thinned_bytes < C::Geometry::kEbbBytes)) return;
  if (ctx.thinned_bytes < ctx.so.owned_bytes() / 8) return;
  ctx.thinned_bytes = 0;
  hot(ctx).purge_thinned();
}

template <class C>
bool Allocator<C>::release_idle() noexcept {
  const std::uint32_t now = cold_.period();
  visit_idle(now, {});
  cold_.age(now, Caller::kHoldsNone);
  large_.decay();
  return cold_.totals().warm_bytes != 0;
}

template <class C>
void Allocator<C>::note_freed_elsewhere(Ctx& ctx, std::size_t bytes) noexcept {
  ctx.ebb_bytes += bytes;
  if (HAKMEM_LIKELY(ctx.ebb_bytes < C::Geometry::kEbbBytes)) return;
  const LockGuard<C> working(ctx.lock);
  begin_ebb(ctx);
}

// The first allocations after that come this way, however small, and see how much time has passed.
template <class C>
void Allocator<C>::allocating_at_ebb(Ctx& ctx) noexcept {
  look_at_time(ctx);
  scavenge();
  if (--ctx.ebb_left == 0) set_up_holding(ctx);
}

// Where magazines are refilled or overflow. Once per decay period what is at rest is given up:
// here, in contexts whose threads do nothing, in the cold box.
template <class C>
void Allocator<C>::look_at_time(Ctx& ctx) noexcept {
  const std::uint32_t now = cold_.period();
  if (HAKMEM_LIKELY(now == ctx.so.seen_period())) return;
  ctx.so.period.store_relaxed(now);  // relaxed: a stamp
  flush_unused(ctx);
  hot(ctx).purge_at_rest_in_turns(now);
  visit_idle(now, {kIdlePerPeriod, kInUsePerPeriod});
  cold_.age(now);
}

// A page at a time, so that a thread that comes back does not wait.
template <class C>
void Allocator<C>::visit_idle(std::uint32_t now,
                              typename ContextRegistry<C>::Looks looks) noexcept {
  contexts_.scavenge(looks.idle, [&](Ctx& parked) { drain(parked); });
  PageCursor at;
  contexts_.visit_idle(now, looks, [&](Ctx& idle, std::uint32_t step) {
    if (step == 0) at = {};
    drain(idle);
    return hot(idle).purge_next_at_rest(now, at);
  });
}

template <class C>
void Allocator<C>::drain(Ctx& ctx) noexcept {
  if (HAKMEM_LIKELY(ctx.pending.empty())) return;
  HAKMEM_DCHECK(ctx.lock.is_held(), "context-lock", ctx.number);
  drain_owner_only(arena_, ctx.pending,
                   [&](Page& page, std::uint32_t slot) { give_back(ctx, page, slot); });
}

template <class C>
void Allocator<C>::retire_empty_pages(Ctx& ctx) noexcept {
  hot(ctx).retire_empty_pages([&](const Page& page) { count_retired(ctx, page); });
}

template <class C>
void Allocator<C>::count_retired(Ctx& ctx, const Page& page) noexcept {
  if (ctx.counting()) ctx.stats.by_class[page.class_idx].free_retire.add();
}

template <class C>
void Allocator<C>::flush_all(Ctx& ctx) noexcept {
  for (std::size_t b = 0; b < Sizes::kBins; ++b) {
    Magazine<C>& magazine = ctx.ultra.magazine(BinIndex(static_cast<std::uint8_t>(b)));
    flush(ctx, magazine, magazine.size());
  }
}

// Magazines that were neither refilled nor overflowed in this decay period and the one before.
template <class C>
void Allocator<C>::flush_unused(Ctx& ctx) noexcept {
  for (std::size_t b = 0; b < Sizes::kBins; ++b) {
    if (ctx.so.seen_period() - ctx.so.classes[b].used_in < 2) continue;
    Magazine<C>& magazine = ctx.ultra.magazine(BinIndex(static_cast<std::uint8_t>(b)));
    flush(ctx, magazine, magazine.size());
  }
}

// Memory must not wait for a thread to come back: whoever borrows a page first looks after a few
// parked contexts that were sent frees, and after large blocks that have been cached for long.
// Above the soft limit none is cached, nor a chunk of v1.
template <class C>
void Allocator<C>::scavenge() noexcept {
  if (HAKMEM_UNLIKELY(limit_.crowded(Holder::kMappings))) {
    large_.trim();
    v1_.unmap_empty();
  } else {
    large_.decay();
  }
  salvage(kContextsPerVisit);
  contexts_.scavenge(kContextsPerVisit, [&](Ctx& parked) { drain(parked); });
}

// What the learner is told of a block that went back to its page. Not while the context holds
// nothing (it ebbs, or is parked): then no limit would have kept the page.
template <class C>
void Allocator<C>::note_given(Ctx& ctx, const Page& page, BinIndex bin, GivePath path) noexcept {
  const SoClass<C>& cls = ctx.so.classes[bin.value()];
  if (cls.max_partial == 0) return;
  const SizeClass size_class(Sizes::info(bin).size_class);
  if (path == GivePath::kRetire) return learn_.note_retire(size_class);  // the page is another's
  if (path != GivePath::kPartial || page.used != 0) return;
  if (cls.partial_count > cls.max_partial / 2) learn_.note_spare(size_class);
}

// After blocks were taken from a page.
template <class C>
void Allocator<C>::learn(Ctx& ctx, SizeClass size_class, TakePath path) noexcept {
  if (path == TakePath::kRefill) learn_.note_refill(size_class);
  const std::uint32_t period = ctx.so.seen_period();
  if (HAKMEM_LIKELY(!learn_.due(period))) return;
  learn_.decide_in(period, [&](auto&& edit) {
    return policy_.update_learned(edit, [&](const PolicySnapshot& now) { set_warm_caps(now); });
  });
}

template <class C>
void Allocator<C>::set_warm_caps(const PolicySnapshot& policy) noexcept {
  for (std::size_t c = 0; c < kClassesMax; ++c) {
    cold_.set_warm_cap(static_cast<std::uint8_t>(c), policy.classes[c].warm_cap);
  }
}

template <class C>
StatsV3 Allocator<C>::stats() noexcept {
  StatsV3 sum;
  add_stats(sum);
  return sum;
}

template <class C>
void Allocator<C>::add_stats(StatsV3& sum) noexcept {
  contexts_.for_each([&](Ctx& ctx) {
    for_each_counter(sum, ctx.stats, [](std::uint64_t& total, const StatCounter<C>& counter) {
      total += counter.get();
    });
  });
}

template <class C>
std::size_t Allocator<C>::trim(Ctx* ctx) noexcept {
  const std::size_t before = limit_.held_by(Holder::kPages);
  if (ctx != nullptr) {
    const LockGuard<C> working(ctx->lock);
    prepare(*ctx);
    flush_all(*ctx);
    retire_empty_pages(*ctx);
  }
  const std::size_t after = limit_.held_by(Holder::kPages);
  // Above the soft limit pages went back at once; another thread's charges hide some of them.
  return (before > after ? before - after : 0) + purge();
}

template <class C>
std::size_t Allocator<C>::purge() noexcept {
  const std::size_t before = limit_.held_by(Holder::kPages);
  std::size_t unused = 0;
  salvage(~std::size_t{0});
  contexts_.visit_all([&](Ctx& ctx) {
    drain(ctx);
    retire_empty_pages(ctx);
  });
  if (arena_.exists()) cold_.for_each_lent_page([&](Page& page) { unused += purge_unused(page); });
  const std::size_t after = limit_.held_by(Holder::kPages);
  const std::size_t small = arena_.exists() ? cold_.trim(Caller::kHoldsNone) : 0;
  return unused + (before > after ? before - after : 0) + small + v1_.trim() + large_.trim();
}

// Its owner waits for this page's purge at most. Not of a context in use.
template <class C>
std::size_t Allocator<C>::purge_unused(Page& page) noexcept {
  Ctx* const owner = page.owner.load_relaxed();  // relaxed: looked at again under the lock
  if (owner == nullptr || !owner->lock.try_lock()) return 0;
  const bool still_lent =
      page.owner.load_relaxed() == owner && !owner->lost && page.head == arena_.unit_of(page);
  const std::size_t bytes = still_lent ? hot(*owner).purge_unused(page) : 0;
  owner->lock.unlock();
  return bytes;
}

template <class C>
void Allocator<C>::fail_freed_twice(Ctx* ctx, const Page& page, const FaultContext& call) noexcept {
  BlockView view = locate_in_page(page, page, ClientPtr(call.pointer));
  view.fault = Fault::kDoubleFree;
  fail(ctx, reinterpret_cast<void*>(call.pointer), call.operation, view);
}

// Of a slot that is about to go back to its page: the hot path pushes without an exchange, so both
// may have changed since it looked.
template <class C>
void Allocator<C>::expect_mine(const Ctx& ctx, const Page& page, std::uint32_t slot, EntryBits kind,
                               const char* operation) noexcept {
  if constexpr (C::kMitigations.check_frees) {
    const EntryBits entry = page.entries[slot].load_relaxed();  // relaxed: under the lock
    const bool mine = page.owner.load_relaxed() == &ctx && entry_kind(entry) == kind;
    if (HAKMEM_UNLIKELY(!mine)) report_raced_double_free(page, slot, operation);
  }
}

// Lock order: contexts, posting, learn, policy, cold, v1, large.
template <class C>
void Allocator<C>::fork_prepare(Ctx* mine) noexcept {
  contexts_.lock_for_fork(mine);
  posting_.lock();
  learn_.lock_for_fork();
  policy_.lock_for_fork();
  cold_.lock_for_fork();
  v1_.lock();
  large_.lock();
}

template <class C>
void Allocator<C>::fork_parent() noexcept {
  unlock_heaps_after_fork();
  contexts_.unlock_after_fork();
}

template <class C>
void Allocator<C>::unlock_heaps_after_fork() noexcept {
  large_.unlock();
  v1_.unlock();
  cold_.unlock_after_fork();
  policy_.unlock_after_fork();
  learn_.unlock_after_fork();
  posting_.unlock();
}

// Only this thread exists in the child, and it holds every lock. What it does next must not be
// predictable from the parent: its magazines are shuffled now, pages when they are next taken from.
// Lost threads were in no slow path, but in the middle of a post perhaps.
template <class C>
void Allocator<C>::fork_child(Ctx* mine) noexcept {
  contexts_.orphan_all_but(mine);
  Rng fresh(platform_.random());
  contexts_.for_each([&](Ctx& ctx) {
    ctx.so.rng.stir(fresh.next());
    ++ctx.so.generation;
    const std::uint32_t unit = ctx.posting.load_relaxed();  // relaxed: there is one thread
    ctx.posting.store_relaxed(Page::kNoPage);
    if (HAKMEM_LIKELY(unit == Page::kNoPage)) return;
    Page& page = arena_.page(unit);
    Ctx* const owner = page.owner.load_relaxed();
    if (owner != nullptr) repair_posts(arena_, owner->pending, page);
  });
  contexts_.call_again_in_child();
  unlock_heaps_after_fork();
  contexts_.unlock_in_child();
  if (arena_.exists()) {
    const ColdTotals pages = cold_.totals();
    limit_.set_held_in_child(Holder::kPages, pages.lent_bytes + pages.warm_bytes);
  }
  limit_.set_held_in_child(Holder::kChunks, v1_.bytes_charged());
  limit_.set_held_in_child(Holder::kMappings, large_.bytes_charged());
  if (mine == nullptr || !C::kMitigations.randomize_slots) return;
  for (std::size_t b = 0; b < Sizes::kBins; ++b) {
    Magazine<C>& magazine = mine->ultra.magazine(BinIndex(static_cast<std::uint8_t>(b)));
    shuffle(std::span(magazine.base, magazine.size()), mine->so.rng);
  }
}

}  // namespace hakmem
