// What a heap finds out about a pointer that the program passed in: whether it is a block that may
// be freed, and if not, in which way it is wrong. Every heap (v3 pages, v1, large) answers with
// the same view, and one report prints it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hakmem {

enum class Fault : std::uint8_t {
  kNone,            // a live block: may be freed
  kNotMine,         // not in this heap: ask the next one
  kDoubleFree,      // start of a block that was handed out before and is free now
  kInteriorFree,    // 16-byte aligned, inside a block but not its start
  kMisalignedFree,  // not 16-byte aligned
  kInvalidFree,     // never handed out, or unknown to every heap
  kSizeMismatch,    // sized free whose size does not belong to the block
  kFreedRealloc,    // realloc of a block that is free
  kCorruption,      // the allocator's own metadata contradicts itself
};

enum class SlotState : std::uint8_t { kNone, kFree, kLive, kCached, kRemote };

// Where a pointer lies. Zeroes where unknown.
struct BlockView {
  Fault fault = Fault::kNotMine;
  SlotState state = SlotState::kNone;
  std::uint8_t bin = 0;
  std::uint8_t size_class = 0;
  std::uint16_t slot = 0;
  std::uint32_t owner = 0;     // context number + 1, 0 for none
  std::uintptr_t page = 0;     // first byte of the page (v3), run (v1) or mapping (large)
  std::size_t block_size = 0;  // bytes
  std::size_t asked = 0;       // bytes that the program asked for; 0: not known
  std::size_t offset = 0;      // bytes from the start of the block
  const char* heap = "none";   // "v3", "v1", "large"
};

}  // namespace hakmem
