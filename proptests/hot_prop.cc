// The page's freelist and the hot box against the model: which path serves, where pages end up.
#include "page/freelist.h"
#include "proptests/box_fixture.h"

namespace hakmem::model {
namespace {

using C = SmallOrdered;  // slots in order, so that every slot is known beforehand

RC_GTEST_PROP(HotBox, FollowsTheModel, ()) {
  Boxes<C> boxes;
  HotBox<C, ColdBox<C>> hot(boxes.arena, boxes.cold, boxes.context.so);
  Context model(0, boxes.shape.bins.size());
  const std::size_t bin = boxes.shape.bin_of(*rc::gen::element<std::size_t>(16, 640, 2048, 4096));
  const Bin& info = boxes.shape.bins[bin];
  auto& cls = boxes.context.so.classes[bin];
  cls.owner = {&boxes.context, &boxes.context.ultra.front[bin]};
  cls.max_partial = *rc::gen::inRange(0u, 4u);
  model.bins[bin].max_partial = cls.max_partial;

  std::vector<std::pair<std::size_t, std::uint32_t>> out;  // page head, slot
  const auto steps = *rc::gen::container<std::vector<std::uint32_t>>(
      150, rc::gen::noShrink(rc::gen::arbitrary<std::uint32_t>()));
  for (const std::uint32_t step : steps) {
    if (step % 2 == 0 || out.empty()) {
      const auto source = hot.page_to_take_from(BinIndex(static_cast<std::uint8_t>(bin)));
      const auto expected = model.page_to_take_from(*boxes.model_cold, bin, info.capacity, false);
      RC_ASSERT(static_cast<int>(source.path) == static_cast<int>(expected.path));
      RC_ASSERT(source.page->head == expected.page->head);
      const std::uint16_t slot = hot.take(*source.page, kEntryLive);
      RC_ASSERT(int{slot} == expected.page->take(info, false, Slot::kLive));
      out.emplace_back(source.page->head, slot);
    } else {
      const std::size_t at = step / 2 % out.size();
      const auto [head, slot] = out[at];
      out.erase(out.begin() + static_cast<std::ptrdiff_t>(at));
      const GivePath path = hot.give(boxes.arena.page(static_cast<std::uint32_t>(head)), slot);
      const Give expected =
          model.give(*boxes.model_cold, boxes.model_cold->page(head), static_cast<Token>(slot));
      RC_ASSERT(static_cast<int>(path) == static_cast<int>(expected));
    }
    RC_ASSERT(std::size_t{cls.partial_count} == model.bins[bin].partial.size());
    RC_ASSERT(std::size_t{cls.pages} == model.bins[bin].pages);
    boxes.compare_cold();
  }
}

// Every slot comes out once until one goes back, whatever the order of takes and gives.
RC_GTEST_PROP(Freelist, HandsEverySlotOutOnce, ()) {
  using Hard = ProductionHardened;
  Boxes<Hard> boxes;
  const auto bin = *rc::gen::inRange<std::size_t>(0, Hard::Sizes::kBins);
  SoPage<Hard>& page = *boxes.borrow(bin);
  Rng rng(*rc::gen::arbitrary<std::uint32_t>());
  std::vector<bool> is_out(page.capacity, false);
  std::vector<std::uint16_t> out;
  for (int i = 0; i < 600; ++i) {
    const bool take = out.empty() || (page.has_free_slot() && rng.below(5) < 3);
    if (take) {
      const std::uint16_t slot = take_slot_owner_only(page, kEntryLive, rng);
      RC_ASSERT(slot < page.capacity);
      RC_ASSERT(!is_out[slot]);
      RC_ASSERT(page.entries[slot].load_relaxed() == kEntryLive);
      is_out[slot] = true;
      out.push_back(slot);
    } else {
      const std::size_t at = rng.below(static_cast<std::uint32_t>(out.size()));
      give_slot_owner_only(page, out[at]);
      RC_ASSERT(page.freelist == out[at]);  // LIFO
      is_out[out[at]] = false;
      out.erase(out.begin() + static_cast<std::ptrdiff_t>(at));
    }
    RC_ASSERT(std::size_t{page.used} == out.size());
  }
}

// What is posted is drained, once: last page first, of each page the last slot first.
RC_GTEST_PROP(Remote, DrainsWhatWasPostedInOrder, ()) {
  Boxes<C> boxes;
  const std::size_t bin = boxes.shape.bin_of(100);
  PendingPages<C> pending;
  Rng rng(*rc::gen::arbitrary<std::uint32_t>());
  std::vector<SoPage<C>*> pages;
  std::vector<std::pair<std::size_t, std::uint32_t>> live;
  for (std::size_t p = 0; p < 3; ++p) {
    pages.push_back(boxes.borrow(bin));
    for (std::size_t s = 0; s < pages[p]->capacity; ++s) {
      live.emplace_back(p, take_slot_owner_only(*pages[p], kEntryLive, rng));
    }
  }
  std::vector<std::vector<std::uint32_t>> posted(pages.size());
  std::vector<std::size_t> order;
  const std::uint32_t count = rng.below(static_cast<std::uint32_t>(live.size()) + 1);
  for (std::uint32_t n = 0; n < count; ++n) {
    const std::size_t at = rng.below(static_cast<std::uint32_t>(live.size()));
    const auto [p, slot] = live[at];
    live.erase(live.begin() + static_cast<std::ptrdiff_t>(at));
    std::uint32_t head = 0;
    RC_ASSERT(mark_remote(*pages[p], slot, &head));
    post(boxes.arena, pending, *pages[p], slot, head);
    std::uint32_t again = 0;
    RC_ASSERT(!mark_remote(*pages[p], slot, &again) || !C::kMitigations.check_frees);
    relink_remote(*pages[p], slot, head);
    if (posted[p].empty()) order.push_back(p);
    posted[p].push_back(slot);
  }
  std::vector<std::pair<std::uint32_t, std::uint32_t>> drained;  // drain is noexcept: check later
  drain_owner_only(boxes.arena, pending, [&](SoPage<C>& page, std::uint32_t slot) {
    drained.emplace_back(page.head, slot);
  });
  RC_ASSERT(drained.size() == std::size_t{count});
  for (const auto& [head, slot] : drained) {
    const std::size_t p = order.back();
    RC_ASSERT(head == pages[p]->head);
    RC_ASSERT(slot == posted[p].back());
    posted[p].pop_back();
    if (posted[p].empty()) order.pop_back();
  }
  RC_ASSERT(order.empty());
  RC_ASSERT(pending.empty());
}

}  // namespace
}  // namespace hakmem::model
