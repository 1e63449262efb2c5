// The page box: the freelist and carving of one page against the model's page, what locate_in_page
// says about any address of the arena, and the page map.
#include "inspect/audit.h"
#include "page/freelist.h"
#include "page/locate.h"
#include "proptests/box_fixture.h"

namespace hakmem::model {
namespace {

// Takes and gives in any order: the slot that the model expects, or one of the batch it comes from.
template <class C>
void check_freelist() {
  BoxFixture<C> boxes;
  const auto bin = *rc::gen::inRange<std::size_t>(0, C::Sizes::kBins);
  const Bin& info = boxes.shape.bins[bin];
  SoPage<C>& page = *boxes.borrow(bin);
  Page& expected = *boxes.borrow_in_model(bin, false);
  Rng rng(*rc::gen::arbitrary<std::uint32_t>());
  std::vector<std::uint16_t> out;
  for (const std::uint32_t bits : any_steps(600)) {
    Step step(bits);
    if (page.has_free_slot() && (out.empty() || step.below(5) < 3)) {
      const Token token = expected.take(info, boxes.shape.randomize, Slot::kLive);
      const std::uint16_t slot = take_slot_owner_only(page, kEntryLive, rng);
      RC_LOG() << "take: slot " << slot << "\n";
      RC_ASSERT((token >= 0 ? token == slot : expected.learn(info, token, slot)));
      RC_ASSERT(page.entries[slot].load_relaxed() == kEntryLive);
      out.push_back(slot);
    } else {
      const std::size_t at = step.below(static_cast<std::uint32_t>(out.size()));
      RC_LOG() << "give: slot " << out[at] << "\n";
      expected.give(out[at]);
      give_slot_owner_only(page, out[at]);
      RC_ASSERT(page.freelist == out[at]);  // LIFO
      out.erase(out.begin() + static_cast<std::ptrdiff_t>(at));
    }
    RC_ASSERT(std::size_t{page.used} == out.size());
    RC_ASSERT(std::size_t{page.carved} == expected.carved);
    if (step.one_in(1 + page.capacity / 16u)) RC_ASSERT((boxes.broken_law(page) == laws::kHolds));
  }
  RC_ASSERT((boxes.broken_law(page) == laws::kHolds));
}
RC_GTEST_PROP(Freelist, FollowsTheModelInSmall, ()) { check_freelist<SmallHardened>(); }
RC_GTEST_PROP(Freelist, FollowsTheModelInSmallPerf, ()) { check_freelist<SmallPerf>(); }
RC_GTEST_PROP(Freelist, FollowsTheModelInProduction, ()) { check_freelist<ProductionHardened>(); }
RC_GTEST_PROP(Freelist, FollowsTheModelInProductionPerf, ()) { check_freelist<ProductionPerf>(); }

// Pages that are lent, some of their slots live, some of them retired again, and addresses in them.
template <class C>
class Located {
 public:
  explicit Located(Rng& rng) : rng_(rng) {
    for (int n = 0; n < 6; ++n) lend();
  }

  void check_address() {
    const auto unit =
        static_cast<std::size_t>(rng_.below(boxes_.cold.superslabs_used() * units_per_slab()));
    const SoPage<C>& page = boxes_.arena.page(
        static_cast<std::uint32_t>(lent_.empty() || rng_.below(8) == 0 ? unit : any_lent().head));
    check(address_in(page));
  }

 private:
  static std::uint32_t units_per_slab() {
    return static_cast<std::uint32_t>(C::Sizes::kUnitsPerSuperslab);
  }
  SoPage<C>& any_lent() { return *lent_[rng_.below(static_cast<std::uint32_t>(lent_.size()))]; }

  void lend() {
    const std::size_t bin = rng_.below(static_cast<std::uint32_t>(C::Sizes::kBins));
    SoPage<C>& page = *boxes_.borrow(bin);
    Page& expected = *boxes_.borrow_in_model(bin, false);
    lent_.push_back(&page);
    std::vector<std::uint16_t> out;
    for (std::uint32_t n = rng_.below(page.capacity + 1u); n > 0; --n) {
      const Token token =
          expected.take(boxes_.shape.bins[bin], boxes_.shape.randomize, Slot::kLive);
      out.push_back(take_slot_owner_only(page, kEntryLive, rng_));
      if (token < 0) RC_ASSERT(expected.learn(boxes_.shape.bins[bin], token, out.back()));
    }
    const bool retires = rng_.below(4) == 0;
    for (const std::uint16_t slot : out) {
      if (!retires && rng_.below(3) != 0) continue;
      give_slot_owner_only(page, slot);
      expected.give(slot);
    }
    if (!retires) return;
    boxes_.retire(page, expected);
  }

  // At, about or far from the start of a slot.
  std::uintptr_t address_in(const SoPage<C>& page) {
    constexpr std::array<std::uint32_t, 6> kOff{0, 0, 0, 1, 8, 16};
    const std::uintptr_t start = boxes_.arena.unit_address(boxes_.arena.unit_of(page));
    const std::uint32_t block = page.block_size == 0 ? 64 : page.block_size;
    const std::uint32_t bytes = static_cast<std::uint32_t>(
        page.block_size == 0 ? C::Sizes::kUnitBytes
                             : std::size_t{1} << C::Sizes::kBinTable[page.bin].page_shift);
    if (rng_.below(4) == 0) return start + rng_.below(bytes);
    const std::uint32_t at = rng_.below(bytes / block) * block + kOff[rng_.below(kOff.size())];
    return start + (at < bytes ? at : 0);
  }

  void check(std::uintptr_t address) {
    const ClientPtr p(address);
    const SoPage<C>* const unit = boxes_.arena.so_page_of(p);
    const std::size_t number = (address - boxes_.arena.base()) / boxes_.shape.unit;
    if (number >= boxes_.cold.superslabs_used() * C::Sizes::kUnitsPerSuperslab) {
      RC_ASSERT((unit == nullptr));
      return;
    }
    RC_ASSERT(unit == &boxes_.arena.page(static_cast<std::uint32_t>(number)));
    const BlockView view = locate_in_page(*unit, boxes_.arena.head_of(*unit), p);
    const Cold::Unit known = boxes_.model_cold->unit(number);
    RC_LOG() << "unit " << number << " of the page at " << known.head << ", bin " << known.bin
             << ", offset "
             << address - boxes_.arena.unit_address(static_cast<std::uint32_t>(number)) << "\n";
    RC_ASSERT((known.head == kNone) == (unit->base == 0));
    if (known.head == kNone) {
      RC_ASSERT((view.fault == Fault::kInvalidFree));
      return;
    }
    const Bin& bin = boxes_.shape.bins[known.bin];
    const std::size_t within = address - boxes_.arena.base() - known.head * boxes_.shape.unit;
    RC_ASSERT(view.block_size == bin.block);
    RC_ASSERT((std::size_t{view.slot} == within / bin.block));
    RC_ASSERT((view.offset == within % bin.block));
    RC_ASSERT(view.fault == verdict(number, bin, within, address));
  }

  // As models/reference/allocator.h has it.
  Fault verdict(std::size_t number, const Bin& bin, std::size_t within, std::uintptr_t address) {
    const std::size_t slot = within / bin.block;
    const bool start = within % bin.block == 0;
    const Page* const page = boxes_.model_cold->page_of_unit(number);
    const std::size_t ever_out = page != nullptr ? page->carved : bin.capacity;
    if (page != nullptr && start && slot < ever_out && page->slots[slot] == Slot::kLive)
      return Fault::kNone;
    if (address % 16 != 0) return Fault::kMisalignedFree;
    if (slot >= ever_out) return Fault::kInvalidFree;
    return start ? Fault::kDoubleFree : Fault::kInteriorFree;
  }

  Rng& rng_;
  BoxFixture<C> boxes_;
  std::vector<SoPage<C>*> lent_;
};

template <class C>
void check_locate() {
  Rng rng(*rc::gen::arbitrary<std::uint32_t>());
  Located<C> located(rng);
  for (int n = 0; n < 200; ++n) located.check_address();
}
RC_GTEST_PROP(Locate, SaysWhatAnAddressIsInSmall, ()) { check_locate<SmallHardened>(); }
RC_GTEST_PROP(Locate, SaysWhatAnAddressIsInProduction, ()) { check_locate<ProductionHardened>(); }

// Any 64-bit value: inside, about the edges, far away. Every unit of a page leads to its first.
template <class C>
void check_page_map() {
  BoxFixture<C> boxes;
  const Arena<C>& arena = boxes.arena;
  const auto any = *rc::gen::arbitrary<std::uint64_t>();
  const auto near =
      *rc::gen::inRange<std::uint64_t>(0, 4 * C::Sizes::kUnitBytes) - 2 * C::Sizes::kUnitBytes;
  for (auto more = *rc::gen::inRange(0, 4); more > 0; --more) {
    boxes.borrow(*rc::gen::inRange<std::size_t>(0, C::Sizes::kBins));
  }
  const std::size_t used = boxes.cold.superslabs_used() * C::Sizes::kSuperslabBytes;
  for (const std::uint64_t p :
       {any, any % arena.bytes() + arena.base(), arena.base() + near, arena.base(),
        arena.base() - 1, arena.base() + used - 1, arena.base() + used,
        any % (used + 1) + arena.base(), arena.base() + arena.bytes() - 1,
        arena.base() + arena.bytes(), near}) {
    const bool inside = p >= arena.base() && p < arena.base() + used;
    RC_ASSERT(arena.contains(ClientPtr(p)) == inside);
    const SoPage<C>* const found = arena.so_page_of(ClientPtr(p));
    RC_ASSERT((found != nullptr) == inside);
    if (inside)
      RC_ASSERT((std::size_t{arena.unit_of(*found)} == (p - arena.base()) / C::Sizes::kUnitBytes));
  }
  const auto bin = *rc::gen::inRange<std::size_t>(0, C::Sizes::kBins);
  for (int n = 0; n < 3; ++n) {
    SoPage<C>& page = *boxes.borrow(bin);
    for (std::size_t u = 0; u < boxes.units_of(bin); ++u) {
      const SoPage<C>& unit = arena.page(page.head + static_cast<std::uint32_t>(u));
      RC_ASSERT(&arena.head_of(unit) == &page);
      RC_ASSERT(unit.base == page.base);
      RC_ASSERT(unit.entries == page.entries);
      RC_ASSERT(unit.reciprocal == page.reciprocal);
      RC_ASSERT(unit.magazine == page.magazine);
      RC_ASSERT(unit.owner.load_relaxed() == &boxes.context);
    }
  }
}
RC_GTEST_PROP(PageMap, LeadsFromAnyAddressToItsPageInSmall, ()) { check_page_map<SmallHardened>(); }
RC_GTEST_PROP(PageMap, LeadsFromAnyAddressToItsPageInProduction, ()) {
  check_page_map<ProductionHardened>();
}

}  // namespace
}  // namespace hakmem::model
