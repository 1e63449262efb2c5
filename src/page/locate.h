// What a pointer into the arena is: the slow and complete answer behind `free`'s fast check. Total:
// any address within the arena is allowed, of pages in use, retired or never used.
#pragma once

#include "base/bits.h"
#include "page/so_page.h"

namespace hakmem {

// Which fault, once it is one. Reads the owner's `carved` without synchronisation: the process is
// about to end in a report.
template <class C>
Fault classify(const SoPage<C>& page, ClientPtr p, Quotient q) noexcept {
  if (p.address() % kMinBlock != 0) return Fault::kMisalignedFree;
  if (q.value >= page.carved) return Fault::kInvalidFree;  // past the last slot, or never out
  return q.fraction < page.reciprocal ? Fault::kDoubleFree : Fault::kInteriorFree;
}

// Requires: `page` is the head record of the page that `p` lies in.
template <class C>
BlockView locate_in_page(const SoPage<C>& page, ClientPtr p) noexcept {
  BlockView view;
  view.heap = "v3";
  view.fault = Fault::kInvalidFree;
  if (page.base == 0) return view;  // never lent
  const std::uint64_t offset = p.address() - page.base;
  const Quotient q = divide(offset, page.reciprocal);
  view.page = page.base;
  view.bin = static_cast<std::uint8_t>(page.bin);
  view.size_class = page.class_idx;
  view.block_size = page.block_size;
  view.slot = static_cast<std::uint16_t>(q.value);
  view.offset = offset - q.value * page.block_size;
  const bool exact = q.fraction < page.reciprocal;
  // relaxed: a live block's entry was written before the program got the block
  view.state = state_of_entry(page.entries[q.value].load_relaxed());
  view.fault = exact && view.state == SlotState::kLive ? Fault::kNone : classify(page, p, q);
  return view;
}

}  // namespace hakmem
