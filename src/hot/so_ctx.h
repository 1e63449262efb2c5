// SoCtx: one context's pages, a BinPages per bin. Touched only with the context's lock held, but
// for `period`, which anybody may read.
#pragma once

#include <array>
#include <cstdint>

#include "base/index_list.h"
#include "base/rng.h"
#include "page/so_page.h"

namespace hakmem {

// The pages of one bin. `partial` is a LIFO of pages with a free slot; full pages are on no list.
template <class C>
struct BinPages {
  PageOwner<C> owner{};                    // what pages of this bin name as theirs
  SoPage<C>* current = nullptr;            // allocations come from here
  IndexList<&SoPage<C>::links> partial{};  // by head unit
  std::uint32_t partial_count = 0;
  std::uint32_t empty_count = 0;  // of these, with no block out
  std::uint32_t max_partial = 0;  // beyond it an empty page is retired
  std::uint32_t pages = 0;        // owned in total, full ones included
  bool refilled = false;          // its magazine, at least once
  std::uint32_t used_in = 0;      // decay period in which the magazine was last refilled or flushed
};

template <class C>
struct SoCtx {
  std::array<BinPages<C>, C::Sizes::kBins> bins{};
  Rng rng{};
  std::uint32_t generation = 0;  // forks of which this is the child's side
  // The decay period in which its thread was last on a slow path.
  typename C::World::template atomic<std::uint32_t> period{0};

  // Of all pages that it has borrowed.
  std::size_t owned_bytes() const noexcept {
    std::size_t bytes = 0;
    for (std::size_t b = 0; b < C::Sizes::kBins; ++b) {
      bytes += std::size_t{bins[b].pages} << C::Sizes::kBinTable[b].page_shift;
    }
    return bytes;
  }
  std::uint32_t seen_period() const noexcept { return period.load_relaxed(); }  // a stamp, no more
};

}  // namespace hakmem
