// Compares every structure of a real allocator with the model's: where each page is and what each
// of its slots is, freelists, remote stacks, magazines place by place, pending pages, partial lists
// in order, superslabs, totals, every counter. The first difference is put into words.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "front/allocator.h"
#include "models/reference/allocator.h"

namespace hakmem::model {

template <class C>
class Comparer {
 public:
  Comparer(hakmem::Allocator<C>& real, Allocator& model) : real_(real), model_(model) {}

  // Empty when there is no difference.
  std::string everything() {
    difference_.clear();
    same("the policy in force", real_.policy() == model_.policy(), true);
    compare_contexts();
    compare_slabs();
    compare_fallbacks();
    return difference_;
  }
  // What one op can reach without a slow path elsewhere: one context, its counters, the totals.
  std::string context(std::size_t who) {
    difference_.clear();
    std::size_t number = 0;
    real_.contexts().for_each([&](hakmem::Context<C>& ctx) {
      if (number++ == who) compare_context(ctx, model_.contexts()[who]);
    });
    return difference_;
  }

 private:
  using RealPage = SoPage<C>;
  using RealContext = hakmem::Context<C>;

  void same(const std::string& what, std::size_t real, std::size_t model) {
    if (real == model || !difference_.empty()) return;
    difference_ = what + ": the allocator has " + std::to_string(real) + ", the model " +
                  std::to_string(model);
  }
  static std::string in_bin(const char* what, std::size_t who, std::size_t bin) {
    return std::string(what) + " (context " + std::to_string(who) + ", bin " + std::to_string(bin) +
           ")";
  }
  const Bin& info(std::size_t bin) const { return model_.shape().bins[bin]; }

  // ---- contexts

  void compare_contexts() {
    std::size_t number = 0;
    real_.contexts().for_each([&](RealContext& ctx) {
      if (number < model_.contexts().size()) compare_context(ctx, model_.contexts()[number]);
      ++number;
    });
    same("contexts", number, model_.contexts().size());
  }

  void compare_context(RealContext& real, Context& model) {
    const std::size_t who = model.number;
    same("life of context " + std::to_string(who), static_cast<std::size_t>(real.state),
         static_cast<std::size_t>(model.life));
    same("policy taken up by context " + std::to_string(who), *real.policy == model.policy, true);
    for (std::size_t b = 0; b < model.bins.size() && difference_.empty(); ++b) {
      compare_bin(real, model, b);
      compare_magazine(real, model, b);
    }
    if (real.ebb_bytes != model.ebb_bytes || real.ebb_left != model.ebb_left) {
      same("bytes towards the ebb of context " + std::to_string(who), real.ebb_bytes, model.ebb_bytes);
      same("ebb of context " + std::to_string(who), real.ebb_left, model.ebb_left);
    }
    compare_pending(real, model);
    compare_counters(real, model);
  }

  void compare_bin(RealContext& real, const Context& model, std::size_t bin) {
    const SoClass<C>& cls = real.so.classes[bin];
    const PagesOfBin& own = model.bins[bin];
    if (cls.max_partial != own.max_partial || cls.partial_count != own.partial.size()) {
      same(in_bin("max_partial", model.number, bin), cls.max_partial, own.max_partial);
      same(in_bin("partial_count", model.number, bin), cls.partial_count, own.partial.size());
    }
    if (cls.pages != own.pages) same(in_bin("pages", model.number, bin), cls.pages, own.pages);
    const std::size_t current = cls.current == nullptr ? kNone : cls.current->head;
    if (current != own.current) same(in_bin("current", model.number, bin), current, own.current);
    std::uint32_t unit = cls.partial;
    for (std::size_t at = own.partial.size(); at-- > 0 && unit != RealPage::kNoPage;) {
      same(in_bin("partial page", model.number, bin), unit, own.partial[at]);
      unit = real_.arena().page(unit).next;
    }
  }

  void compare_magazine(RealContext& real, const Context& model, std::size_t bin) {
    const hakmem::Magazine<C>& m = real.ultra.magazine(BinIndex(static_cast<std::uint8_t>(bin)));
    const Magazine& expected = model.magazines[bin];
    const std::size_t capacity = expected.open ? info(bin).magazine : 0;
    if (m.capacity() != capacity)
      same(in_bin("magazine capacity", model.number, bin), m.capacity(), capacity);
    if (m.size() != expected.blocks.size()) {
      same(in_bin("magazine size", model.number, bin), m.size(), expected.blocks.size());
    }
    for (std::size_t i = 0; i < m.size() && difference_.empty(); ++i) {
      const auto address = reinterpret_cast<std::uintptr_t>(m.base[i].block);
      if (!may_be(address, expected.blocks[i])) {
        same(in_bin("magazine place", model.number, bin) + " holds another block", i, kNone);
      }
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
    std::uint32_t unit = real.pending.head.load_relaxed();
    for (std::size_t at = model.pending.size(); at-- > 0 && difference_.empty();) {
      same("pending page of context " + std::to_string(model.number), unit, model.pending[at]);
      if (unit != RealPage::kNoPage) unit = real_.arena().page(unit).next_pending.load_relaxed();
    }
    same("end of pending pages of context " + std::to_string(model.number),
         unit == RealPage::kNoPage, true);
  }

  void compare_counters(RealContext& real, Context& model) {
    std::size_t index = 0;
    for_each_counter(model.stats, real.stats, [&](std::uint64_t& expected, StatCounter<C>& got) {
      if (got.get() != expected) {
        same("counter " + counter_name(index) + " of context " + std::to_string(model.number),
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
    same("superslabs", real_.cold().superslabs_used(), cold.slabs.size());
    for (std::size_t i = 0; i < cold.slabs.size() && difference_.empty(); ++i) compare_slab(i);
    const ColdTotals totals = real_.cold().totals();
    same("bytes committed", totals.committed_bytes, cold.slabs.size() * model_.shape().superslab);
    same("bytes lent", totals.lent_bytes, cold.lent_bytes);
    same("bytes warm", totals.warm_bytes, cold.warm_bytes);
  }

  void compare_slab(std::size_t i) {
    const Superslab& real = real_.cold().record_for_test(SlabIndex(static_cast<std::uint32_t>(i)));
    const Slab& slab = model_.cold().slabs[i];
    const std::string name = " of superslab " + std::to_string(i);
    same("bin" + name, real.bin, slab.bin);
    same("tier" + name, static_cast<std::size_t>(real.tier), static_cast<std::size_t>(slab.tier));
    same("free pages" + name, real.free_pages, bits(slab.free));
    same("warm pages" + name, real.warm_pages, bits(slab.warm));
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
    const RealPage& page = real_.arena().page(static_cast<std::uint32_t>(head));
    same("a free page has an owner", page.owner.load_relaxed() != nullptr, false);
  }

  void compare_page(std::size_t head) {
    const RealPage& real = real_.arena().page(static_cast<std::uint32_t>(head));
    const Page& page = model_.cold().page(head);
    const std::string name = " of page " + std::to_string(head);
    const RealContext* const owner = real.owner.load_relaxed();
    if (owner == nullptr) return same("owner" + name, 0, page.owner + 1);
    same("owner" + name, owner->number, page.owner + 1);
    same("bin" + name, real.bin, page.bin);
    same("place" + name, static_cast<std::size_t>(real.flags),
         static_cast<std::size_t>(page.place));
    same("used" + name, real.used, page.used);
    same("carved" + name, real.carved, page.carved);
    if (!difference_.empty()) return;
    compare_freelist(real, page);
    compare_remote_stack(real, page);
    compare_slots(real, page);
  }

  void compare_freelist(const RealPage& real, const Page& page) {
    std::uint32_t slot = real.freelist;
    for (std::size_t at = page.freelist.size(); at-- > 0 && difference_.empty();) {
      if (slot >= page.carved) return same("freelist ends early, page", page.head, kNone);
      const Token token = page.freelist[at];
      if (token >= 0)
        same("slot on freelist of page " + std::to_string(page.head), slot,
             static_cast<std::size_t>(token));
      else
        same("a slot seen before on freelist of page " + std::to_string(page.head), page.seen[slot],
             false);
      slot = entry_link(real.entries[slot].load_relaxed());
    }
    same("freelist ends, page " + std::to_string(page.head), slot == kNoSlot, true);
  }
  void compare_remote_stack(const RealPage& real, const Page& page) {
    std::uint32_t slot = real.remote_head.load_relaxed();
    for (std::size_t at = page.remote.size(); at-- > 0 && difference_.empty();) {
      same("slot on remote stack of page " + std::to_string(page.head), slot, page.remote[at]);
      if (slot < page.carved) slot = entry_link(real.entries[slot].load_relaxed());
    }
    same("remote stack ends, page " + std::to_string(page.head), slot == kNoSlot, true);
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
        same("state of slot " + std::to_string(s) + " of page " + std::to_string(page.head),
             static_cast<std::size_t>(state), static_cast<std::size_t>(expected(page.slots[s])));
      }
    }
    same("fresh slots in magazines, page " + std::to_string(page.head), unseen_cached,
         page.unseen_cached);
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
      const std::size_t live = real_.v1().live_blocks(BinIndex(static_cast<std::uint8_t>(b)));
      if (live != model_.v1_live[b])
        same("blocks of v1 in bin " + std::to_string(b), live, model_.v1_live[b]);
    }
    same("large blocks", real_.large().live_blocks(), model_.large_live);
  }

  hakmem::Allocator<C>& real_;
  Allocator& model_;
  std::string difference_;
};

}  // namespace hakmem::model
