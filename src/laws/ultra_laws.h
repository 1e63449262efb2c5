// The laws of one magazine.
//
//   U1  every block in it is in the state of cached blocks, of its bin and of its context
//   U2  it holds no more than its capacity, and no block twice
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/block_view.h"
#include "laws/law.h"

namespace hakmem::laws {

struct CachedBlock {
  std::uintptr_t address = 0;
  std::uint32_t bin = 0;
  SlotState state = SlotState::kNone;
  bool mine = false;  // its page is its context's; blocks of v1 are anyone's
};

struct MagazineView {
  std::span<const CachedBlock> blocks;  // oldest first
  std::size_t capacity = 0;
  std::uint32_t bin = 0;
  SlotState cached_state = SlotState::kCached;  // LIVE in flavours without checks
};

constexpr Broken u1_blocks_are_cached(const MagazineView& magazine) noexcept {
  for (const CachedBlock& block : magazine.blocks) {
    if (block.state != magazine.cached_state || block.bin != magazine.bin || !block.mine) {
      return "U1";
    }
  }
  return kHolds;
}

constexpr Broken u2_blocks_are_distinct(const MagazineView& magazine) noexcept {
  if (magazine.blocks.size() > magazine.capacity) return "U2";
  for (std::size_t i = 0; i < magazine.blocks.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (magazine.blocks[i].address == magazine.blocks[k].address) return "U2";
    }
  }
  return kHolds;
}

constexpr Broken first_broken_magazine_law(const MagazineView& magazine) noexcept {
  return first_broken(u1_blocks_are_cached(magazine), u2_blocks_are_distinct(magazine));
}

}  // namespace hakmem::laws
