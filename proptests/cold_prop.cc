// The cold box against the model's: which page is lent, tiers, warm pages, budget, limit, decay,
// trim.
#include "models/ops.h"
#include "proptests/box_fixture.h"

namespace hakmem::model {
namespace {

template <class C>
void check_cold_box() {
  Boxes<C> boxes;
  std::vector<SoPage<C>*> lent;
  const auto steps = *rc::gen::container<std::vector<std::uint32_t>>(
      120, rc::gen::noShrink(rc::gen::arbitrary<std::uint32_t>()));
  for (const std::uint32_t step : steps) {
    const std::size_t what = step % 16;
    if (what < 8) {  // few bins: superslabs change hands
      const std::size_t bin = boxes.shape.bins.size() - 1 - step / 16 % 3 * 4;
      SoPage<C>* const page = boxes.borrow(bin);
      const Page* const expected = boxes.model_cold->refill(bin, 0, false);
      RC_ASSERT((page == nullptr) == (expected == nullptr));
      if (page == nullptr) continue;
      RC_ASSERT(page->head == expected->head);
      RC_ASSERT(page->capacity == boxes.shape.bins[bin].capacity);
      lent.push_back(page);
    } else if (what < 14 && !lent.empty()) {
      const std::size_t at = step / 16 % lent.size();
      boxes.model_cold->retire(boxes.model_cold->page(lent[at]->head));
      boxes.cold.retire_page(*lent[at]);
      lent.erase(lent.begin() + static_cast<std::ptrdiff_t>(at));
    } else if (what == 14) {
      boxes.advance(step / 16 % 700);
    } else if (step / 16 % 2 == 0) {
      RC_ASSERT(boxes.cold.trim() == boxes.model_cold->trim());
    } else if (step / 32 % 2 == 0) {
      const std::size_t hard = limit_level(step / 64, boxes.limit.held(), boxes.shape.unit);
      const std::size_t soft = limit_level(step / 512, boxes.limit.held(), boxes.shape.unit);
      boxes.limit.set({soft, hard});
      boxes.model_cold->limit = {soft < hard ? soft : hard, hard};
    } else {
      const std::size_t budget =
          boxes.model_cold->lent_bytes + step / 64 % 3 * boxes.shape.page_max;
      boxes.cold.set_budget(budget);
      boxes.model_cold->budget = budget;
    }
    boxes.compare_cold();
  }
}
RC_GTEST_PROP(ColdBox, FollowsTheModelInSmall, ()) { check_cold_box<SmallHardened>(); }
RC_GTEST_PROP(ColdBox, FollowsTheModelWithFourPages, ()) { check_cold_box<FourPagesHardened>(); }
RC_GTEST_PROP(ColdBox, FollowsTheModelInProduction, ()) { check_cold_box<ProductionHardened>(); }

}  // namespace
}  // namespace hakmem::model
