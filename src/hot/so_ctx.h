// SoCtx: one context's pages, a SoClass per bin. Touched only by the thread that holds the context.
#pragma once

#include <array>
#include <cstdint>

#include "base/rng.h"
#include "page/so_page.h"

namespace hakmem {

// The pages of one bin. `partial` is a LIFO of pages with a free slot; full pages are on no list.
template <class C>
struct SoClass {
  PageOwner<C> owner{};                        // what pages of this bin name as theirs
  SoPage<C>* current = nullptr;                // allocations come from here
  std::uint32_t partial = SoPage<C>::kNoPage;  // head unit of the first partial page
  std::uint32_t partial_count = 0;
  std::uint32_t max_partial = 0;               // beyond it an empty page is retired
  std::uint32_t pages = 0;                     // owned in total, full ones included
};

template <class C>
struct SoCtx {
  std::array<SoClass<C>, C::Sizes::kBins> classes{};
  Rng rng{};
};

}  // namespace hakmem
