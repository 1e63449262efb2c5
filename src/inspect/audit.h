// audit: builds the views of laws/ from a real Allocator and checks every law. For tests, fuzzers
// and debugging: O(everything), takes hardly a lock, so no thread may be inside the allocator
// meanwhile. Contexts orphaned by a fork, and their pages, are left out: they may have been in the
// middle of anything. Tests: tests/unit/laws_test.cc breaks each law in a real structure.
#pragma once

#include <array>
#include <cstdint>

#include "heap/allocator.h"
#include "inspect/memory_statistics.h"
#include "laws/heap_laws.h"
#include "laws/hot_laws.h"
#include "laws/learn_laws.h"
#include "laws/page_laws.h"
#include "laws/slab_laws.h"
#include "laws/ultra_laws.h"

namespace hakmem {

template <class C>
class Auditor {
 public:
  using Ctx = Context<C>;
  using Page = SoPage<C>;
  using Sizes = typename C::Sizes;
  using Broken = laws::Broken;

  explicit Auditor(Allocator<C>& allocator) noexcept : a_(allocator) {}

  // The id of the first broken law, nullptr when all hold.
  Broken run() noexcept {
    Broken broken = laws::a2_what_is_held_is_charged(charges());
    if (broken == laws::kHolds && a_.boxes().arena.exists()) broken = v3();
    return broken != laws::kHolds ? broken : memory();
  }

  // Calls visit(page) for each lent page until it returns a broken law.
  template <class Visit>
  Broken each_lent_page(Visit&& visit) noexcept {
    for (std::uint32_t i = 0; i < a_.boxes().cold.superslabs_used(); ++i) {
      const Superslab& slab = a_.boxes().cold.record_for_test(SlabIndex(i));
      for (std::uint32_t k = 0; k < slab.pages; ++k) {
        if (((slab.free_pages >> k) & 1) != 0) continue;
        const Broken broken = visit(head(i, k));
        if (broken != laws::kHolds) return broken;
      }
    }
    return laws::kHolds;
  }

 private:
  Broken v3() noexcept {
    heap_ = {};
    heap_.states_tell_cached = C::kMitigations.check_frees;
    Broken broken = slabs();
    if (broken == laws::kHolds) broken = lent_pages();
    if (broken == laws::kHolds) broken = contexts();
    if (broken == laws::kHolds) broken = learned_limits();
    return broken != laws::kHolds ? broken : laws::a1_no_slot_is_lost(heap_);
  }

  Broken memory() noexcept {
    MemoryStats s;
    MemoryCounter<C>(a_).run(Patience::kWaits, s);
    return laws::m1_memory_is_nested(
        {s.allocated(), s.active(), s.resident(), s.mapped(), s.metadata});
  }

  static std::uint32_t units_per_page(std::uint32_t bin) noexcept {
    return 1u << (Sizes::kBinTable[bin].page_shift - C::Geometry::kUnitShift);
  }
  Page& head(std::uint32_t slab, std::uint32_t k) noexcept {
    const std::uint32_t bin = a_.boxes().cold.record_for_test(SlabIndex(slab)).bin;
    return a_.boxes().arena.page(a_.boxes().arena.first_unit(SlabIndex(slab)) +
                                 k * units_per_page(bin));
  }

  laws::ChargesView charges() noexcept {
    const auto& limit = a_.boxes().limit;
    const ColdTotals pages = a_.boxes().arena.exists() ? a_.boxes().cold.totals() : ColdTotals{};
    return {{limit.held_by(Holder::kPages), limit.held_by(Holder::kChunks),
             limit.held_by(Holder::kMappings)},
            {pages.lent_bytes + pages.warm_bytes, a_.boxes().v1.bytes_charged(),
             a_.boxes().large.bytes_charged()},
            limit.held()};
  }

  // ---- policy

  Broken learned_limits() noexcept {
    const PolicySnapshot policy = a_.policy();
    Broken broken = laws::kHolds;
    for (std::size_t c = 0; c < kClassesMax && policy.learn && broken == laws::kHolds; ++c) {
      broken = laws::l1_limits_are_within_bounds(policy.classes[c], learn_bounds<C>(c));
    }
    return broken;
  }

  // ---- superslabs

  laws::SlabView slab_view(std::uint32_t i) noexcept {
    if (i >= a_.boxes().cold.superslabs_used()) return {};
    const Superslab& record = a_.boxes().cold.record_for_test(SlabIndex(i));
    laws::SlabView view{record.tier,        record.listed,     record.bin, record.pages,
                        record.free_pages,  record.warm_pages, 0,          record.in_tier.next,
                        record.in_tier.prev};
    for (std::uint32_t k = 0; k < view.pages && k < 32; ++k) {
      view.owned_pages |= head(i, k).owner.load_relaxed() != nullptr ? 1u << k : 0u;
    }
    return view;
  }

  Broken slabs() noexcept {
    laws::SlabTotals found;
    for (std::uint32_t i = 0; i < a_.boxes().cold.superslabs_used(); ++i) {
      const laws::SlabView slab = slab_view(i);
      const Broken broken =
          laws::first_broken(laws::s1_tier_tells_emptiness(slab), laws::s2_listed_when_due(slab),
                             laws::s3_pages_are_in_one_place(slab));
      if (broken != laws::kHolds) return broken;
      found.add(slab, std::size_t{1} << Sizes::kBinTable[slab.bin].page_shift,
                Sizes::kSuperslabBytes);
    }
    std::uint32_t members = 0;
    const Broken broken = slab_lists(&members);
    if (broken != laws::kHolds) return broken;
    const ColdTotals totals = a_.boxes().cold.totals();
    return laws::s4_totals_add_up({totals.committed_bytes, totals.lent_bytes, totals.warm_bytes,
                                   members, totals.superslabs_by_tier},
                                  found);
  }

  Broken slab_lists(std::uint32_t* members) noexcept {
    for (std::uint32_t b = 0; b < Sizes::kBins; ++b) {
      const Broken broken = laws::first_broken(slab_list(Tier::kHot, b, members),
                                               slab_list(Tier::kDraining, b, members));
      if (broken != laws::kHolds) return broken;
    }
    return slab_list(Tier::kFree, 0, members);
  }
  Broken slab_list(Tier tier, std::uint32_t bin, std::uint32_t* members) noexcept {
    const BinIndex b(static_cast<std::uint8_t>(bin));
    return laws::s2_list_is_sound(
        {a_.boxes().cold.list_head_for_test(tier, b), tier, bin, a_.boxes().cold.superslabs_used()},
        [this](std::uint32_t i) { return slab_view(i); }, members);
  }

  // ---- pages

  static bool is_orphaned(const Page& page) noexcept {
    return page.owner.load_relaxed()->state == ContextState::kOrphaned;
  }

  Broken lent_pages() noexcept {
    return each_lent_page([this](const Page& page) {
      const Broken broken = units(page);
      return broken != laws::kHolds || is_orphaned(page) ? broken : slots(page);
    });
  }

  static laws::UnitView unit_view(const Page& unit) noexcept {
    return {unit.base,
            reinterpret_cast<std::uintptr_t>(unit.entries),
            reinterpret_cast<std::uintptr_t>(unit.owner.load_relaxed()),
            reinterpret_cast<std::uintptr_t>(unit.magazine),
            unit.reciprocal,
            unit.block_size,
            unit.head,
            unit.bin};
  }
  // The first unit of a page is also compared with what its place in the arena and its bin ask for.
  Broken units(const Page& page) noexcept {
    const std::uint32_t first = a_.boxes().arena.unit_of(page);
    const BinInfo& info = Sizes::kBinTable[page.bin];
    laws::UnitView due = unit_view(page);
    due.base = a_.boxes().arena.unit_address(first);
    due.reciprocal = info.reciprocal;
    due.block_size = info.block_size;
    due.head = first;
    due.magazine =
        reinterpret_cast<std::uintptr_t>(&page.owner.load_relaxed()->ultra.front[page.bin]);
    for (std::uint32_t u = first; u < first + units_per_page(page.bin); ++u) {
      const Broken broken = laws::p6_units_agree(due, unit_view(a_.boxes().arena.page(u)));
      if (broken != laws::kHolds) return broken;
    }
    return laws::kHolds;
  }

  Broken slots(const Page& page) noexcept {
    std::array<EntryBits, C::Geometry::kSlotsMax> copy;
    for (std::uint32_t s = 0; s < page.capacity; ++s) copy[s] = page.entries[s].load_relaxed();
    const laws::PageView view{
        {copy.data(), page.capacity},    page.capacity, page.carved, page.used, page.freelist,
        page.remote_head.load_relaxed(), page.fresh};
    heap_.add(view, laws::count_states(view));
    return laws::first_broken_page_law(view);
  }

  // ---- contexts

  Broken contexts() noexcept {
    Broken broken = laws::kHolds;
    a_.boxes().contexts.for_each([&](Ctx& ctx) {
      if (ctx.state == ContextState::kOrphaned || broken != laws::kHolds) return;
      broken = laws::a3_nobody_is_forgotten(
          {ctx.pending.head.load_relaxed() == PendingPages<C>::kOutOfView,
           ctx.called.load_relaxed() != 0, ctx.watched});
      const OwnedByBin owned = owned_pages(ctx);
      for (std::uint32_t b = 0; b < Sizes::kBins && broken == laws::kHolds; ++b) {
        broken = laws::first_broken(size_class(ctx, b, owned[b]), magazine(ctx, b));
      }
    });
    return broken;
  }

  static laws::OwnedPage owned_page(const Page& page) noexcept {
    return {page.flags, page.used, page.capacity, page.links.next, page.links.prev};
  }

  laws::ClassView class_view(const Ctx& ctx, std::uint32_t bin) noexcept {
    const BinPages<C>& of_bin = ctx.so.bins[bin];
    const std::uint32_t current =
        of_bin.current == nullptr ? laws::kNone : a_.boxes().arena.unit_of(*of_bin.current);
    return {current, of_bin.partial.front(), of_bin.partial_count, of_bin.pages,
            of_bin.empty_count};
  }

  // One walk over the lent pages for all bins of a context.
  struct Owned {
    laws::OwnedCounts counts;
    Broken h3 = laws::kHolds;
  };
  using OwnedByBin = std::array<Owned, Sizes::kBins>;
  OwnedByBin owned_pages(const Ctx& ctx) noexcept {
    OwnedByBin found{};
    each_lent_page([&](const Page& page) {
      if (page.owner.load_relaxed() != &ctx || page.bin >= Sizes::kBins) return laws::kHolds;
      Owned& of_bin = found[page.bin];
      of_bin.counts.add(owned_page(page));
      of_bin.h3 = laws::first_broken(
          of_bin.h3,
          laws::h3_page_is_where_it_says(class_view(ctx, page.bin), a_.boxes().arena.unit_of(page),
                                         owned_page(page)));
      return laws::kHolds;
    });
    return found;
  }

  Broken size_class(const Ctx& ctx, std::uint32_t bin, const Owned& owned) noexcept {
    const laws::ClassView view = class_view(ctx, bin);
    const auto page_at = [&](std::uint32_t unit) { return page_of_class(ctx, bin, unit); };
    return laws::first_broken(laws::h1_partial_list_is_sound(view, page_at),
                              laws::h2_current_is_flagged(view, page_at), owned.h3,
                              laws::h4_pages_add_up(view, owned.counts));
  }

  // A page that is not the class's looks retired, which no law allows.
  laws::OwnedPage page_of_class(const Ctx& ctx, std::uint32_t bin, std::uint32_t unit) noexcept {
    const Arena<C>& arena = a_.boxes().arena;
    if (unit >= a_.boxes().cold.superslabs_used() * Sizes::kUnitsPerSuperslab) return {};
    const Page& page = arena.page(unit);
    const bool owned = page.owner.load_relaxed() == &ctx && page.bin == bin && page.head == unit;
    return owned ? owned_page(page) : laws::OwnedPage{};
  }

  Broken magazine(Ctx& ctx, std::uint32_t bin) noexcept {
    const BinIndex b(static_cast<std::uint8_t>(bin));
    const Magazine<C>& m = ctx.ultra.magazine(b);
    if (m.size() > cached_.size()) return "U2";
    for (std::size_t i = 0; i < m.size(); ++i) cached_[i] = cached_block(ctx, m.base[i]);
    const SlotState state = state_of_entry(kEntryInMagazine<C>);
    return laws::first_broken_magazine_law({{cached_.data(), m.size()}, m.capacity(), bin, state});
  }

  laws::CachedBlock cached_block(const Ctx& ctx, const MagazinePlace<C>& place) noexcept {
    const ClientPtr p(place.block);
    const BlockView view = a_.locate(place.block);
    const Page* const unit = a_.boxes().arena.so_page_of(p);
    if (unit != nullptr) ++heap_.in_magazines;
    const bool mine = view.offset == 0 && (unit == nullptr || unit->owner.load_relaxed() == &ctx);
    return {p.address(), view.bin, view.state, mine};
  }

  Allocator<C>& a_;
  laws::HeapView heap_;
  std::array<laws::CachedBlock, C::Geometry::kMagazineMax> cached_;  // of the magazine looked at
};

// The id of the first broken law, nullptr when all hold. Requires: quiescence.
template <class C>
laws::Broken audit(Allocator<C>& allocator) noexcept {
  return Auditor<C>(allocator).run();
}

}  // namespace hakmem
