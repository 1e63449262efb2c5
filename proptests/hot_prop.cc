// The hot box against the model's: which path serves, in which order pages are used, where they end
// up, with max_partial changed, memory refused and empty pages given back in between.
#include "proptests/box_fixture.h"

namespace hakmem::model {
namespace {

template <class C>
class HotRun {
 public:
  HotRun()
      : hot_(boxes_.arena, boxes_.cold, boxes_.context.so), model_(0, boxes_.shape.bins.size()) {
    for (std::size_t b = 0; b < boxes_.shape.bins.size(); ++b) {
      boxes_.context.so.bins[b].owner = {&boxes_.context, &boxes_.context.ultra.front[b]};
      if (boxes_.shape.bins[b].capacity <= kFewSlots) few_.push_back(b);
    }
  }

  void step(Step step) {
    const std::uint32_t what = step.below(32);
    if (what < 16 || (out_.empty() && what < 28)) {
      take(few_[few_.size() - 1 - step.below(3)]);
    } else if (what < 28) {
      give(step.below(static_cast<std::uint32_t>(out_.size())));
    } else if (what < 30) {
      set_max_partial(few_[few_.size() - 1 - step.below(3)], step.below(4));
    } else if (what == 30) {
      retire_empty_pages(step.one_in(2));
    } else if (step.one_in(2)) {
      purge(step.below(4));
    } else {
      boxes_.set_limit(0, step.one_in(2) ? 0 : step.below(8));
    }
    compare();
  }

 private:
  static constexpr std::size_t kFewSlots = 16;  // so that pages fill

  void take(std::size_t bin) {
    RC_LOG() << "take: bin " << bin << "\n";
    const Bin& info = boxes_.shape.bins[bin];
    const auto source = hot_.page_to_take_from(BinIndex(static_cast<std::uint8_t>(bin)));
    const auto expected = model_.page_to_take_from(*boxes_.model_cold, bin, info.capacity, false);
    RC_ASSERT(static_cast<int>(source.path) == static_cast<int>(expected.path));
    RC_ASSERT((source.page == nullptr) == (expected.page == nullptr));
    if (source.page == nullptr) return;
    RC_ASSERT(std::size_t{source.page->head} == expected.page->head);
    const std::uint16_t slot = hot_.take(*source.page, kEntryLive);
    RC_ASSERT(int{slot} == expected.page->take(info, false, Slot::kLive));
    out_.emplace_back(source.page->head, slot);
  }

  void give(std::size_t at) {
    const auto [head, slot] = out_[at];
    RC_LOG() << "give: page " << head << " slot " << slot << "\n";
    out_.erase(out_.begin() + static_cast<std::ptrdiff_t>(at));
    const GivePath path = hot_.give(boxes_.arena.page(head), slot);
    const Give expected = model_.give(*boxes_.model_cold, boxes_.model_cold->page(head), slot);
    RC_ASSERT(static_cast<int>(path) == static_cast<int>(expected));
  }

  void set_max_partial(std::size_t bin, std::uint32_t most) {
    RC_LOG() << "max_partial: bin " << bin << " " << most << "\n";
    boxes_.context.so.bins[bin].max_partial = most;
    model_.bins[bin].max_partial = most;
  }

  void retire_empty_pages(bool all) {
    RC_LOG() << (all ? "retire_empty_pages\n" : "retire_beyond_max_partial\n");
    std::vector<std::size_t> retired, expected;
    const auto retiring = [&](const SoPage<C>& page) { retired.push_back(page.bin); };
    const auto retires = [&](std::size_t bin) { expected.push_back(bin); };
    if (all) {
      hot_.retire_empty_pages(retiring);
      model_.retire_empty_pages(*boxes_.model_cold, retires);
    } else {
      hot_.retire_beyond_max_partial(retiring);
      model_.retire_beyond_max_partial(*boxes_.model_cold, retires);
    }
    RC_ASSERT(retired == expected);
  }

  // What no block lies on goes back: of pages at rest when some periods have passed, or of all.
  void purge(std::uint32_t periods) {
    RC_LOG() << "purge: " << periods << " periods later\n";
    model_.period += periods;
    boxes_.context.so.period.store_relaxed(static_cast<std::uint32_t>(model_.period));
    const bool in_turns = periods % 2 == 0;
    if (periods == 0) {
      boxes_.cold.for_each_lent_page([&](SoPage<C>& page) { hot_.purge_unused(page); });
      model_.purge_all(*boxes_.model_cold, boxes_.shape);
    } else {
      const std::uint32_t now = boxes_.context.so.seen_period();
      PageCursor at;
      if (in_turns) hot_.purge_at_rest_in_turns(now);
      while (!in_turns && hot_.purge_next_at_rest(now, at)) {
      }
      model_.purge_at_rest(*boxes_.model_cold, boxes_.shape, model_.period, in_turns);
    }
  }

  void compare() {
    for (const std::size_t bin : few_) {
      const BinPages<C>& of_bin = boxes_.context.so.bins[bin];
      const PagesOfBin& expected = model_.bins[bin];
      RC_ASSERT((of_bin.current == nullptr ? kNone : std::size_t{of_bin.current->head}) ==
                expected.current);
      RC_ASSERT(std::size_t{of_bin.pages} == expected.pages);
      RC_ASSERT(std::size_t{of_bin.partial_count} == expected.partial.size());
      std::uint32_t unit = of_bin.partial.front(), before = SoPage<C>::kNoPage;
      for (std::size_t n = expected.partial.size(); n-- > 0;) {
        RC_ASSERT(std::size_t{unit} == expected.partial[n]);
        RC_ASSERT(boxes_.arena.page(unit).links.prev == before);
        before = unit;
        unit = boxes_.arena.page(unit).links.next;
      }
      RC_ASSERT(unit == SoPage<C>::kNoPage);
    }
    for (const auto& [head, slot] : out_) {
      RC_ASSERT(boxes_.arena.page(head).entries[slot].load_relaxed() == kEntryLive);
      const Page& expected = boxes_.model_cold->page(head);
      RC_ASSERT(static_cast<int>(boxes_.arena.page(head).flags) ==
                static_cast<int>(expected.place));
      // Slots come in order here, so where each one is is known.
      RC_ASSERT(std::size_t{boxes_.arena.page(head).purged.load_relaxed()} == expected.purged_min);
      RC_ASSERT(expected.purged_min == expected.purged_max);
    }
    boxes_.compare_cold();
  }

  BoxFixture<C> boxes_;
  HotBox<C, ColdBox<C>> hot_;
  Context model_;
  std::vector<std::size_t> few_;                              // bins whose pages have few slots
  std::vector<std::pair<std::uint32_t, std::uint16_t>> out_;  // page head, slot
};

template <class C>
void check_hot() {
  HotRun<C> run;
  for (const std::uint32_t bits : any_steps(200)) run.step(Step(bits));
}
RC_GTEST_PROP(HotBox, FollowsTheModelInSmall, ()) { check_hot<SmallOrdered>(); }
RC_GTEST_PROP(HotBox, FollowsTheModelInProduction, ()) { check_hot<ProductionOrdered>(); }

}  // namespace
}  // namespace hakmem::model
