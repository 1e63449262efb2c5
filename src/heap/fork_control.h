// ForkControl: every lock is held over a fork, so that the child finds no structure half changed.
// In the child only the forking thread exists. The contexts of the others are orphaned: little by
// little they are salvaged, which parks them for new threads.
#pragma once

#include <span>

#include "heap/page_returns.h"
#include "page/reshuffle.h"

namespace hakmem {

template <class C>
class ForkControl {
 public:
  using Sizes = typename C::Sizes;
  using Ctx = Context<C>;
  using Page = SoPage<C>;

  explicit ForkControl(Boxes<C>& boxes) noexcept : boxes_(boxes) {}

  // Lock order: contexts, posting, learn, policy, cold, v1, large. `mine`: the context of the
  // thread that forks, or nullptr.
  void prepare(Ctx* mine) noexcept HAKMEM_UNCHECKED {
    boxes_.contexts.lock_for_fork(mine);
    boxes_.posting.lock();
    boxes_.learner.lock_for_fork();
    boxes_.policy.lock_for_fork();
    boxes_.cold.lock_for_fork();
    boxes_.v1.lock();
    boxes_.large.lock();
  }

  void in_parent() noexcept HAKMEM_UNCHECKED {
    unlock_all_but_contexts();
    boxes_.contexts.unlock_after_fork();
  }

  // What the child does next must not be predictable from the parent: its magazines are shuffled
  // now, pages when they are next taken from.
  void in_child(Ctx* mine) noexcept HAKMEM_UNCHECKED {
    boxes_.contexts.orphan_all_but(mine);
    Rng fresh(boxes_.platform.random());
    boxes_.contexts.for_each([&](Ctx& ctx) {
      ctx.so.rng.stir(fresh.next());
      ++ctx.so.generation;
      finish_post(ctx);
    });
    boxes_.contexts.call_again_in_child();
    unlock_all_but_contexts();
    boxes_.contexts.unlock_in_child();
    count_held_anew();
    if (mine == nullptr || !C::kMitigations.randomize_slots) return;
    for (const BinIndex bin : Sizes::bins()) {
      Magazine<C>& magazine = mine->ultra.magazine(bin);
      shuffle(std::span(magazine.base, magazine.size()), mine->so.rng);
    }
  }

  // Up to `most` contexts of lost threads.
  void salvage(std::size_t most) noexcept {
    boxes_.contexts.salvage(most, [&](Ctx& lost) {
      drop_half_done(lost);
      PageReturns<C>(boxes_).give_up_all(lost);
    });
  }

 private:
  void unlock_all_but_contexts() noexcept HAKMEM_UNCHECKED {
    boxes_.large.unlock();
    boxes_.v1.unlock();
    boxes_.cold.unlock_after_fork();
    boxes_.policy.unlock_after_fork();
    boxes_.learner.unlock_after_fork();
    boxes_.posting.unlock();
  }

  // Lost threads were in no slow path, but in the middle of a post perhaps.
  void finish_post(Ctx& ctx) noexcept {
    const std::uint32_t unit = ctx.posting.load_relaxed();  // relaxed: there is one thread
    ctx.posting.store_relaxed(Page::kNoPage);
    if (HAKMEM_LIKELY(unit == Page::kNoPage)) return;
    Page& page = boxes_.arena.page(unit);
    Ctx* const owner = page.owner.load_relaxed();
    if (owner != nullptr) repair_posts(boxes_.arena, owner->pending, page);
  }

  void count_held_anew() noexcept {
    if (boxes_.arena.exists()) {
      const ColdTotals pages = boxes_.cold.totals();
      boxes_.limit.set_held_in_child(Holder::kPages, pages.lent_bytes + pages.warm_bytes);
    }
    boxes_.limit.set_held_in_child(Holder::kChunks, boxes_.v1.bytes_charged());
    boxes_.limit.set_held_in_child(Holder::kMappings, boxes_.large.bytes_charged());
  }

  // Of a lost thread's context. A pop lowers `top` and marks the block LIVE, in either order: in
  // the middle of one the newest place may be LIVE already, or the one above it not yet, and the
  // program has not got the block. A slow free claims the slot before it waits for the lock. A push
  // on the hot path that was cut short loses its block, no more.
  void drop_half_done(Ctx& ctx) noexcept {
    if constexpr (C::kMitigations.check_frees) {
      for (const BinIndex bin : Sizes::bins()) {
        Magazine<C>& magazine = ctx.ultra.magazine(bin);
        // relaxed, here and below: there is one thread that works on it
        if (!magazine.empty() && magazine.top[-1].entry->load_relaxed() == kEntryLive) {
          magazine.top[-1].entry->store_relaxed(kEntryCached);
        } else if (magazine.room() != 0) {
          const Page* const page = page_of_astray(ctx, magazine.top->block);
          if (page != nullptr && page->bin_index() == bin) ++magazine.top;
        }
      }
      const void* const claimed = ctx.claiming.load_relaxed();
      ctx.claiming.store_relaxed(nullptr);
      Page* const page = page_of_astray(ctx, claimed);
      if (page != nullptr) {
        const std::uintptr_t offset = ClientPtr(claimed).address() - page->base;
        const std::uint64_t slot = divide(offset, page->reciprocal).value;
        boxes_.hot(ctx).give(*page, static_cast<std::uint32_t>(slot));
      }
    }
  }

  // Of a block of the context's that is CACHED and yet in no magazine; else nullptr.
  Page* page_of_astray(Ctx& ctx, const void* block) noexcept {
    if constexpr (C::kMitigations.check_frees) {
      const Page* const unit = boxes_.arena.so_page_of(ClientPtr(block));
      // relaxed: as above
      if (unit == nullptr || unit->owner.load_relaxed() != &ctx) return nullptr;
      const Quotient q = divide(ClientPtr(block).address() - unit->base, unit->reciprocal);
      if (unit->entries[q.value].load_relaxed() != kEntryCached) return nullptr;
      const Magazine<C>& magazine = ctx.ultra.magazine(unit->bin_index());
      for (const MagazinePlace<C>* at = magazine.base; at != magazine.top; ++at) {
        if (at->block == block) return nullptr;
      }
      return &boxes_.arena.page(unit->head);
    }
    return nullptr;
  }

  Boxes<C>& boxes_;
};

}  // namespace hakmem
