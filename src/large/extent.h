// Extent: one range of the large heap's memory: a live block with its guards, or free.
//
//   |front| block: key .. key + length |back|
//
// `front` and `back` hold the inaccessible pages of flavours that have guard pages, and what the
// system refused to take back. Neighbours in memory may be neighbours by chance: what the system
// maps side by side is one range to it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace hakmem::large {

enum class Use : std::uint8_t {
  kBlock,         // a live block
  kMoving,        // the same, while the system works on it without the lock held
  kFree,          // kept for another use, readable
  kUnmapPending,  // freed, but the system refused to unmap it; without memory
  kHidden,        // the same, and inaccessible
};

// Whether the page next to the block is inaccessible.
enum class GuardKind : std::uint8_t {
  kNone,
  kCheap,
  kMappings,  // by protection, at the cost of mappings
};

struct Extent {
  struct Link {
    std::uintptr_t prev = 0, next = 0;  // keys
  };
  enum List : std::uint8_t { kBySize, kByAge, kUnjoined, kLists };

  std::uintptr_t key = 0;  // first byte of the block
  std::size_t length = 0;  // bytes of the block, whole system pages, all usable
  std::size_t front = 0;
  std::size_t back = 0;
  std::size_t asked = 0;    // live: bytes that the program asked for
  std::size_t charged = 0;  // bytes that the memory limit is charged with: those that may be there
  std::uint64_t freed_ms = 0;
  GuardKind front_guard = GuardKind::kNone;
  GuardKind back_guard = GuardKind::kNone;
  Use use = Use::kBlock;
  std::uint8_t pass = 0;  // with unmap pending: the last pass that tried to unmap it
  bool seams = false;     // cheap guards may lie within the block's bytes
  bool sealed = false;    // guards by protection may
  bool fresh = false;     // nobody has written to it: it reads as zero
  bool unjoined = false;  // neighbours have not been looked at since it was freed
  std::array<Link, kLists> links{};

  void* block() const noexcept { return reinterpret_cast<void*>(key); }
  constexpr std::uintptr_t begin() const noexcept { return key - front; }
  constexpr std::uintptr_t limit() const noexcept { return key + length; }
  constexpr std::uintptr_t end() const noexcept { return key + length + back; }
  constexpr std::size_t bytes() const noexcept { return front + length + back; }
  constexpr std::size_t protected_guards() const noexcept {
    return (front_guard == GuardKind::kMappings ? 1u : 0u) +
           (back_guard == GuardKind::kMappings ? 1u : 0u);
  }
  constexpr bool is_live() const noexcept { return use == Use::kBlock || use == Use::kMoving; }
  // Address space alone: what an alignment left, say. It goes with a neighbour.
  constexpr bool is_hole() const noexcept { return use == Use::kFree && charged == 0; }
};

// Two free neighbours as one; `guards` becomes the number of guards by protection that are lost
// count of, for they go when the range is used.
constexpr Extent joined(const Extent& low, const Extent& high, std::size_t* guards) noexcept {
  Extent e = low;
  const auto within = [&](GuardKind kind) noexcept {
    return low.back_guard == kind || high.front_guard == kind;
  };
  *guards = (low.back_guard == GuardKind::kMappings ? 1u : 0u) +
            (high.front_guard == GuardKind::kMappings ? 1u : 0u);
  e.length = high.limit() - low.key;
  e.back = high.back;
  e.back_guard = high.back_guard;
  e.charged = low.charged + high.charged;
  e.seams = low.seams || high.seams || within(GuardKind::kCheap);
  e.sealed = low.sealed || high.sealed || within(GuardKind::kMappings);
  e.fresh = low.fresh && high.fresh;
  // It is as old as most of it.
  if (high.charged > low.charged) e.freed_ms = high.freed_ms;
  return e;
}

// An extent cut for a block; `lead` and `tail` have key 0 where nothing is left.
struct Cut {
  Extent lead, block, tail;
};

// Requires: `e` is free and long enough behind `at`, a multiple of the page within it or its key.
// What is left over beside the block stays free if it is worth it: an eighth of the block behind it
// is not.
constexpr Cut cut(const Extent& e, std::uintptr_t at, std::size_t length, std::size_t guard,
                  std::size_t page) noexcept {
  constexpr std::size_t kFitFraction = 8;
  Cut c{{}, e, {}};
  c.block.key = at;
  const std::size_t before = at - e.key;
  c.block.front = e.front + before;
  if (before >= 2 * guard + page) {
    c.lead = e;
    c.lead.length = before - 2 * guard;
    c.lead.back = c.block.front = guard;
    c.lead.back_guard = GuardKind::kNone;
  }
  if (before != 0) c.block.front_guard = GuardKind::kNone;
  const std::size_t spare = e.limit() - at - length;
  c.block.length = length + spare;
  if (spare >= 2 * guard + page && spare > length / kFitFraction) {
    c.block.length = length;
    c.block.back = guard;
    c.block.back_guard = GuardKind::kNone;
    c.tail = e;
    c.tail.key = at + length + 2 * guard;
    c.tail.front = guard;
    c.tail.front_guard = GuardKind::kNone;
    c.tail.length = spare - 2 * guard;
  }
  // Where the memory lies is not known: each part is charged for as much of it as it may hold.
  for (Extent* const part : {&c.lead, &c.tail}) {
    if (part->charged > part->length) part->charged = part->length;
    if (part->key == 0) *part = Extent{};
  }
  c.block.charged = c.block.length;
  return c;
}

}  // namespace hakmem::large
