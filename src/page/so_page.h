// SoPage: the metadata of one page, out of band, one record per 64 KiB unit of the arena. A page of
// several units has its record in the first; the records of the others repeat the fields that a
// free needs, so that `free` never has to look for the head.
//
// Written by: the cold box while the page changes hands; then the owning context, except
// `remote_head` and `next_pending`, which any thread may push to. Laws: P1-P5 (laws/page_laws.h).
// Tests: tests/unit/freelist_test.cc, locate_test.cc, proptests/page_prop.cc.
#pragma once

#include <cstdint>

#include "base/index_list.h"
#include "base/types.h"
#include "config/geometry.h"
#include "page/slot_entry.h"

namespace hakmem {

// The context that owns pages (ultra/context.h); here only its address matters.
template <class C>
struct Context;
template <class C>
struct Magazine;

// Whom a page is lent to: the context, and the front magazine that its blocks go through.
template <class C>
struct PageOwner {
  Context<C>* context = nullptr;
  Magazine<C>* magazine = nullptr;
};

static_assert(kEntryGroup * sizeof(EntryBits) == 128);

enum class PageFlag : std::uint8_t {
  kRetired,  // with the cold box
  kCurrent,  // the page that its class allocates from
  kPartial,  // on its class's partial list: has a free slot
  kFull,     // owned, on no list: every slot is handed out
};

template <class C>
struct alignas(128) SoPage {
  using Entry = typename C::World::template atomic<EntryBits>;

  // First cache line: read by every free, written only when the page changes hands.
  typename C::World::template atomic<Context<C>*> owner{nullptr};
  std::uintptr_t base = 0;          // address of slot 0
  std::uint64_t reciprocal = 0;     // of block_size
  Entry* entries = nullptr;         // one per slot
  Magazine<C>* magazine = nullptr;  // the owner's, for this bin
  std::uint32_t block_size = 0;     // bytes
  std::uint32_t head = 0;           // unit number of the page's first unit
  SlabIndex slab_ref{};             // the superslab that the page belongs to
  std::uint16_t capacity = 0;       // slots
  std::uint16_t bin = 0;
  std::uint8_t class_idx = 0;

  // Second line: the owner's.
  alignas(64) std::uint16_t freelist = kNoSlot;  // first free slot, LIFO
  std::uint16_t used = 0;                        // slots that are LIVE, CACHED or REMOTE
  std::uint16_t carved = 0;                      // slots [0, carved) have been on the freelist
  PageFlag flags = PageFlag::kRetired;
  bool was_zero = false;  // when it was lent: what is not carved yet has no memory
  // Of its memory where no block lies (unused.h): system pages given back since a slot was last
  // taken; written by the owner. `used` when that was done; the decay period of that last time.
  typename C::World::template atomic<std::uint32_t> purged{0};
  std::uint16_t used_at_purge = kNever;
  std::uint32_t taken_in = 0;
  // Bit k: nobody has written on slot k since its memory came from the system. Only of bins of
  // large blocks; a slot taken is none of them any more, so that none is ever in a magazine.
  std::uint32_t fresh = 0;
  std::uint32_t generation = 0;  // the owner's when a slot was last taken
  IndexLinks links{};            // of partial pages of a context and bin, by head unit

  // Third line: pushed to by other contexts, while the owner is at work on the second.
  alignas(128) typename C::World::template atomic<std::uint32_t> remote_head{kNoSlot};
  typename C::World::template atomic<std::uint32_t> next_pending{kNoPage};

  static constexpr std::uint32_t kNoPage = IndexLinks::kNone;
  static constexpr std::uint16_t kNever = 0xFFFF;

  BinIndex bin_index() const noexcept { return BinIndex(static_cast<std::uint8_t>(bin)); }
  bool has_free_slot() const noexcept { return used < capacity; }
  // Of the slot that is taken next. Those not carved yet are all fresh, or none is.
  bool next_slot_is_fresh() const noexcept {
    return fresh != 0 && (fresh >> (freelist == kNoSlot ? carved : freelist) & 1) != 0;
  }
  void* slot_address(std::uint32_t slot) const noexcept {
    return reinterpret_cast<void*>(base + std::size_t{slot} * block_size);
  }
};

}  // namespace hakmem
