// The ops that allocate and free, for Lockstep (lockstep.h): the real call first, because the model
// has to be told which system calls failed and where fresh blocks came out; then the model's
// prediction is held against what happened.
#pragma once

#include "models/lockstep/lockstep.h"

namespace hakmem::model {

template <class C, class Rules>
void Lockstep<C, Rules>::allocate(const Op& op) {
  const Thread& t = thread();
  const std::size_t n = Rules::template size<C>(op);
  const std::size_t alignment = op.kind == OpKind::kAligned ? Rules::alignment(op) : 1;
  void* const p = allocate_really(op, t, n, alignment);
  tell_model();
  // calloc of a large block has a door of its own, but no other way.
  const Served served = op.kind == OpKind::kAligned
                            ? model_->allocate_aligned(t.model, alignment, n, Door::kFast)
                            : model_->allocate(t.model, n, Door::kFast);
  if (op.kind == OpKind::kCalloc && p != nullptr) {
    expect(Pattern::zero(static_cast<const unsigned char*>(p), n), "calloc's memory is zero");
  }
  Block block;
  block.name = op.block;
  block.asked = n;
  block.alignment = alignment;
  settle(served, p, block);
}

template <class C, class Rules>
void* Lockstep<C, Rules>::allocate_really(const Op& op, const Thread& t, std::size_t n,
                                          std::size_t alignment) {
  if (op.kind == OpKind::kAligned) {
    return t.real == nullptr ? real_->allocate_aligned_slow(nullptr, alignment, n)
                             : real_->allocate_aligned(t.real, alignment, n);
  }
  if (op.kind == OpKind::kCalloc) return real_->allocate_zeroed(t.real, n);
  return t.real == nullptr ? real_->allocate_slow(nullptr, n) : real_->allocate(t.real, n);
}

// The block is where the model says, in one piece, apart from all others; it is written on.
template <class C, class Rules>
void Lockstep<C, Rules>::settle(const Served& served, void* p, Block block) {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  if (p == nullptr) {
    expect(refused(served, block.asked), "out of memory, though nothing was refused");
    expect(served.heap != Heap::kV3, "no block, where v3 had one");
  }
  expect(model_->settle(threads_[actor_].model, served, address, block.owned),
         "the block came from elsewhere than predicted");
  if (p == nullptr || !difference_.empty()) return;
  block.usable = real_->locate(p).block_size;
  block.pattern = ++patterns_ * 0x10001;
  expect(block.usable >= block.asked, "usable size");
  expect(address % 16 == 0 && address % block.alignment == 0, "alignment");
  expect(blocks_.add(block), "two live blocks overlap");
  if (!difference_.empty()) return;
  write(block);
  check_block(block);
}

template <class C, class Rules>
void Lockstep<C, Rules>::write(const Block& block) {
  const bool open = may_write<typename C::Platform>(block.bytes(), block.usable);
  expect(open, "a block lies in memory that the system has not opened");
  if (open) Pattern::write(block);
}

template <class C, class Rules>
void Lockstep<C, Rules>::check_block(const Block& block) {
  const void* const p = block.bytes();
  expect(Pattern::holds(block), "contents of a live block");
  const BlockView view = real_->locate(p);
  expect(view.fault == Fault::kNone, "a live block is said to be faulty");
  expect(view.block_size == block.usable && view.offset == 0, "block size");
  const bool large = block.owned.heap == Heap::kLarge;
  if (large) {
    const std::size_t whole = (block.asked + 4096) / 4096 * 4096;
    expect(block.usable <= 2 * whole + 8192 || block.unmovable, "a large block is far too long");
  } else {
    const Bin& bin = model_->shape().bins[block.owned.bin];
    expect(view.bin == block.owned.bin && view.size_class == bin.size_class, "bin and class");
    expect(block.usable == bin.block, "usable size is the bin's");
  }
  check_page_of(block);
}

template <class C, class Rules>
void Lockstep<C, Rules>::check_page_of(const Block& block) {
  const std::uintptr_t begin = block.owned.address;
  const std::size_t unit_bytes = model_->shape().unit;
  for (const std::uintptr_t at : {begin, begin + block.usable / 2, begin + block.usable - 1,
                                  begin + block.usable, begin - 1}) {
    const auto* const unit = real_->boxes().arena.so_page_of(ClientPtr(at));
    const bool inside = at - model_->arena() < bytes_in_use();
    expect((unit != nullptr) == inside, "so_page_of knows what is in the arena");
    if (unit == nullptr || !inside) continue;
    const Cold::Unit known = model_->cold().unit((at - model_->arena()) / unit_bytes);
    expect((unit->base != 0) == (known.head != kNone), "so_page_of knows which units were lent");
    if (known.head == kNone || unit->base == 0) continue;
    expect(unit->head == known.head && unit->bin == known.bin, "so_page_of names the page");
  }
  const auto* const page = real_->boxes().arena.so_page_of(ClientPtr(begin));
  expect((page != nullptr) == (block.owned.heap == Heap::kV3), "which heap the block is in");
  if (page != nullptr) expect(page->head == block.owned.page, "which page the block is in");
  int on_stack = 0;
  expect(real_->boxes().arena.so_page_of(ClientPtr(&on_stack)) == nullptr,
         "so_page_of of the stack");
}

template <class C, class Rules>
void Lockstep<C, Rules>::free(const Op& op) {
  const Thread& t = thread();
  const std::size_t at = blocks_.pick(op.block);
  check_block(blocks_.at(at));
  const Block block = blocks_.take(at);
  if (op.kind == OpKind::kFreeSized) {
    const SizeRule rule = block.resized ? SizeRule::kMayBeShrunk : SizeRule::kAllocated;
    expect(real_->size_fits(real_->locate(block.bytes()), block.alignment, block.asked, rule),
           "the size that was asked for is said not to fit");
  }
  if (!difference_.empty()) return;
  if (t.real == nullptr) {
    real_->deallocate_slow(nullptr, block.bytes(), "free");
  } else {
    real_->deallocate(t.real, block.bytes());
  }
  model_->free(t.model, block.owned, Door::kFast);
  expect(real_->locate(block.bytes()).fault != Fault::kNone || !C::kMitigations.check_frees,
         "a freed block is said to be live");
}

template <class C, class Rules>
void Lockstep<C, Rules>::reallocate(const Op& op) {
  const Thread& t = thread();
  const std::size_t n = Rules::template size<C>(op) == 0 ? 1 : Rules::template size<C>(op);
  const std::size_t at = blocks_.pick(op.block);
  const Block before = blocks_.at(at);
  check_block(before);
  if (!difference_.empty()) return;
  void* const p = real_->reallocate(t.real, before.bytes(), n);
  tell_model();
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  if (p != nullptr) {
    const std::size_t kept = n < before.usable ? n : before.usable;
    expect(Pattern::starts(static_cast<unsigned char*>(p), before.pattern, kept),
           "realloc keeps the contents");
  }
  switch (model_->resize_of(before.usable, n, remap_failed(before, n, address))) {
    case Allocator::Resize::kStays:
      expect(address == before.owned.address, "realloc that fits stays in place");
      model_->note_stays(before.usable, n);
      blocks_.at(at).asked = n;
      blocks_.at(at).alignment = 16;
      blocks_.at(at).resized = true;
      break;
    case Allocator::Resize::kResized: {
      Block block = blocks_.take(at);
      block.owned.address = address;
      block.asked = n;
      block.alignment = 16;
      block.resized = true;
      block.unmovable = block.unmovable || unmap_failed();
      block.usable = p == nullptr ? 0 : real_->locate(p).block_size;
      expect(p != nullptr, "the system refused nothing, but a large block was not resized");
      if (!difference_.empty()) break;
      expect(blocks_.add(block), "two live blocks overlap");
      write(block);
      break;
    }
    case Allocator::Resize::kMoves:
      finish_move(t, at, p, n);
      break;
  }
}

// realloc by a new block: the model allocates and frees as well, unless there was no memory.
template <class C, class Rules>
void Lockstep<C, Rules>::finish_move(const Thread& t, std::size_t at, void* p, std::size_t n) {
  const Block before = blocks_.at(at);
  const std::size_t grown = model_->size_to_grow_to(before.usable, n);
  const Served served = model_->allocate(t.model, grown, Door::kFast);
  const bool moved = p != nullptr && p != before.bytes();
  if (!moved) {
    Owned nothing;
    expect(refused(served, grown) && served.heap != Heap::kV3, "realloc found no memory");
    expect(model_->settle(t.model, served, 0, nothing), "realloc found no memory");
    expect((p == nullptr) == (n > before.usable), "a block that cannot shrink elsewhere stays");
    if (p == nullptr) return;
    model_->shrink_failed |= before.owned.heap != Heap::kLarge;
    model_->leaves_more |= before.owned.heap != Heap::kLarge;
    Block& block = blocks_.at(at);
    block.asked = n;
    block.alignment = 16;
    block.resized = block.unmovable = true;
    return;
  }
  model_->leaves_more |= grown != n;
  // The old block is there until the new one is known.
  Block block;
  block.name = before.name;
  block.asked = n;
  block.resized = grown != n;
  settle(served, p, block);
  if (!difference_.empty()) return;
  model_->free(t.model, before.owned, Door::kFast);
  blocks_.take(at);
}

}  // namespace hakmem::model
