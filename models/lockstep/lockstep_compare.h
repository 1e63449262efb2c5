// Compares every structure of a real allocator with the model's: where each page is and what each
// of its slots is, freelists, remote stacks, magazines place by place, pending pages, partial lists
// in order, superslabs, totals, every counter. The first difference is put into words.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "heap/allocator.h"
#include "models/reference/allocator.h"

namespace hakmem::model {

template <class C>
class Comparer {
 public:
  Comparer(hakmem::Allocator<C>& real, Allocator& model) : real_(real), model_(model) {}

  // Empty when there is no difference.
  std::string everything() {
    difference_.clear();
    same({"the policy in force"}, real_.policy() == model_.policy(), true);
    compare_contexts();
    compare_slabs();
    compare_fallbacks();
    compare_learner();
    return difference_;
  }
  // What one op can reach without a slow path elsewhere: one context, its counters, the totals.
  std::string context(std::size_t who) {
    difference_.clear();
    std::size_t number = 0;
    real_.boxes().contexts.for_each([&](hakmem::Context<C>& ctx) {
      if (number++ == who) compare_context(ctx, model_.contexts()[who]);
    });
    return difference_;
  }

 private:
  using RealPage = SoPage<C>;
  using RealContext = hakmem::Context<C>;

  // What is compared, as little as names it: put into words only when it differs.
  struct Thing {
    const char* what;
    std::size_t number = kNone;  // "what NUMBER"
    std::size_t bin = kNone;     // "what (context NUMBER, bin BIN)"

    std::string words() const {
      if (number == kNone) return what;
      if (bin == kNone) return std::string(what) + " " + std::to_string(number);
      return std::string(what) + " (context " + std::to_string(number) + ", bin " +
             std::to_string(bin) + ")";
    }
  };
  void same(const Thing& thing, std::size_t real, std::size_t model) {
    if (real != model && difference_.empty()) differ(thing.words(), real, model);
  }
  void differ(const std::string& what, std::size_t real, std::size_t model) {
    difference_ = what + ": the allocator has " + std::to_string(real) + ", the model " +
                  std::to_string(model);
  }
  const Bin& info(std::size_t bin) const { return model_.shape().bins[bin]; }

  // ---- contexts

  void compare_contexts() {
    std::size_t number = 0;
    real_.boxes().contexts.for_each([&](RealContext& ctx) {
      if (number < model_.contexts().size()) compare_context(ctx, model_.contexts()[number]);
      ++number;
    });
    same({"contexts"}, number, model_.contexts().size());
  }

  void compare_context(RealContext& real, Context& model) {
    const std::size_t who = model.number;
    same({"life of context", who}, static_cast<std::size_t>(real.state),
         static_cast<std::size_t>(model.life));
    same({"policy taken up by context", who}, *real.policy == model.policy, true);
    for (std::size_t b = 0; b < model.bins.size() && difference_.empty(); ++b) {
      compare_bin(real, model, b);
      compare_magazine(real, model, b);
    }
    same({"decay period of context", who}, real.so.seen_period(), model.period);
    same({"called context", who}, real.called.load_relaxed(), model.called);
    same({"watched context", who}, real.watched, model.watched);
    same({"attended context", who}, real.attended, model.attended);
    same({"out of view is context", who},
         real.pending.head.load_relaxed() == PendingPages<C>::kOutOfView, model.out_of_view);
    same({"bytes towards release mode of context", who}, real.release.freed_bytes,
         model.release_bytes);
    same({"release mode of context", who}, real.release.allocations_left, model.release_left);
    same({"bytes by which pages were thinned of context", who}, real.release.thinned_bytes,
         model.thinned_bytes);
    compare_pending(real, model);
    compare_counters(real, model);
  }

  void compare_bin(RealContext& real, const Context& model, std::size_t bin) {
    const BinPages<C>& of_bin = real.so.bins[bin];
    const PagesOfBin& own = model.bins[bin];
    const std::size_t who = model.number;
    same({"max_partial", who, bin}, of_bin.max_partial, own.max_partial);
    same({"partial_count", who, bin}, of_bin.partial_count, own.partial.size());
    same({"pages", who, bin}, of_bin.pages, own.pages);
    same({"decay period of the magazine", who, bin}, of_bin.used_in, own.used_in);
    same({"current", who, bin}, of_bin.current == nullptr ? kNone : of_bin.current->head,
         own.current);
    std::uint32_t unit = of_bin.partial.front();
    for (std::size_t at = own.partial.size(); at-- > 0 && unit != RealPage::kNoPage;) {
      same({"partial page", who, bin}, unit, own.partial[at]);
      unit = real_.boxes().arena.page(unit).links.next;
    }
  }

  void compare_magazine(RealContext& real, const Context& model, std::size_t bin) {
    const hakmem::Magazine<C>& m = real.ultra.magazine(BinIndex(static_cast<std::uint8_t>(bin)));
    const Magazine& expected = model.magazines[bin];
    const std::size_t capacity = expected.open ? expected.capacity : 0;
    same({"magazine capacity", model.number, bin}, m.capacity(), capacity);
    same({"magazine size", model.number, bin}, m.size(), expected.blocks.size());
    for (std::size_t i = 0; i < m.size() && difference_.empty(); ++i) {
      const auto address = reinterpret_cast<std::uintptr_t>(m.base[i].block);
      if (!may_be(address, expected.blocks[i]))
        differ(Thing{"magazine place", model.number, bin}.words() + " holds another block", i,
               kNone);
    }
  }
  bool may_be(std::uintptr_t address, const Cached& block) {
    if (block.page == kNone) return address == block.address;
    const Page& page = model_.cold().page(block.page);
    const std::size_t size = info(page.bin).block;
    const std::size_t offset = address - model_.arena() - block.page * model_.shape().unit;
    if (offset % size != 0 || offset / size >= page.carved) return false;
    const std::size_t slot = offset / size;
    return block.token >= 0 ? slot == static_cast<std::size_t>(block.token) : !page.seen[slot];
  }

  void compare_pending(RealContext& real, const Context& model) {
    const auto& pending = real.pending;
    std::uint32_t unit = pending.empty() ? RealPage::kNoPage : pending.head.load_relaxed();
    for (std::size_t at = model.pending.size(); at-- > 0 && difference_.empty();) {
      same({"pending page of context", model.number}, unit, model.pending[at]);
      if (unit != RealPage::kNoPage)
        unit = real_.boxes().arena.page(unit).next_pending.load_relaxed();
    }
    same({"end of pending pages of context", model.number}, unit == RealPage::kNoPage, true);
  }

  void compare_counters(RealContext& real, Context& model) {
    std::size_t index = 0;
    for_each_counter(model.stats, real.stats, [&](std::uint64_t& expected, StatCounter<C>& got) {
      if (got.get() != expected && difference_.empty()) {
        differ("counter " + counter_name(index) + " of context " + std::to_string(model.number),
               got.get(), expected);
      }
      ++index;
    });
  }
  static std::string counter_name(std::size_t index) {
    static constexpr const char* kPerClass[] = {
        "route_hits",        "alloc_calls",     "free_calls",  "alloc_refill", "alloc_current_hit",
        "alloc_partial_hit", "alloc_ultra_hit", "alloc_fb_v1", "free_fb_v1",   "free_current",
        "free_partial",      "free_retire",     "free_remote"};
    static constexpr const char* kTotals[] = {"page_of_fail", "large_alloc", "large_free"};
    constexpr std::size_t kEach = std::size(kPerClass);
    if (index >= kEach * kClassesMax) return kTotals[(index - kEach * kClassesMax) % 3];
    return std::string(kPerClass[index % kEach]) + "[C" + std::to_string(index / kEach) + "]";
  }

  // ---- superslabs and pages

  void compare_slabs() {
    Cold& cold = model_.cold();
    same({"superslabs"}, real_.boxes().cold.superslabs_used(), cold.slabs.size());
    for (std::size_t i = 0; i < cold.slabs.size() && difference_.empty(); ++i) compare_slab(i);
    const ColdTotals totals = real_.boxes().cold.totals();
    same({"bytes committed"}, totals.committed_bytes, cold.slabs.size() * model_.shape().superslab);
    same({"bytes lent"}, totals.lent_bytes, cold.lent_bytes);
    same({"bytes warm"}, totals.warm_bytes, cold.warm_bytes);
  }

  void compare_slab(std::size_t i) {
    const Superslab& real =
        real_.boxes().cold.record_for_test(SlabIndex(static_cast<std::uint32_t>(i)));
    const Slab& slab = model_.cold().slabs[i];
    same({"bin of superslab", i}, real.bin, slab.bin);
    same({"tier of superslab", i}, static_cast<std::size_t>(real.tier),
         static_cast<std::size_t>(slab.tier));
    same({"free pages of superslab", i}, real.free_pages, bits(slab.free));
    same({"warm pages of superslab", i}, real.warm_pages, bits(slab.warm));
    const std::size_t units = model_.shape().superslab / model_.shape().unit;
    for (std::size_t k = 0; k < slab.free.size() && difference_.empty(); ++k) {
      const std::size_t head = i * units + k * (info(slab.bin).page / model_.shape().unit);
      if (!slab.free[k])
        compare_page(head);
      else if (model_.cold().unit(head).head != kNone)
        compare_no_owner(head);
    }
  }
  static std::size_t bits(const std::vector<bool>& flags) {
    std::size_t out = 0;
    for (std::size_t k = 0; k < flags.size(); ++k) out |= flags[k] ? std::size_t{1} << k : 0;
    return out;
  }
  void compare_no_owner(std::size_t head) {
    const RealPage& page = real_.boxes().arena.page(static_cast<std::uint32_t>(head));
    same({"a free page has an owner"}, page.owner.load_relaxed() != nullptr, false);
  }

  void compare_page(std::size_t head) {
    const RealPage& real = real_.boxes().arena.page(static_cast<std::uint32_t>(head));
    const Page& page = model_.cold().page(head);
    const RealContext* const owner = real.owner.load_relaxed();
    if (owner == nullptr) return same({"owner of page", head}, 0, page.owner + 1);
    same({"owner of page", head}, owner->number, page.owner + 1);
    same({"bin of page", head}, real.bin, page.bin);
    same({"place of page", head}, static_cast<std::size_t>(real.flags),
         static_cast<std::size_t>(page.place));
    same({"used of page", head}, real.used, page.used);
    same({"fresh slots of page", head}, static_cast<std::size_t>(std::popcount(real.fresh)),
         static_cast<std::size_t>(std::count(page.fresh.begin(), page.fresh.end(), true)));
    same({"carved of page", head}, real.carved, page.carved);
    same({"decay period in which a slot was taken from page", head}, real.taken_in, page.taken_in);
    compare_purged(real, page);
    if (!difference_.empty()) return;
    compare_freelist(real, page);
    compare_remote_stack(real, page);
    compare_slots(real, page);
  }

  // The system may have refused to take memory back.
  void compare_purged(const RealPage& real, const Page& page) {
    const std::size_t purged = real.purged.load_relaxed();
    if (purged > page.purged_max)
      differ("system pages given back of page", purged, page.purged_max);
    if (purged < page.purged_min && purges_refused() == 0)
      differ("system pages given back of page", purged, page.purged_min);
  }
  std::size_t purges_refused() {
    if constexpr (requires { real_.boxes().platform.purges_refused(); })
      return real_.boxes().platform.purges_refused();
    else
      return 0;
  }

  void compare_freelist(const RealPage& real, const Page& page) {
    std::uint32_t slot = real.freelist;
    for (std::size_t at = page.freelist.size(); at-- > 0 && difference_.empty();) {
      if (slot >= page.carved) return same({"freelist ends early, page"}, page.head, kNone);
      const Token token = page.freelist[at];
      if (token >= 0)
        same({"slot on freelist of page", page.head}, slot, static_cast<std::size_t>(token));
      else
        same({"a slot seen before on freelist of page", page.head}, page.seen[slot], false);
      slot = entry_link(real.entries[slot].load_relaxed());
    }
    same({"freelist ends, page", page.head}, slot == kNoSlot, true);
  }
  void compare_remote_stack(const RealPage& real, const Page& page) {
    std::uint32_t slot = real.remote_head.load_relaxed();
    for (std::size_t at = page.remote.size(); at-- > 0 && difference_.empty();) {
      same({"slot on remote stack of page", page.head}, slot, page.remote[at]);
      if (slot < page.carved) slot = entry_link(real.entries[slot].load_relaxed());
    }
    same({"remote stack ends, page", page.head}, slot == kNoSlot, true);
  }
  // Without checks the entries do not tell a block in a magazine from one that is out.
  void compare_slots(const RealPage& real, const Page& page) {
    std::size_t unseen_cached = 0;
    for (std::size_t s = 0; s < page.carved && difference_.empty(); ++s) {
      const SlotState state = state_of_entry(real.entries[s].load_relaxed());
      if (!page.seen[s]) {
        unseen_cached += state != SlotState::kFree ? 1 : 0;
        continue;
      }
      if (state != expected(page.slots[s])) {
        return differ(
            "state of slot " + std::to_string(s) + " of page " + std::to_string(page.head),
            static_cast<std::size_t>(state), static_cast<std::size_t>(expected(page.slots[s])));
      }
    }
    same({"fresh slots in magazines, page", page.head}, unseen_cached, page.unseen_cached);
  }
  static SlotState expected(Slot slot) {
    switch (slot) {
      case Slot::kFree:
        return SlotState::kFree;
      case Slot::kRemote:
        return SlotState::kRemote;
      case Slot::kCached:
        return C::kMitigations.check_frees ? SlotState::kCached : SlotState::kLive;
      case Slot::kLive:
        break;
    }
    return SlotState::kLive;
  }

  void compare_fallbacks() {
    for (std::size_t b = 0; b < model_.v1_live.size() && difference_.empty(); ++b) {
      const std::size_t live = real_.boxes().v1.live_blocks(BinIndex(static_cast<std::uint8_t>(b)));
      same({"blocks of v1 in bin", b}, live, model_.v1_live[b]);
    }
    same({"large blocks"}, real_.boxes().large.live_blocks(), model_.large_live);
  }

  // What it decides shows in the policy; this, before it does.
  void compare_learner() {
    for (std::size_t c = 0; c < kClassesMax && difference_.empty(); ++c) {
      const ClassDeltas real = real_.boxes().learner.seen(SizeClass(static_cast<std::uint8_t>(c)));
      const Learner::Seen& seen = model_.learner().seen[c];
      same({"pages borrowed since the learner's decision, class", c}, real.refills, seen.refills);
      same({"pages retired since the learner's decision, class", c}, real.retires, seen.retires);
      same({"pages kept empty since the learner's decision, class", c}, real.spares, seen.spares);
    }
  }

  hakmem::Allocator<C>& real_;
  Allocator& model_;
  std::string difference_;
};

}  // namespace hakmem::model
