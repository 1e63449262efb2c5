// The only doors between the hot box and whatever keeps its pages.
//
//   refill_page   lends one page of the bin to a context, empty and not carved; nullptr when there
//                 is none
//   retire_page   takes an empty page back, which was in use up to a decay period; it then has no
//                 owner
//   purge_unused  gives the memory of a lent page back that no block lies on; the bytes that it had
//
// ColdBox is the production implementation; tests put a scripted one in its place.
#pragma once

#include <concepts>

#include "base/types.h"
#include "page/so_page.h"

namespace hakmem {

template <class T, class C>
concept ColdInterface =
    requires(T cold, BinIndex bin, SoPage<C>& page, PageOwner<C> owner, std::uint32_t period) {
      { cold.refill_page(bin, owner) } noexcept -> std::same_as<SoPage<C>*>;
      { cold.retire_page(page, period) } noexcept -> std::same_as<void>;
      { cold.purge_unused(page) } noexcept -> std::same_as<std::size_t>;
    };

}  // namespace hakmem
