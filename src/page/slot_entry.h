// One 16-bit entry per slot, out of band. It is both the slot's state and, while the slot is free,
// the link of the list that the slot is on:
//
//   FREE(next)    on the page's LIFO freelist, or not carved yet (then the value is 0)
//   REMOTE(next)  freed by another context, on the page's remote stack
//   LIVE          owned by the program
//   CACHED        in a magazine
//
//   take: FREE -> LIVE|CACHED   pop: CACHED -> LIVE   push: LIVE -> CACHED
//   post: LIVE -> REMOTE        drain: REMOTE -> FREE give: LIVE|CACHED -> FREE
#pragma once

#include <cstdint>

#include "base/block_view.h"

namespace hakmem {

using EntryBits = std::uint16_t;

inline constexpr EntryBits kEntryFree = 0x0000;
inline constexpr EntryBits kEntryRemote = 0x4000;
inline constexpr EntryBits kEntryLive = 0x8000;
inline constexpr EntryBits kEntryCached = 0xC000;
inline constexpr EntryBits kEntryKindMask = 0xC000;
inline constexpr EntryBits kNoSlot = 0x3FFF;  // end of a list

constexpr EntryBits entry_kind(EntryBits e) noexcept {
  return static_cast<EntryBits>(e & kEntryKindMask);
}
constexpr EntryBits entry_link(EntryBits e) noexcept {
  return static_cast<EntryBits>(e & kNoSlot);
}
constexpr EntryBits free_entry(EntryBits next) noexcept { return next; }
constexpr EntryBits remote_entry(EntryBits next) noexcept {
  return static_cast<EntryBits>(kEntryRemote | next);
}

constexpr SlotState state_of_entry(EntryBits e) noexcept {
  switch (entry_kind(e)) {
    case kEntryLive: return SlotState::kLive;
    case kEntryCached: return SlotState::kCached;
    case kEntryRemote: return SlotState::kRemote;
    default: return SlotState::kFree;
  }
}

}  // namespace hakmem
