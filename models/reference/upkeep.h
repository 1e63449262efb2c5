// What the model does beside the calls of the program: policy, magazines and pages that give their
// blocks back, time, release mode, contexts that others look at. The ways of the calls: paths.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "models/reference/context.h"
#include "models/reference/learner.h"

namespace hakmem::model {

enum class Heap : unsigned char { kV3, kV1, kLarge };

// What an allocation is predicted to be served with.
struct Served {
  Heap heap = Heap::kV3;
  std::size_t bin = kNone;       // not for large
  std::size_t page = kNone;      // v3: head unit
  Token token = 0;               // v3
  std::uintptr_t cached_v1 = 0;  // v1 block out of a magazine: its address
};

// A live block, as the program knows it.
struct Owned {
  Heap heap = Heap::kV3;
  std::uintptr_t address = 0;
  std::size_t bin = kNone;
  std::size_t page = kNone;
  std::size_t slot = 0;
};

class Upkeep {
 public:
  std::vector<std::size_t> v1_live;  // blocks of v1 out or in a magazine, by bin
  std::size_t large_live = 0;
  bool commit_fails = false;  // what the system answered during the step
  bool policy_memory_fails = false;
  // Which of its free slots comes first, in a page from before a fork: told.
  std::function<void(Page&)> reorder = [](Page&) {};

 protected:
  Upkeep(const Shape& shape, std::size_t superslabs, const PolicySnapshot& policy)
      : v1_live(shape.bins.size(), 0),
        shape_(shape),
        cold_(shape_, superslabs),
        policy_(policy),
        learner_(shape_, policy) {}
  Upkeep(const Upkeep&) = delete;
  Upkeep& operator=(const Upkeep&) = delete;

  using Counters = StatsV3::PerClass;
  const Bin& info(std::size_t bin) const { return shape_.bins[bin]; }
  Counters& stats(Context& ctx, std::size_t bin) {
    return ctx.stats.by_class[info(bin).size_class];
  }
  bool counting(const Context& ctx) const { return ctx.policy.count; }

  // ---- policy

  void set_warm_caps() {
    for (std::size_t c = 0; c < kClassesMax; ++c) cold_.warm_cap[c] = policy_.classes[c].warm_cap;
  }
  static bool on_v3(const Context& ctx, unsigned k) { return ctx.policy.classes[k].v3; }
  // C6 may be cached in front although its pages come from v1.
  static bool cached_in_front(const Context& ctx, unsigned k) {
    return on_v3(ctx, k) || (k == 6 && ctx.policy.c6_hot);
  }
  void take_up_policy(Context& ctx) {
    ctx.policy = policy_;
    set_max_partial(ctx);
    ctx.retire_beyond_max_partial(cold_, [&](std::size_t bin) { count_retired(ctx, bin); });
    for (std::size_t b = 0; b < shape_.bins.size(); ++b) {
      const bool open = cached_in_front(ctx, info(b).size_class);
      if (!open) flush(ctx, b, ctx.magazines[b].blocks.size());
      if (open && !ctx.magazines[b].open)
        ctx.magazines[b].capacity = std::min(shape_.magazine_first, info(b).magazine);
      ctx.magazines[b].open = open;
    }
  }
  void set_max_partial(Context& ctx) {
    for (std::size_t b = 0; b < shape_.bins.size(); ++b) {
      const std::size_t wanted = ctx.policy.classes[info(b).size_class].max_partial;
      ctx.bins[b].max_partial = ctx.release_left != 0 ? 0 : wanted;
    }
  }
  void enter_release_mode(Context& ctx) {
    ctx.release_bytes = ctx.thinned_bytes = 0;
    ctx.release_left = shape_.release_allocations;
    flush_all(ctx);
    set_max_partial(ctx);
    retire_empty_pages(ctx);
    salvage(kNone);
    scavenge(kNone);
  }
  // Pages with few blocks left do not wait for the time when the context only frees.
  void note_thinned(Context& ctx, std::size_t bytes) {
    ctx.thinned_bytes += bytes;
    std::size_t owned = 0;
    for (std::size_t b = 0; b < shape_.bins.size(); ++b) owned += ctx.bins[b].pages * info(b).page;
    if (ctx.thinned_bytes < std::max(shape_.release_bytes, owned / 8)) return;
    ctx.thinned_bytes = 0;
    ctx.purge_thinned(cold_, shape_);
  }
  // S10: what is at rest is given up once per decay period: a magazine that was neither refilled
  // nor overflowed for a whole one, memory of pages that nothing was taken from for as long, all of
  // that in contexts whose threads do nothing, and then what the cold box holds.
  void keep_time(Context& ctx) {
    const std::size_t now = cold_.period();
    if (ctx.period == now) return;
    ctx.period = now;
    for (std::size_t b = 0; b < shape_.bins.size(); ++b) {
      if (now >= ctx.bins[b].used_in + 2) flush(ctx, b, ctx.magazines[b].blocks.size());
    }
    ctx.purge_at_rest(cold_, shape_, now, true);
    visit_idle(now);
    cold_.age();
  }
  // For a trim, of every context: the system pages given back between blocks.
  std::size_t give_up_memory() {
    std::size_t pages = 0;
    for (Context& ctx : contexts_) {
      if (ctx.life != Life::kActive && ctx.life != Life::kParked) continue;
      drain(ctx);
      retire_empty_pages(ctx);
      ctx.out_of_view = true;
      pages += ctx.purge_all(cold_, shape_);
    }
    return pages;
  }
  void allocating_in_release_mode(Context& ctx) {
    keep_time(ctx);
    salvage(2);
    scavenge(2);
    if (--ctx.release_left == 0) set_max_partial(ctx);
  }
  // What every slow path does first.
  void catch_up(Context& ctx) {
    if (!(ctx.policy == policy_)) take_up_policy(ctx);
    drain(ctx);
  }

  // ---- magazines

  // The hot path sees no magazine while calls are counted or the context is in release mode.
  Magazine* hot_magazine(Context& ctx, std::size_t bin) {
    const bool hidden = ctx.policy.count || ctx.policy.every_call_slow || ctx.release_left != 0;
    return ctx.magazines[bin].open && !hidden ? &ctx.magazines[bin] : nullptr;
  }
  Served pop(Context& ctx, std::size_t bin) {
    const Cached block = ctx.magazines[bin].blocks.back();
    ctx.magazines[bin].blocks.pop_back();
    if (block.page == kNone) return {Heap::kV1, bin, kNone, 0, block.address};
    Page& page = cold_.page(block.page);
    if (block.token < 0) --page.unseen_cached;
    page.set(block.token, Slot::kLive);
    return {Heap::kV3, bin, block.page, block.token, 0};
  }
  void push(Context& ctx, Page& page, std::size_t slot) {
    page.slots[slot] = Slot::kCached;
    ctx.magazines[page.bin].blocks.push_back({page.head, static_cast<Token>(slot), 0});
  }
  // The oldest `count` blocks go back to where they came from.
  void flush(Context& ctx, std::size_t bin, std::size_t count) {
    std::vector<Cached>& blocks = ctx.magazines[bin].blocks;
    for (std::size_t i = 0; i < count; ++i) {
      if (blocks[i].page == kNone)
        --v1_live[bin];
      else
        give(ctx, cold_.page(blocks[i].page), blocks[i].token);
    }
    blocks.erase(blocks.begin(), blocks.begin() + static_cast<std::ptrdiff_t>(count));
  }
  bool is_full(const Context& ctx, std::size_t bin) const {
    return ctx.magazines[bin].blocks.size() == ctx.magazines[bin].capacity;
  }
  // S4: a magazine that ran empty a second time, or full, gets four times the places.
  void grow(Context& ctx, std::size_t bin) {
    Magazine& magazine = ctx.magazines[bin];
    magazine.capacity = std::min(4 * magazine.capacity, info(bin).magazine);
  }
  // Returns the blocks flushed.
  std::size_t flush_half(Context& ctx, std::size_t bin) {
    const std::size_t half = (ctx.magazines[bin].blocks.size() + 1) / 2;
    flush(ctx, bin, half);
    return half;
  }
  void flush_all(Context& ctx) {
    for (std::size_t b = 0; b < shape_.bins.size(); ++b) {
      flush(ctx, b, ctx.magazines[b].blocks.size());
    }
  }

  // ---- pages

  // A block goes back without a call of the program: only what happens to pages is counted.
  void give(Context& ctx, Page& page, Token token) {
    const std::size_t bin = page.bin;
    const Give path = ctx.give(cold_, page, token);
    note_given(ctx, bin, page, path);
    if (!counting(ctx)) return;
    if (path == Give::kPartial) ++stats(ctx, bin).free_partial;
    if (path == Give::kRetire) ++stats(ctx, bin).free_retire;
  }
  // Of a thread that ends, or that a fork has lost.
  void park_context(Context& ctx) {
    flush_all(ctx);
    drain(ctx);
    ctx.release_bytes = ctx.release_left = ctx.thinned_bytes = 0;
    for (PagesOfBin& own : ctx.bins) own.max_partial = 0;
    retire_empty_pages(ctx);
    ctx.out_of_view = true;
    ctx.life = Life::kParked;
    parked_.push_back(ctx.number);
  }
  void salvage(std::size_t most) {
    for (; !orphaned_.empty() && most > 0; --most) {
      Context& ctx = contexts_[orphaned_.back()];
      orphaned_.pop_back();
      park_context(ctx);
      ctx.attended = true;
      call(ctx);
    }
  }
  void retire_empty_pages(Context& ctx) {
    ctx.retire_empty_pages(cold_, [&](std::size_t bin) { count_retired(ctx, bin); });
  }
  void count_retired(Context& ctx, std::size_t bin) {
    if (counting(ctx)) ++stats(ctx, bin).free_retire;
  }

  // ---- the learner (S16)

  // A block went back to its page. A context that keeps nothing has nothing to tell.
  void note_given(Context& ctx, std::size_t bin, const Page& page, Give path) {
    const PagesOfBin& own = ctx.bins[bin];
    if (!ctx.policy.learn || own.max_partial == 0) return;
    Learner::Seen& seen = learner_.seen[info(bin).size_class];
    if (path == Give::kRetire) ++seen.retires;
    const bool kept_empty = path == Give::kPartial && page.used == 0;
    if (kept_empty && own.partial.size() - 1 >= own.max_partial / 2) ++seen.spares;
  }
  // Blocks were taken from a page, or none was to be had.
  void learn(Context& ctx, std::size_t bin, Take path) {
    if (!ctx.policy.learn) return;
    if (path == Take::kRefill) ++learner_.seen[info(bin).size_class].refills;
    if (learner_.decide(ctx.period, policy_, policy_memory_fails)) set_warm_caps();
  }
  // Latest page first; of each, the latest slot first.
  void drain(Context& ctx) {
    std::vector<std::size_t> pages;
    pages.swap(ctx.pending);
    for (std::size_t at = pages.size(); at-- > 0;) {
      Page& page = cold_.page(pages[at]);
      std::vector<std::size_t> posted;
      posted.swap(page.remote);
      while (!posted.empty()) {
        give(ctx, page, static_cast<Token>(posted.back()));
        posted.pop_back();
      }
    }
  }

  // ---- contexts that others look at

  // S14: whoever sends something to a context that nobody has in view calls for somebody, and so
  // does a thread that begins to work with pages.
  void call(Context& ctx) {
    if (!ctx.called) called_.push_back(ctx.number);
    ctx.called = true;
  }
  void attend(Context& ctx) {
    if (!ctx.attended) call(ctx);
    ctx.attended = true;
  }
  void watch(Context& ctx) {
    if (ctx.watched || ctx.life == Life::kOrphaned) return;
    ctx.watched = true;
    watched_.push_back(ctx.number);
  }
  // The latest called first: one to be drained soon, any other to be visited once it is idle.
  void collect() {
    while (!called_.empty()) {
      Context& ctx = contexts_[called_.back()];
      called_.pop_back();
      ctx.called = ctx.life == Life::kParked && !ctx.pending.empty();
      if (ctx.called)
        sent_.push_back(ctx.number);
      else
        watch(ctx);
    }
  }
  // Up to `most` parked contexts that were sent something are drained.
  void scavenge(std::size_t most) {
    collect();
    while (most > 0 && !sent_.empty()) {
      Context& ctx = contexts_[sent_.front()];
      sent_.pop_front();
      ctx.called = false;
      watch(ctx);
      if (ctx.life != Life::kParked) continue;
      drain(ctx);
      ctx.out_of_view = true;
      --most;
    }
  }
  // Once, until it is at work or sent something: those that have been idle for longest first, 64
  // at most, and not behind more than one that is in use.
  void visit_idle(std::size_t now) {
    scavenge(64);
    collect();
    std::size_t idle = 64, in_use = 2;
    for (std::size_t most = watched_.size(); most > 0 && idle > 0 && in_use > 0; --most) {
      Context& ctx = contexts_[watched_.front()];
      watched_.pop_front();
      ctx.watched = false;
      if (ctx.life == Life::kOrphaned) continue;
      if (now < ctx.period + 2) {
        --in_use;
        watch(ctx);
        continue;
      }
      --idle;
      drain(ctx);
      ctx.purge_at_rest(cold_, shape_, now, false);
      ctx.attended = false;
      ctx.out_of_view = true;
    }
  }
  void call_again_in_child() {
    called_.clear();
    sent_.clear();
    for (Context& ctx : contexts_) {
      const bool was_called = ctx.called;
      ctx.called = false;
      if (ctx.life == Life::kOrphaned) continue;
      if (was_called || !ctx.pending.empty() || (ctx.attended && !ctx.watched)) call(ctx);
    }
  }

  const Shape shape_;
  Cold cold_;
  std::vector<Context> contexts_;
  std::vector<std::size_t> parked_;    // back = parked last
  std::vector<std::size_t> orphaned_;  // back = parked next
  std::vector<std::size_t> called_;    // back = latest
  std::deque<std::size_t> sent_;       // parked, with something to drain
  std::deque<std::size_t> watched_;
  PolicySnapshot policy_;
  Learner learner_;
};

}  // namespace hakmem::model
