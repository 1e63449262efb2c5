// The ops with pointers that are no blocks, for Lockstep (lockstep.h). Allocator::locate decides
// what free, realloc and free_sized do about a pointer; it is asked, and the model says what it
// must find. Outside the arena the model knows less: there it says only that it is a fault.
#pragma once

#include "models/lockstep/lockstep.h"

namespace hakmem::model {

template <class C, class Rules>
void Lockstep<C, Rules>::check_verdict(std::uintptr_t address) {
  const BlockView view = real_->locate(reinterpret_cast<const void*>(address));
  if (address - model_->arena() < bytes_in_use()) {
    // Without checks a block in a magazine still looks live.
    const Fault expected = model_->verdict(address);
    const bool unsure = !C::kMitigations.check_frees && view.fault == Fault::kNone;
    if (unsure || view.fault == expected) return;
    note("verdict on a pointer into the arena: the allocator says " +
         std::to_string(static_cast<int>(view.fault)) + ", the model " +
         std::to_string(static_cast<int>(expected)));
    return;
  }
  if (!C::kMitigations.check_frees) return;
  expect((view.fault == Fault::kNone) == blocks_.starts_at(address),
         "verdict on a pointer outside the arena");
}

template <class C, class Rules>
void Lockstep<C, Rules>::stale_pointer(const Op& op) {
  const auto& freed = blocks_.freed();
  if (!freed.empty()) check_verdict(freed[freed.size() - 1 - op.block % freed.size()]);
}

template <class C, class Rules>
void Lockstep<C, Rules>::wrong_pointer(const Op& op, const Block& block) {
  if (op.kind == OpKind::kWrongSize) return wrong_size(op, block);
  const std::uintptr_t begin = block.owned.address;
  if (op.kind == OpKind::kMisaligned) return check_verdict(begin + 1 + op.arg % 15);
  const std::size_t places = block.usable / 16;
  if (places > 1) check_verdict(begin + 16 * (1 + op.arg % (places - 1)));
  check_verdict(begin + block.usable);  // one past the end: perhaps the next block
}

// free_sized: what realloc may have left there, and no more, is accepted.
template <class C, class Rules>
void Lockstep<C, Rules>::wrong_size(const Op& op, const Block& block) {
  const std::size_t n = op.size % (3 * C::Geometry::kBlockMax);
  const BlockView view = real_->locate(block.bytes());
  if (n > block.usable) {
    expect(!real_->size_fits(view, 1, n, SizeRule::kMayBeShrunk), "a size beyond the block fits");
  }
  if (block.owned.heap == Heap::kLarge) return;
  const bool fits = model_->may_be_shrunk(block.usable, n);
  expect(real_->size_fits(view, 1, n, SizeRule::kMayBeShrunk) == fits, "which sizes may be freed");
  const bool exact =
      n <= block.usable && model_->shape().bins[model_->shape().bin_of(n)].block == block.usable;
  expect(real_->size_fits(view, 1, n, SizeRule::kAllocated) == exact, "which sizes may be deleted");
}

template <class C, class Rules>
void Lockstep<C, Rules>::wild_pointer(const Op& op) {
  const std::uintptr_t arena = model_->arena();
  const std::size_t bytes = real_->boxes().arena.bytes();
  const std::size_t used = model_->cold().slabs.size() * model_->shape().superslab + 1;
  int on_stack = 0;
  switch (op.arg % 8) {
    case 0:
      return check_verdict(arena + op.arg / 8 % used);
    case 1:
      return check_verdict(arena + op.arg / 8 % used / 16 * 16);
    case 2:
      return check_verdict(arena + op.arg / 8 % used / 4096 * 4096);
    case 3:
      return check_verdict(arena + (bytes == 0 ? 0 : op.arg / 8 % bytes));
    case 4:
      return check_verdict(reinterpret_cast<std::uintptr_t>(&on_stack));
    case 5:
      return check_verdict(arena - 1 - op.arg / 8 % 64);
    case 6:  // both sides of the arena's end
      return check_verdict(arena + bytes - 64 + op.arg / 8 % 128);
    default:
      return check_verdict(~std::uintptr_t{0} - op.arg / 8);
  }
}

}  // namespace hakmem::model
