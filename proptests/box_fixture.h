// The boxes below the front, put together without it: an arena, a cold box and contexts over a fake
// platform, beside the same parts of the model.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <vector>

#include "cold/cold_box.h"
#include "hot/hot_box.h"
#include "laws/page_laws.h"
#include "models/lockstep/lockstep_configs.h"
#include "models/lockstep/ops.h"
#include "models/reference/context.h"
#include "proptests/steps.h"
#include "remote/remote_box.h"
#include "ultra/context.h"

namespace hakmem::model {

template <class C>
struct BoxFixture {
  BoxFixture() : shape(shape_of<C>()), storage(C::Sizes::kMagazineEntries) {
    context.ultra.storage = storage.data();
    arena.init(platform);
    mappings.init(platform);
    cold.init(platform, arena, limit, mappings);
    model_cold = std::make_unique<Cold>(shape, arena.superslabs());
    for (std::size_t c = 0; c < kClassesMax; ++c)
      cold.set_warm_cap(static_cast<std::uint8_t>(c), 1);
    model_cold->warm_cap.fill(1);
    model_cold->clock_ms = platform.clock_ms();
  }
  SoPage<C>* borrow(std::size_t bin) {
    const BinIndex index(static_cast<std::uint8_t>(bin));
    SoPage<C>* const page = cold.refill_page(index, {&context, &context.ultra.front[bin]});
    if (page != nullptr) cold.age(cold.period());
    return page;
  }
  Page* borrow_in_model(std::size_t bin, bool commit_fails) {
    Page* const page = model_cold->refill(bin, 0, commit_fails);
    if (page != nullptr) model_cold->age();
    return page;
  }
  // In use until now; the time is looked at first, as on the front's slow paths.
  void retire(SoPage<C>& page, Page& expected) {
    cold.age(cold.period());
    cold.retire_page(page, cold.period());
    model_cold->age();
    model_cold->retire(expected, model_cold->period());
  }
  std::size_t units_of(std::size_t bin) const { return shape.bins[bin].page / shape.unit; }
  // The laws of one page; O(slots).
  laws::Broken broken_law(const SoPage<C>& page) const {
    std::vector<EntryBits> entries(page.capacity);
    for (std::size_t s = 0; s < entries.size(); ++s) entries[s] = page.entries[s].load_relaxed();
    return laws::first_broken_page_law({entries, page.capacity, page.carved, page.used,
                                        page.freelist, page.remote_head.load_relaxed()});
  }
  // Around what is held (models/lockstep/ops.h).
  void set_limit(std::uint32_t soft_level, std::uint32_t hard_level) {
    const std::size_t soft = limit_level(soft_level, limit.held(), shape.unit);
    const std::size_t hard = limit_level(hard_level, limit.held(), shape.unit);
    RC_LOG() << "limit: soft " << soft << ", hard " << hard << "\n";
    limit.set({soft, hard});
    model_cold->limit = {std::min(soft, hard), hard};
  }
  void advance(std::uint64_t ms) {
    platform.advance_clock_ms(ms);
    model_cold->clock_ms = platform.clock_ms();
  }
  // Totals and tiers; what differs fails the property.
  void compare_cold() {
    const ColdTotals totals = cold.totals();
    RC_ASSERT(totals.lent_bytes == model_cold->lent_bytes);
    RC_ASSERT(totals.warm_bytes == model_cold->warm_bytes);
    RC_ASSERT(limit.held() == totals.lent_bytes + totals.warm_bytes);
    RC_ASSERT(cold.superslabs_used() == model_cold->slabs.size());
    for (std::size_t i = 0; i < model_cold->slabs.size(); ++i) {
      const Tier tier = cold.tier_of(SlabIndex(static_cast<std::uint32_t>(i)));
      RC_ASSERT(static_cast<int>(tier) == static_cast<int>(model_cold->slabs[i].tier));
    }
  }

  RecyclingPlatform platform;
  Arena<C> arena;
  LimitOf<C> limit;
  MappingBudget<C> mappings;
  ColdBox<C> cold;
  hakmem::Context<C> context;
  Shape shape;
  std::vector<MagazinePlace<C>> storage;
  std::unique_ptr<Cold> model_cold;
};

}  // namespace hakmem::model
