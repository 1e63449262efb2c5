// hot_page: one context's hot box over a scripted cold box, in small geometry, against a model of a
// few lines. The model knows what each page holds, which is current, and the order of the partial
// list, and predicts the path of every take and give, each refill and each retire. The laws of
// pages and of the hot box are checked after every step.
//
// Input: two bytes per step: what to do, and with which bin or block.
#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "fuzz/check.h"
#include "hot/hot_box.h"
#include "laws/hot_laws.h"
#include "laws/page_laws.h"
#include "models/lockstep/lockstep_configs.h"
#include "tests/support/scripted_cold.h"

namespace hakmem::fuzz {
namespace {

using C = model::SmallHardened;
using Page = SoPage<C>;
using Cold = test::ScriptedCold<C>;
constexpr std::array<std::uint8_t, 3> kBins{0, 5, 9};  // few, so that they meet often
constexpr std::uint32_t kPages = 8;                    // that the cold box has

// What must be so. Partial pages in order, the one used next last.
struct ExpectedClass {
  std::uint32_t current = laws::kNone;
  std::vector<std::uint32_t> partial;
  std::vector<std::uint32_t> full;
};

struct Out {
  std::uint32_t page;
  std::uint32_t slot;

  bool operator==(const Out&) const = default;
};

class Run {
 public:
  explicit Run(Arena<C>& arena) : arena_(arena), cold_(arena, kPages), hot_(arena, cold_, ctx_) {
    for (auto& cls : ctx_.bins) cls.max_partial = 1;
  }

  void step(std::uint8_t what, std::uint8_t which) {
    const std::size_t k = which % kBins.size();
    switch (what % 16) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
        take(k);
        break;
      case 6:
      case 7:
      case 8:
      case 9:
      case 10:
      case 11:
        give(which);
        break;
      case 12:
        cold_.refuses = which % 2 != 0;
        break;
      case 13:
        ctx_.bins[kBins[k]].max_partial = which / kBins.size() % 4;
        break;
      case 14:
        retire_empty();
        break;
      default:
        for (int i = 0; i < 4; ++i) give(0);
        break;
    }
    require(cold_.wrong_retires.empty(), "retire of a page that is in use or not lent");
    for (std::size_t i = 0; i < kBins.size(); ++i) check_class(i);
    check_pages();
  }

  // Whatever is out comes back; then nothing is lent.
  void finish() {
    while (!out_.empty()) step(6, 0);
    step(14, 0);
    require(cold_.lent() == 0, "a page is lost");
  }

 private:
  using Hot = HotBox<C, Cold>;

  // Never inlined is what fuzz/coverage_ignore.txt names.

  [[gnu::noinline]] std::uint32_t used(std::uint32_t page) const {
    return static_cast<std::uint32_t>(
        std::count_if(out_.begin(), out_.end(), [&](const Out& o) { return o.page == page; }));
  }
  [[gnu::noinline]] bool is_out(const Out& block) const {
    return std::find(out_.begin(), out_.end(), block) != out_.end();
  }
  std::uint32_t capacity(std::uint32_t page) const { return arena_.page(page).capacity; }

  void take(std::size_t k) {
    ExpectedClass& due = expected_[k];
    TakePath path = TakePath::kCurrent;
    const bool fresh = predict_source(due, path);
    const typename Hot::Source source = hot_.page_to_take_from(BinIndex(kBins[k]));
    require(source.path == path, "another path than predicted");
    require((source.page == nullptr) == (path == TakePath::kNone),
            "a page, but none was to be had");
    if (source.page == nullptr) return;
    if (fresh) due.current = source.page->head;
    require(source.page->head == due.current, "another page than predicted");
    const std::uint16_t slot = hot_.take(*source.page, kEntryLive);
    require(slot < source.page->capacity, "a slot beyond the page");
    require(!is_out({due.current, slot}), "a slot is out twice");
    out_.push_back({due.current, slot});
  }
  // True when a page has to come from the cold box.
  bool predict_source(ExpectedClass& due, TakePath& path) {
    if (due.current != laws::kNone) {
      if (used(due.current) < capacity(due.current)) return false;
      due.full.push_back(due.current);
      due.current = laws::kNone;
    }
    if (!due.partial.empty()) {
      path = TakePath::kPartial;
      due.current = due.partial.back();
      due.partial.pop_back();
      return false;
    }
    path = cold_.refuses || cold_.lent() == kPages ? TakePath::kNone : TakePath::kRefill;
    return path == TakePath::kRefill;
  }

  void give(std::uint8_t which) {
    if (out_.empty()) return;
    const auto at = out_.end() - 1 - static_cast<std::ptrdiff_t>(which % out_.size());
    const Out block = *at;
    out_.erase(at);
    Page& page = arena_.page(block.page);
    const GivePath path = predict_place(block.page, page.bin);
    require(hot_.give(page, block.slot) == path, "a freed slot took another path than predicted");
    require(cold_.is_lent(block.page) == (path != GivePath::kRetire), "retired or not");
    if (path != GivePath::kRetire) require(page.freelist == block.slot, "the freelist is LIFO");
  }
  GivePath predict_place(std::uint32_t page, std::uint16_t bin) {
    ExpectedClass& due = expected_[static_cast<std::size_t>(
        std::find(kBins.begin(), kBins.end(), bin) - kBins.begin())];
    std::erase(due.full, page);
    const auto listed = std::find(due.partial.begin(), due.partial.end(), page);
    const bool was_listed = listed != due.partial.end();
    const std::size_t others = due.partial.size() - (was_listed ? 1 : 0);
    const bool empty = used(page) == 0;
    if (empty && due.current == page) due.current = laws::kNone;
    const bool retires = empty && others >= ctx_.bins[bin].max_partial;
    const bool becomes_current = !empty && (due.current == laws::kNone || due.current == page);
    if ((retires || becomes_current) && was_listed) due.partial.erase(listed);
    if (retires) return GivePath::kRetire;
    if (becomes_current) {
      due.current = page;
      return GivePath::kCurrent;
    }
    if (!was_listed) due.partial.push_back(page);  // a page that was listed keeps its place
    return GivePath::kPartial;
  }
  std::vector<std::uint32_t> order_of_real(std::uint16_t bin) const {
    std::vector<std::uint32_t> order;
    for (std::uint32_t at = ctx_.bins[bin].partial.front();
         at != Page::kNoPage && order.size() < kPages; at = arena_.page(at).links.next) {
      order.insert(order.begin(), at);
    }
    return order;
  }

  void retire_empty() {
    for (std::size_t k = 0; k < kBins.size(); ++k) {
      ExpectedClass& due = expected_[k];
      if (due.current != laws::kNone && used(due.current) == 0) due.current = laws::kNone;
      std::erase_if(due.partial, [&](std::uint32_t page) { return used(page) == 0; });
    }
    hot_.retire_empty_pages(
        [&](const Page& page) { require(page.used == 0, "retires a page in use"); });
  }

  // ---- the real structures

  laws::OwnedPage owned(std::uint32_t page, std::uint8_t bin) const {
    if (page >= kPages || !cold_.is_lent(page) || arena_.page(page).bin != bin) return {};
    const Page& p = arena_.page(page);
    return {p.flags, p.used, p.capacity, p.links.next, p.links.prev};
  }

  [[gnu::noinline]] void check_class(std::size_t k) {
    const BinPages<C>& cls = ctx_.bins[kBins[k]];
    const ExpectedClass& due = expected_[k];
    const std::uint32_t current = cls.current == nullptr ? laws::kNone : cls.current->head;
    require(current == due.current, "another current page than predicted");
    require(cls.partial_count == due.partial.size(), "partial_count");
    require(order_of_real(kBins[k]) == due.partial, "the order of the partial list");
    const laws::ClassView view{current, cls.partial.front(), cls.partial_count, cls.pages,
                               cls.empty_count};
    const auto page_at = [&](std::uint32_t page) { return owned(page, kBins[k]); };
    laws::OwnedCounts found;
    laws::Broken broken = laws::kHolds;
    for (std::uint32_t page = 0; page < kPages; ++page) {
      if (page_at(page).flag == PageFlag::kRetired) continue;
      found.add(page_at(page));
      broken =
          laws::first_broken(broken, laws::h3_page_is_where_it_says(view, page, page_at(page)));
    }
    broken = laws::first_broken(broken, laws::h1_partial_list_is_sound(view, page_at),
                                laws::h2_current_is_flagged(view, page_at),
                                laws::h4_pages_add_up(view, found));
    if (broken != laws::kHolds) fail(std::string("law ") + broken + " is broken");
  }

  [[gnu::noinline]] void check_pages() {
    for (std::uint32_t number = 0; number < kPages; ++number) {
      if (!cold_.is_lent(number)) continue;
      const Page& page = arena_.page(number);
      std::array<EntryBits, C::Geometry::kSlotsMax> copy{};
      for (std::uint32_t s = 0; s < page.capacity; ++s) copy[s] = page.entries[s].load_relaxed();
      const laws::Broken broken = laws::first_broken_page_law({{copy.data(), page.capacity},
                                                               page.capacity,
                                                               page.carved,
                                                               page.used,
                                                               page.freelist,
                                                               kNoSlot});
      if (broken != laws::kHolds) fail(std::string("law ") + broken + " is broken");
      require(page.used == used(number), "used");
    }
  }

  Arena<C>& arena_;
  Cold cold_;
  SoCtx<C> ctx_;
  Hot hot_;
  std::array<ExpectedClass, kBins.size()> expected_;
  std::vector<Out> out_;
};

Arena<C>& arena() {
  static auto* const platform = new model::RecyclingPlatform;
  static auto* const made = [] {
    auto* const arena = new Arena<C>;
    require(arena->init(*platform), "no arena");
    require(Cold::open(*arena, *platform, kPages), "no tables");
    return arena;
  }();
  return *made;
}

}  // namespace
}  // namespace hakmem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hakmem::fuzz;
  Bytes bytes(data, std::min<std::size_t>(size, 256));
  Run run(arena());
  while (!bytes.empty()) {
    const std::uint8_t what = bytes.byte();
    run.step(what, bytes.byte());
  }
  run.finish();
  return 0;
}
