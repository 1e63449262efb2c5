// What the properties of the heaps beside v3 share: live blocks in a list, disjoint, with contents
// that must stay, and bad pointers about each that must be refused with nothing changed.
#pragma once

#include <gtest/gtest.h>

#include "base/block_view.h"
#include "base/rng.h"
#include "models/lockstep/blocks.h"
#include "models/lockstep/lockstep_configs.h"
#include "proptests/steps.h"

namespace hakmem::model {

inline Block block_at(void* p, std::size_t usable, std::uint64_t pattern) {
  Block b;
  b.owned.address = reinterpret_cast<std::uintptr_t>(p);
  b.usable = usable;
  b.pattern = pattern;
  return b;
}

// The block is written to; its place must be nobody else's.
inline void enlist(Blocks& blocks, const Block& b) {
  RC_ASSERT(blocks.add(b));
  RC_ASSERT(may_write<RecyclingPlatform>(b.bytes(), b.usable));
  Pattern::write(b);
}

template <class Heap>
void check_live(Heap& heap, const Block& b) {
  RC_ASSERT(Pattern::holds(b));
  const BlockView view = heap.locate(ClientPtr(b.owned.address));
  RC_ASSERT((view.fault == Fault::kNone));
  RC_ASSERT(view.block_size == b.usable);
}

// Refused, and everything as it was.
template <class Heap>
void check_refuses(Heap& heap, const Block& b, Rng& rng) {
  for (const std::size_t off : {std::size_t{1}, std::size_t{8}, b.usable / 2 + 8, b.usable - 1}) {
    RC_ASSERT((heap.deallocate(ClientPtr(b.owned.address + off)).fault != Fault::kNone));
  }
  const std::uintptr_t inside =
      b.owned.address + 16 * rng.below(static_cast<std::uint32_t>(b.usable / 16));
  if (inside != b.owned.address)
    RC_ASSERT((heap.deallocate(ClientPtr(inside)).fault != Fault::kNone));
  check_live(heap, b);
}

// Frees block `at` of the list; a second free is refused.
template <class Heap>
void free_twice(Heap& heap, Blocks& blocks, std::size_t at) {
  const Block b = blocks.take(at);
  RC_ASSERT(Pattern::holds(b));
  RC_ASSERT((heap.deallocate(ClientPtr(b.owned.address)).fault == Fault::kNone));
  RC_ASSERT((heap.deallocate(ClientPtr(b.owned.address)).fault != Fault::kNone));
}

}  // namespace hakmem::model
