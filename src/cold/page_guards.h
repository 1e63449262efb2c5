// The inaccessible guard at the end of every page: put up when a page is lent first, taken down when
// its superslab is cut into pages of another size. Where the system has no guards of its own, a
// guard is made by protection, which costs mappings (limits/mapping_budget.h).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "limits/mapping_budget.h"
#include "cold/superslab.h"

namespace hakmem {

enum class Guard : std::uint8_t { kNone, kInstalled, kProtected };

template <class C>
class PageGuards {
 public:
  using Platform = typename C::Platform;
  using Sizes = typename C::Sizes;

  void init(Platform& platform, MappingBudget<C>& mappings) noexcept {
    platform_ = &platform;
    mappings_ = &mappings;
  }

  // Best effort: without a guard a page is as good as in a flavour that has none.
  Guard put_up(void* at) noexcept {
    if (platform_->guard(at, Sizes::kGuardBytes)) return Guard::kInstalled;
    if (!mappings_->take_guard()) return Guard::kNone;
    if (platform_->protect(at, Sizes::kGuardBytes)) return Guard::kProtected;
    mappings_->give_guards(1);
    return Guard::kNone;
  }

  // Of the whole superslab, at `at`. What is left of its guards is told in `slab`, which nobody else
  // may look at. False when the system refuses; guards are then as they were, or some of them gone.
  bool take_down(Superslab& slab, void* at) noexcept {
    if (slab.protected_guards != 0) {
      if (!platform_->commit(at, Sizes::kSuperslabBytes)) return false;
      mappings_->give_guards(static_cast<std::size_t>(std::popcount(slab.protected_guards)));
      slab.guarded &= ~slab.protected_guards;
      slab.protected_guards = 0;
    }
    if (slab.guarded != 0 && !platform_->unguard(at, Sizes::kSuperslabBytes)) return false;
    slab.guarded = 0;
    return true;
  }

 private:
  Platform* platform_ = nullptr;
  MappingBudget<C>* mappings_ = nullptr;
};

}  // namespace hakmem
