// ULTRA against lists: what a refill puts into a magazine, what push, pop and flush leave in it,
// and in which order; magazines opened, closed, hidden and shown in between. Every slot is in one
// place: out, in a magazine or on its page.
#include "laws/ultra_laws.h"
#include "page/locate.h"
#include "proptests/box_fixture.h"
#include "ultra/ultra_box.h"

namespace hakmem::model {
namespace {

template <class C>
class UltraRun {
 public:
  UltraRun() : hot_(boxes_.arena, boxes_.cold, boxes_.context.so) {
    for (std::size_t b = 0; b < kBins; ++b) {
      boxes_.context.so.bins[b].owner = {&boxes_.context, &boxes_.context.ultra.front[b]};
      boxes_.context.so.bins[b].max_partial = 1;
    }
  }

  void step(Step step) {
    const std::uint32_t what = step.below(16);
    const std::size_t bin = kBins - 1 - step.below(3) * (kBins / 4);
    if (what < 6) {
      allocate(bin, step.below(9));
    } else if (what < 11) {
      deallocate(bin, step.below(1u << 20));
    } else if (what < 13) {
      flush(bin, step.below(1 + static_cast<std::uint32_t>(expected_[bin].size())));
    } else if (what < 15) {
      open_or_close(bin);
    } else {
      hidden_ = step.one_in(2);
      RC_LOG() << "hidden: " << hidden_ << "\n";
      ultra().set_hidden(hidden_);
    }
    compare();
  }

 private:
  using Box = UltraBox<C, ColdBox<C>>;
  using Hot = HotBox<C, ColdBox<C>>;
  static constexpr std::size_t kBins = C::Sizes::kBins;

  UltraCache<C>& ultra() { return boxes_.context.ultra; }
  SoPage<C>& page_of(void* block) {
    return boxes_.arena.head_of(*boxes_.arena.so_page_of(ClientPtr(block)));
  }
  typename SoPage<C>::Entry& entry_of(void* block) {
    SoPage<C>& page = page_of(block);
    return page.entries[divide(ClientPtr(block).address() - page.base, page.reciprocal).value];
  }

  // Out of the magazine, newest first; an empty one is refilled from one page.
  void allocate(std::size_t bin, std::size_t most) {
    hakmem::Magazine<C>& magazine = ultra().magazine(BinIndex(static_cast<std::uint8_t>(bin)));
    if (magazine.empty()) return refill(bin, magazine, std::min(most, magazine.capacity()));
    RC_LOG() << "pop: bin " << bin << "\n";
    void* const block = (--magazine.top)->block;
    RC_ASSERT((block == expected_[bin].back()));
    expected_[bin].pop_back();
    entry_of(block).store_relaxed(kEntryLive);
    out_[bin].push_back(block);
  }

  void refill(std::size_t bin, hakmem::Magazine<C>& magazine, std::size_t most) {
    RC_LOG() << "refill: bin " << bin << ", up to " << most << " more\n";
    const auto got = Box::refill(hot_, magazine, BinIndex(static_cast<std::uint8_t>(bin)), most);
    RC_ASSERT((got.block != nullptr));
    const SoPage<C>& page = page_of(got.block);
    std::size_t used = 0;  // before
    for (const auto* list : {&out_[bin], &expected_[bin]}) {
      for (void* const block : *list) used += &page_of(block) == &page ? 1 : 0;
    }
    // Fresh slots stay with their page.
    const std::size_t due = std::min<std::size_t>(most, page.capacity - used - 1u);
    RC_ASSERT(magazine.size() <= due);
    RC_ASSERT(magazine.size() == due || page.next_slot_is_fresh());
    for (auto* place = magazine.base; place != magazine.top; ++place) {
      RC_ASSERT(&page_of(place->block) == &page);
      expected_[bin].push_back(place->block);
    }
    RC_ASSERT(entry_of(got.block).load_relaxed() == kEntryLive);
    out_[bin].push_back(got.block);
  }

  // Into the magazine; to the page where there is no room.
  void deallocate(std::size_t bin, std::size_t which) {
    if (out_[bin].empty()) return;
    const std::size_t at = which % out_[bin].size();
    void* const block = out_[bin][at];
    out_[bin].erase(out_[bin].begin() + static_cast<std::ptrdiff_t>(at));
    hakmem::Magazine<C>& magazine = ultra().magazine(BinIndex(static_cast<std::uint8_t>(bin)));
    SoPage<C>& page = page_of(block);
    auto& entry = entry_of(block);
    const auto place = make_place<C>(block, &entry);
    RC_LOG() << "free: bin " << bin << (magazine.full() ? ", to its page\n" : ", kept\n");
    RC_ASSERT(slot_of(page, place) == static_cast<std::uint32_t>(&entry - page.entries));
    if (magazine.full()) {
      hot_.give(page, slot_of(page, place));
      return;
    }
    entry.store_relaxed(kEntryInMagazine<C>);
    *magazine.top++ = place;
    expected_[bin].push_back(block);
  }

  // The oldest `count` are released, in order; the others stay, in order.
  void flush(std::size_t bin, std::size_t count) {
    RC_LOG() << "flush: bin " << bin << ", " << count << "\n";
    std::vector<void*> released;
    Box::flush(ultra().magazine(BinIndex(static_cast<std::uint8_t>(bin))), count,
               [&](const auto& place) {
                 released.push_back(place.block);
                 SoPage<C>& page = page_of(place.block);
                 hot_.give(page, slot_of(page, place));
               });
    const auto kept = expected_[bin].begin() + static_cast<std::ptrdiff_t>(count);
    RC_ASSERT((released == std::vector<void*>(expected_[bin].begin(), kept)));
    expected_[bin].erase(expected_[bin].begin(), kept);
  }

  void open_or_close(std::size_t bin) {
    const BinIndex index(static_cast<std::uint8_t>(bin));
    if (!ultra().is_open(index)) {
      RC_LOG() << "open: bin " << bin << "\n";
      return ultra().open(index);
    }
    flush(bin, expected_[bin].size());
    RC_LOG() << "close: bin " << bin << "\n";
    ultra().close(index);
    RC_ASSERT(!ultra().is_open(index));
  }

  void compare() {
    for (std::size_t bin = 0; bin < kBins; ++bin) {
      const hakmem::Magazine<C>& magazine =
          ultra().magazine(BinIndex(static_cast<std::uint8_t>(bin)));
      const bool open = magazine.limit != nullptr;
      RC_ASSERT(
          magazine.capacity() ==
          (open ? std::min(boxes_.shape.bins[bin].magazine, boxes_.shape.magazine_first) : 0));
      RC_ASSERT((magazine.room() == magazine.capacity() - magazine.size()));
      std::vector<laws::CachedBlock> blocks;
      for (auto* place = magazine.base; place != magazine.top; ++place) {
        const SoPage<C>& page = page_of(place->block);
        blocks.push_back({ClientPtr(place->block).address(), page.bin,
                          state_of_entry(entry_of(place->block).load_relaxed()), true});
      }
      RC_ASSERT(blocks.size() == expected_[bin].size());
      for (std::size_t i = 0; i < blocks.size(); ++i)
        RC_ASSERT((magazine.base[i].block == expected_[bin][i]));
      RC_ASSERT((laws::first_broken_magazine_law(
                     {blocks, magazine.capacity(), static_cast<std::uint32_t>(bin),
                      state_of_entry(kEntryInMagazine<C>)}) == laws::kHolds));
      // What the hot path sees is closed while hidden.
      const hakmem::Magazine<C>& seen = ultra().front[bin];
      RC_ASSERT(
          (hidden_ ? seen.limit == nullptr && seen.empty() && seen.full() : &seen == &magazine));
      check_used(bin);
    }
  }

  // used of a page = its slots out or in a magazine.
  void check_used(std::size_t bin) {
    std::map<SoPage<C>*, std::uint32_t> used;
    for (const auto* list : {&out_[bin], &expected_[bin]}) {
      for (void* const block : *list) ++used[&page_of(block)];
    }
    for (const auto& [page, count] : used) RC_ASSERT(std::uint32_t{page->used} == count);
  }

  BoxFixture<C> boxes_;
  Hot hot_;
  std::array<std::vector<void*>, kBins> expected_;  // in the magazine, oldest first
  std::array<std::vector<void*>, kBins> out_;
  bool hidden_ = false;
};

template <class C>
void check_ultra() {
  UltraRun<C> run;
  for (const std::uint32_t bits : any_steps(80)) run.step(Step(bits));
}
RC_GTEST_PROP(Ultra, FollowsListsInSmall, ()) { check_ultra<SmallHardened>(); }
RC_GTEST_PROP(Ultra, FollowsListsInSmallPerf, ()) { check_ultra<SmallPerf>(); }
RC_GTEST_PROP(Ultra, FollowsListsInProduction, ()) { check_ultra<ProductionHardened>(); }
RC_GTEST_PROP(Ultra, FollowsListsInProductionPerf, ()) { check_ultra<ProductionPerf>(); }

}  // namespace
}  // namespace hakmem::model
