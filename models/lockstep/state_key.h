// A key of everything in the model that can influence what happens next, and of the live blocks:
// two runs with the same key have the same futures. Counters are left out, and so is what the model
// leaves out (where v1 and large put blocks). For exhaustive runs, which visit each state once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "models/lockstep/blocks.h"
#include "models/reference/allocator.h"

namespace hakmem::model {

class StateKey {
 public:
  StateKey(Allocator& model, const Blocks& blocks) {
    for (const Slab& slab : model.cold().slabs) add_slab(slab);
    for (std::size_t u = 0; u < model.cold().slabs.size() * units(model); ++u) add_unit(model, u);
    for (const Context& ctx : model.contexts()) add_context(ctx);
    add(model.cold().limit.soft);
    add(model.cold().limit.hard);
    for (const std::size_t who : model.parked()) add(who);
    add(kNone);
    for (const std::size_t who : model.orphaned()) add(who);
    add(kNone);
    for (const std::size_t who : model.called()) add(who);
    add(kNone);
    for (const std::size_t who : model.sent()) add(who);
    add(kNone);
    for (const std::size_t who : model.watched()) add(who);
    add(kNone);
    add_policy(model.policy(), model.shape());
    add_times(model);
    if (model.policy().learn) add_learner(model);
    for (const Block& b : blocks.all()) add_block(b);
  }

  // For what the test itself remembers: which thread holds which context, what fails.
  void add(std::size_t n) {
    do {
      text_ += static_cast<char>(n & 0xFF);
      n >>= 8;
    } while (n != 0 && n != kNone >> 8);
    text_ += '\xFF';
  }
  const std::string& text() const { return text_; }

 private:
  static std::size_t units(const Allocator& model) {
    return model.shape().superslab / model.shape().unit;
  }

  void add_slab(const Slab& slab) {
    add(slab.bin);
    add(static_cast<std::size_t>(slab.tier));
    for (std::size_t k = 0; k < slab.free.size(); ++k)
      add(slab.free[k] ? (slab.warm[k] ? 2 : 1) : 0);
  }
  void add_unit(Allocator& model, std::size_t number) {
    const Cold::Unit unit = model.cold().unit(number);
    add(unit.head);
    add(unit.bin);
    if (unit.head == number) add_page(model.cold().page(number));
  }
  void add_page(const Page& page) {
    add(page.owner);
    add(static_cast<std::size_t>(page.place));
    add(page.carved);
    for (const Token t : page.freelist) add(static_cast<std::size_t>(t + 1));
    add(kNone);
    for (const std::size_t slot : page.remote) add(slot);
    add(kNone);
    for (const Slot s : page.slots) add(static_cast<std::size_t>(s));
    for (std::size_t k = 0; k < page.fresh.size(); ++k) add(page.fresh[k] ? 1 : 0);
  }
  void add_context(const Context& ctx) {
    add(static_cast<std::size_t>(ctx.life));
    add((ctx.out_of_view ? 2 : 0) + (ctx.attended ? 1 : 0));
    for (const Magazine& m : ctx.magazines) add_magazine(m);
    for (const PagesOfBin& own : ctx.bins) {
      add(own.refilled ? 1 : 0);
      if (own.pages == 0 && own.max_partial == 0) continue;
      add(own.current);
      for (const std::size_t head : own.partial) add(head);
      add(own.max_partial);
    }
    for (const std::size_t head : ctx.pending) add(head);
    add(kNone);
    add(ctx.policy.count ? 1 : 0);
    add(ctx.release_bytes);
    add(ctx.release_left);
    add(ctx.thinned_bytes);
  }
  void add_magazine(const Magazine& m) {
    add(m.open ? 1 + m.capacity : 0);
    for (const Cached& c : m.blocks) {
      add(c.page);
      add(static_cast<std::size_t>(c.token));
    }
  }
  void add_policy(const PolicySnapshot& policy, const Shape& shape) {
    for (std::size_t c = 0; c <= shape.bins.back().size_class; ++c) {
      add(policy.classes[c].v3 ? 1 : 0);
      add(policy.classes[c].max_partial);
      add(policy.classes[c].warm_cap);
      add(policy.classes[c].pinned ? 1 : 0);
    }
    add(policy.c6_hot ? 1 : 0);
    add(policy.count ? 1 : 0);
    add(policy.learn ? 1 : 0);
  }
  // Time goes by in whole periods: only how long ago things were counts.
  void add_times(Allocator& model) {
    const std::size_t now = model.cold().period();
    const auto add_age = [&](std::size_t then) { add(std::min<std::size_t>(now - then, 2)); };
    add(model.cold().grown_bytes());
    add(model.cold().early_bytes);
    add(model.cold().missed_bytes);
    add(now == model.cold().seen_period() ? 0 : 1);
    for (const Slab& slab : model.cold().slabs) add_age(slab.warm_since);
    for (const Context& ctx : model.contexts()) {
      add_age(ctx.period);
      for (const PagesOfBin& own : ctx.bins) add_age(own.used_in);
    }
    for (std::size_t u = 0; u < model.cold().slabs.size() * units(model); ++u) {
      if (model.cold().unit(u).head != u) continue;
      const Page& page = model.cold().page(u);
      add_age(page.taken_in);
      add(page.used_at_purge);
      add(page.purged_max);
    }
  }
  void add_learner(Allocator& model) {
    model.learner().each_remembered([&](std::size_t n) { add(n); });
    add(model.cold().period() - model.learner().period());
  }
  void add_block(const Block& b) {
    add(static_cast<std::size_t>(b.owned.heap));
    add(b.owned.bin);
    add(b.owned.page);
    add(b.owned.slot);
  }

  std::string text_;
};

}  // namespace hakmem::model
