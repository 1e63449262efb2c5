// What a pointer into the arena is: the slow and complete answer behind `free`'s fast check. Total:
// any address within the arena is allowed, of pages in use, retired or never used.
#pragma once

#include "base/attributes.h"
#include "base/bits.h"
#include "page/so_page.h"
#include "report/report.h"

namespace hakmem {

// How many slots of the unit's page have ever been handed out. In a superslab that has changed its
// bin, the record of a unit whose page is not lent yet is that of the last page there, and its head
// may belong to another page by now.
template <class C>
std::uint32_t slots_ever_out(const SoPage<C>& unit, const SoPage<C>& head) noexcept {
  const bool same_page = head.base == unit.base && head.bin == unit.bin;
  return same_page ? head.carved : unit.capacity;
}

// Which fault, once it is one. Reads the owner's `carved` without synchronisation: the process is
// about to end in a report.
template <class C>
Fault classify(const SoPage<C>& unit, const SoPage<C>& head, ClientPtr p, Quotient q) noexcept {
  if (p.address() % kMinBlock != 0) return Fault::kMisalignedFree;
  if (q.value >= slots_ever_out(unit, head)) return Fault::kInvalidFree;
  return q.fraction < unit.reciprocal ? Fault::kDoubleFree : Fault::kInteriorFree;
}

// Requires: `unit` is the record of the unit that `p` lies in, `head` = arena.head_of(unit).
template <class C>
BlockView locate_in_page(const SoPage<C>& unit, const SoPage<C>& head, ClientPtr p) noexcept {
  BlockView view;
  view.heap = "v3";
  view.fault = Fault::kInvalidFree;
  if (unit.base == 0) return view;  // never lent
  const std::uint64_t offset = p.address() - unit.base;
  const Quotient q = divide(offset, unit.reciprocal);
  view.page = unit.base;
  view.bin = static_cast<std::uint8_t>(unit.bin);
  view.size_class = unit.class_idx;
  view.block_size = unit.block_size;
  view.slot = static_cast<std::uint16_t>(q.value);
  view.offset = offset - q.value * unit.block_size;
  // relaxed: a live block's entry was written before the program got the block. While the page is
  // not lent its entries may serve another layout.
  const bool lent = unit.owner.load_relaxed() != nullptr;
  view.state = lent ? state_of_entry(unit.entries[q.value].load_relaxed()) : SlotState::kFree;
  const bool live = q.fraction < unit.reciprocal && view.state == SlotState::kLive;
  view.fault = live ? Fault::kNone : classify(unit, head, p, q);
  return view;
}

// A block was freed while it was being freed: its slot is not what whoever has it in hand left it.
// The owner's own free uses no exchange, so another thread's may come in between its two steps.
template <class C>
[[noreturn]] HAKMEM_COLD void report_raced_double_free(const SoPage<C>& page, std::uint32_t slot,
                                                       const char* operation) noexcept {
  const ClientPtr p(page.slot_address(slot));
  BlockView view = locate_in_page(page, page, p);
  view.fault = Fault::kDoubleFree;
  report_fault({operation, p.address(), 0, 0}, view);
}

}  // namespace hakmem
