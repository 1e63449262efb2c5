// Shape: the sizes of a geometry, worked out again the slow and obvious way, as run-time numbers.
// The reference model takes nothing from the allocator's tables: it derives bins, pages and
// magazines from the design's constants by the rules below, so that a wrong table is a difference.
#pragma once

#include <cstddef>
#include <vector>

namespace hakmem::model {

struct Bin {
  std::size_t block = 0;     // bytes
  unsigned size_class = 0;   // k of Ck
  std::size_t page = 0;      // bytes
  std::size_t capacity = 0;  // slots in a page
  std::size_t pages = 0;     // in a superslab
  std::size_t magazine = 0;  // places, at most
  std::size_t carve = 0;     // slots made available at a time
};

// The constants of a design, and what follows from them.
struct Shape {
  std::size_t unit = 0, superslab = 0, guard = 0, page_max = 0, block_max = 0, growth_min = 0;
  std::size_t slots_wanted = 0, slots_max = 0, pages_max = 0;
  std::size_t carve_bytes = 0, carve_min = 0;
  std::size_t fresh_bytes = 0;
  std::size_t magazine_bytes = 0, magazine_min = 0, magazine_max = 0, magazine_first = 0;
  std::size_t release_bytes = 0, release_allocations = 0;
  std::size_t idle_bytes = 0;
  std::size_t growth_bytes = 0, rest_pages = 0;
  std::size_t learn_churn_pages = 0, learn_calm_pages = 0, learn_calm_periods = 0;
  std::size_t learn_hold_bytes = 0, learn_warm_bytes = 0, learned_policies_max = 0;
  std::size_t contexts_max = 0;
  bool checks = false;     // slot states are kept on the hot path
  bool randomize = false;  // carving shuffles
  std::vector<Bin> bins;

  std::size_t bin_of(std::size_t n) const {
    std::size_t b = 0;
    while (bins[b].block < n || bins[b].size_class < class_of(n)) ++b;
    return b;
  }
  // Ck holds n <= 8 * 2^k.
  static unsigned class_of(std::size_t n) {
    unsigned k = 0;
    while ((std::size_t{8} << k) < n) ++k;
    return k;
  }
  // C0, C1, C2 have one bin (16, 16, 32), C3 has two (48, 64), every other class four quarters.
  void derive_bins() {
    for (unsigned k = 0; (std::size_t{8} << k) <= block_max; ++k) {
      const std::size_t top = k == 0 ? 16 : std::size_t{8} << k;
      const std::size_t quarter = top / 8;
      for (std::size_t down = k < 3 ? 1 : (k == 3 ? 3 : 4); down-- > 0;) {
        if (k == 3 && down == 1) continue;  // 56 is not a multiple of 16
        add_bin(k, top - down * quarter);
      }
    }
  }

 private:
  static std::size_t between(std::size_t lo, std::size_t v, std::size_t hi) {
    return v < lo ? lo : (v > hi ? hi : v);
  }
  void add_bin(unsigned k, std::size_t block) {
    Bin b;
    b.block = block;
    b.size_class = k;
    b.page = unit;  // grows until it holds the slots that are wanted
    while (b.page < page_max && b.page < power_of_two_from(block) * slots_wanted) b.page *= 2;
    b.capacity = between(1, (b.page - guard) / block, slots_max);
    b.pages = between(1, superslab / b.page, pages_max);
    b.magazine = between(magazine_min, magazine_bytes / block, magazine_max);
    b.carve = between(1, between(carve_min, carve_bytes / block, 65535), b.capacity);
    bins.push_back(b);
  }
  static std::size_t power_of_two_from(std::size_t n) {
    std::size_t p = 1;
    while (p < n) p *= 2;
    return p;
  }
};

// Copies the constants of C's geometry and tuning, and only those.
template <class C>
Shape shape_of() {
  using G = typename C::Geometry;
  using T = typename C::Tuning;
  Shape s;
  s.unit = std::size_t{1} << G::kUnitShift;
  s.superslab = std::size_t{1} << G::kSuperslabShift;
  s.guard = C::kMitigations.guard_pages ? G::kPageGuardBytes : 0;
  s.page_max = std::size_t{1} << G::kPageShiftMax;
  s.block_max = G::kBlockMax;
  s.growth_min = T::kReallocRoomMin;
  s.slots_wanted = std::size_t{1} << G::kSlotsPerPageLog2;
  s.slots_max = G::kSlotsMax;
  s.pages_max = G::kPagesPerSuperslabMax;
  s.carve_bytes = G::kCarveBytes;
  s.carve_min = G::kCarveMin;
  s.fresh_bytes = G::kFreshBytes;
  s.magazine_bytes = G::kMagazineBytes;
  s.magazine_min = G::kMagazineMin;
  s.magazine_max = G::kMagazineMax;
  s.magazine_first = G::kMagazineFirst;
  s.release_bytes = T::kReleaseModeBytes;
  s.release_allocations = T::kReleaseModeAllocations;
  s.idle_bytes = T::kIdleMin;
  s.growth_bytes = T::kGrowthMin;
  s.rest_pages = T::kRestPages;
  s.learn_churn_pages = T::kLearnChurnPages;
  s.learn_calm_pages = T::kLearnCalmPages;
  s.learn_calm_periods = T::kLearnCalmPeriods;
  s.learn_hold_bytes = T::kLearnHoldBytes;
  s.learn_warm_bytes = T::kLearnWarmBytes;
  s.learned_policies_max = T::kLearnedPoliciesMax;
  s.contexts_max = G::kContextsMax;
  s.checks = C::kMitigations.check_frees;
  s.randomize = C::kMitigations.randomize_slots;
  s.derive_bins();
  return s;
}

}  // namespace hakmem::model
