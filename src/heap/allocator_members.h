// The members of Allocator that are not on the hot path: each is one call of the unit that does it.
#pragma once

#include "heap/allocator.h"
#include "heap/reallocation.h"

namespace hakmem {

// Contexts that are parked with all of their magazines' memory; of more it goes back.
inline constexpr std::uint32_t kWarmContexts = 64;

template <class C>
void Allocator<C>::init(const PolicySnapshot& policy) noexcept {
  Boxes<C>& b = boxes_;
  b.policy.init(b.platform, policy);
  b.mappings.init(b.platform);
  b.v1.init(b.platform, b.limit, b.mappings);
  b.large.init(b.platform, b.limit, b.mappings);
  if (!b.arena.init(b.platform)) return;  // v1 and large serve alone
  if (!b.cold.init(b.platform, b.arena, b.limit, b.mappings)) return;
  if (b.contexts.init(b.platform)) b.set_warm_caps(policy);
}

template <class C>
Context<C>* Allocator<C>::attach_context() noexcept {
  ForkControl<C>(boxes_).salvage(kContextsPerVisit);
  Ctx* const ctx = boxes_.contexts.attach();
  if (ctx != nullptr) {
    const LockGuard<C> working(ctx->lock);
    boxes_.contexts.attend(*ctx);
    Maintenance<C>(boxes_).catch_up_anew(*ctx);
  }
  return ctx;
}

template <class C>
void Allocator<C>::park_context(Ctx& ctx) noexcept {
  {
    const LockGuard<C> working(ctx.lock);
    PageReturns<C>(boxes_).give_up_all(ctx);
  }
  if (boxes_.contexts.parked() >= kWarmContexts) boxes_.contexts.purge_magazines(ctx);
  boxes_.contexts.park(ctx);
}

template <class C>
void* Allocator<C>::allocate_slow(Ctx* ctx, std::size_t n) noexcept {
  return Allocation<C>(boxes_).allocate_slow(ctx, n);
}
template <class C>
void* Allocator<C>::allocate_zeroed(Ctx* ctx, std::size_t n) noexcept {
  return Allocation<C>(boxes_).allocate_zeroed(ctx, n);
}
template <class C>
void* Allocator<C>::allocate_zeroed_slow(Ctx* ctx, std::size_t n) noexcept {
  return Allocation<C>(boxes_).allocate_zeroed_slow(ctx, n);
}
template <class C>
void* Allocator<C>::allocate_aligned_slow(Ctx* ctx, std::size_t alignment, std::size_t n) noexcept {
  return Allocation<C>(boxes_).allocate_aligned_slow(ctx, alignment, n);
}

template <class C>
void Allocator<C>::deallocate_slow(Ctx* ctx, void* p, const char* operation) noexcept {
  Freeing<C>(boxes_).deallocate_slow(ctx, p, operation);
}

template <class C>
void* Allocator<C>::reallocate(Ctx* ctx, void* p, std::size_t n) noexcept {
  return Reallocation<C>(boxes_).reallocate(ctx, p, n);
}
template <class C>
bool Allocator<C>::size_fits(const BlockView& live, std::size_t alignment, std::size_t n,
                             SizeRule rule) noexcept {
  return Reallocation<C>(boxes_).size_fits(live, alignment, n, rule);
}

template <class C>
BlockView Allocator<C>::locate(const void* p) noexcept {
  return Faults<C>(boxes_).locate(p);
}
template <class C>
BlockView Allocator<C>::locate_live(Ctx* ctx, const void* p, const char* operation) noexcept {
  return Faults<C>(boxes_).locate_live(ctx, p, operation);
}
template <class C>
void Allocator<C>::fail(Ctx* ctx, const void* p, const char* operation, const BlockView& view,
                        std::size_t stated) noexcept {
  Faults<C>(boxes_).fail(ctx, p, operation, view, stated);
}

template <class C>
void Allocator<C>::catch_up(Ctx& ctx) noexcept {
  Maintenance<C>(boxes_).lock_and_catch_up(ctx);
}

template <class C>
StatsV3 Allocator<C>::stats() noexcept {
  StatsV3 sum;
  add_stats(sum);
  return sum;
}
template <class C>
void Allocator<C>::add_stats(StatsV3& sum) noexcept {
  boxes_.contexts.for_each([&](Ctx& ctx) {
    for_each_counter(sum, ctx.stats, [](std::uint64_t& total, const StatCounter<C>& counter) {
      total += counter.get();
    });
  });
}

template <class C>
std::size_t Allocator<C>::trim(Ctx* ctx) noexcept {
  return Maintenance<C>(boxes_).trim(ctx);
}
template <class C>
std::size_t Allocator<C>::purge() noexcept {
  return Maintenance<C>(boxes_).purge();
}
template <class C>
bool Allocator<C>::release_idle() noexcept {
  return Maintenance<C>(boxes_).release_idle();
}

template <class C>
void Allocator<C>::fork_prepare(Ctx* mine) noexcept {
  ForkControl<C>(boxes_).prepare(mine);
}
template <class C>
void Allocator<C>::fork_parent() noexcept {
  ForkControl<C>(boxes_).in_parent();
}
template <class C>
void Allocator<C>::fork_child(Ctx* mine) noexcept {
  ForkControl<C>(boxes_).in_child(mine);
}

}  // namespace hakmem
