// The only two doors between the hot box and whatever keeps its pages.
//
//   refill_page   lends one page of the bin to a context, empty and not carved; nullptr when there
//                 is none
//   retire_page   takes an empty page back; it then has no owner
//
// ColdBox is the production implementation; tests put a scripted one in its place.
#pragma once

#include <concepts>

#include "base/types.h"
#include "page/so_page.h"

namespace hakmem {

template <class T, class C>
concept ColdInterface = requires(T cold, BinIndex bin, SoPage<C>& page, PageOwner<C> owner) {
  { cold.refill_page(bin, owner) } noexcept -> std::same_as<SoPage<C>*>;
  { cold.retire_page(page) } noexcept -> std::same_as<void>;
};

}  // namespace hakmem
