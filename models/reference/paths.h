// The model's slow paths: magazines filled, frees of blocks of one's own and of others, the
// counters. Allocator (allocator.h) is the same object seen from outside.
#pragma once

#include <cstddef>

#include "models/reference/upkeep.h"

namespace hakmem::model {

class Paths : public Upkeep {
 protected:
  using Upkeep::Upkeep;

  // ---- slow allocation

  Served large() const { return {Heap::kLarge, kNone, kNone, 0, 0}; }
  Served v1(std::size_t bin) const { return {Heap::kV1, bin, kNone, 0, 0}; }

  Served allocate_bin(std::size_t who, std::size_t bin) {
    if (who == kNone) return v1(bin);
    Context& ctx = contexts_[who];
    attend(ctx);
    catch_up(ctx);
    if (ctx.release_left != 0) allocating_in_release_mode(ctx);
    if (!on_v3(ctx, info(bin).size_class)) {
      if (counting(ctx)) ++stats(ctx, bin).alloc_calls;
      return ctx.magazines[bin].blocks.empty() ? v1(bin) : pop(ctx, bin);
    }
    if (ctx.magazines[bin].blocks.empty()) return refill(ctx, bin);
    if (counting(ctx)) count_magazine_hit(ctx, bin);
    return pop(ctx, bin);
  }

  // One page serves the caller and up to half a magazine; fresh slots stay with it.
  Served refill(Context& ctx, std::size_t bin) {
    keep_time(ctx);
    if (ctx.bins[bin].refilled && ctx.magazines[bin].open && ctx.release_left == 0) grow(ctx, bin);
    ctx.bins[bin].refilled = true;
    const std::size_t capacity = ctx.magazines[bin].open ? ctx.magazines[bin].capacity : 0;
    const Context::Source source =
        ctx.page_to_take_from(cold_, bin, info(bin).capacity, commit_fails);
    count_refill(ctx, bin, source.path);
    ctx.release_bytes = 0;
    if (source.page == nullptr) learn(ctx, bin, source.path);
    if (source.page == nullptr) return v1(bin);
    Page& page = *source.page;
    if (page.generation != ctx.generation && shape_.randomize) reorder(page);
    page.generation = ctx.generation;
    const Token mine = page.take(info(bin), shape_.randomize, Slot::kLive);
    std::size_t extra = ctx.release_left != 0 ? 0 : capacity / 2;
    if (extra > info(bin).capacity - page.used) extra = info(bin).capacity - page.used;
    for (std::size_t i = 0; i < extra && !page.next_is_fresh(); ++i) {
      const Token token = page.take(info(bin), shape_.randomize, Slot::kCached);
      ctx.magazines[bin].blocks.push_back({page.head, token, 0});
    }
    const Served served{Heap::kV3, bin, page.head, mine, 0};
    if (source.path == Take::kRefill) {
      salvage(2);
      scavenge(2);
    }
    learn(ctx, bin, source.path);
    return served;
  }

  void count_magazine_hit(Context& ctx, std::size_t bin) {
    Counters& s = stats(ctx, bin);
    ++s.alloc_calls;
    if (!on_v3(ctx, info(bin).size_class)) return;
    ++s.route_hits;
    ++s.alloc_current_hit;
    ++s.alloc_ultra_hit;
  }
  void count_refill(Context& ctx, std::size_t bin, Take path) {
    if (!counting(ctx)) return;
    Counters& s = stats(ctx, bin);
    ++s.alloc_calls;
    ++s.route_hits;
    if (path == Take::kCurrent) ++s.alloc_current_hit;
    if (path == Take::kPartial) ++s.alloc_partial_hit;
    if (path == Take::kRefill) ++s.alloc_refill;
    if (path == Take::kNothing) ++s.alloc_fb_v1;
  }
  void count_kept(Context& ctx, std::size_t bin) {
    ++stats(ctx, bin).free_calls;
    ++stats(ctx, bin).free_current;
  }

  // ---- slow free

  void free_local(Context& ctx, Page& page, std::size_t slot) {
    attend(ctx);
    catch_up(ctx);
    const std::size_t bin = page.bin;
    if (ctx.magazines[bin].open && ctx.release_left == 0) {
      if (is_full(ctx, bin)) grow(ctx, bin);
      if (is_full(ctx, bin)) keep_time(ctx);
      const bool overflows = is_full(ctx, bin);
      const std::size_t flushed = overflows ? flush_half(ctx, bin) : 0;
      if (overflows) ctx.bins[bin].used_in = ctx.period;
      ctx.release_bytes += flushed * info(bin).block;
      const bool enough = ctx.release_bytes >= shape_.release_bytes;
      if (enough || (flushed != 0 && cold_.over_soft())) enter_release_mode(ctx);
    }
    if (ctx.magazines[bin].open && ctx.release_left == 0) {
      push(ctx, page, slot);
      if (counting(ctx)) count_kept(ctx, bin);
      return;
    }
    const Give path = ctx.give(cold_, page, static_cast<Token>(slot));
    note_given(ctx, bin, page, path);
    if (path == Give::kRetire)
      keep_time(ctx);
    else if (ctx.release_left != 0)
      note_thinned(ctx, info(bin).block);
    if (!counting(ctx)) return;
    ++stats(ctx, bin).free_calls;
    if (path == Give::kCurrent) ++stats(ctx, bin).free_current;
    if (path == Give::kPartial) ++stats(ctx, bin).free_partial;
    if (path == Give::kRetire) ++stats(ctx, bin).free_retire;
  }

  // The page is put on its owner's pending stack when its own was empty.
  void free_remote(std::size_t who, Page& page, std::size_t slot) {
    page.slots[slot] = Slot::kRemote;
    Context& owner = contexts_[page.owner];
    if (page.remote.empty()) {
      if (owner.out_of_view && owner.pending.empty()) call(owner);
      owner.pending.push_back(page.head);
      owner.out_of_view = false;
    }
    page.remote.push_back(slot);
    if (who == kNone) return;
    Context& ctx = contexts_[who];
    if (counting(ctx)) {
      ++stats(ctx, page.bin).free_calls;
      ++stats(ctx, page.bin).free_remote;
    }
    ctx.release_bytes += info(page.bin).block;
    if (ctx.release_bytes >= shape_.release_bytes) enter_release_mode(ctx);
  }

  void free_foreign(std::size_t who, const Owned& block) {
    Context* const ctx = who == kNone ? nullptr : &contexts_[who];
    if (ctx != nullptr) catch_up(*ctx);
    const bool counts = ctx != nullptr && counting(*ctx);
    if (counts) ++ctx->stats.page_of_fail;
    if (block.heap == Heap::kLarge) {
      --large_live;
      if (counts) ++ctx->stats.large_free;
      return;
    }
    if (counts) ++stats(*ctx, block.bin).free_calls;
    if (counts) ++stats(*ctx, block.bin).free_fb_v1;
    const bool keeps = ctx != nullptr && ctx->policy.c6_hot && ctx->release_left == 0;
    if (keeps && info(block.bin).size_class == 6) {
      if (is_full(*ctx, block.bin)) grow(*ctx, block.bin);
      if (is_full(*ctx, block.bin)) flush_half(*ctx, block.bin);
      ctx->magazines[block.bin].blocks.push_back({kNone, 0, block.address});
    } else {
      --v1_live[block.bin];
    }
  }
};

}  // namespace hakmem::model
