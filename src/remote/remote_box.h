// Remote frees: how a block gets back to the context that owns its page.
//
//   post (any thread)                         drain (owner, or whoever holds the parked context)
//   1 entry: LIVE -> REMOTE(head) by cas      1 take the whole pending stack by exchange
//                                             2 per page: read its link, take the page's whole
//   2 push the slot on the page's stack         remote stack by exchange
//   3 stack was empty: push the page on       3 hand each slot to the caller
//     the owner's pending stack
//   4 nobody has that in view: say so
//
// Whole stacks are taken at once, so there is no ABA, and work is bounded by the slots of a page.
// Edges: R1 block contents: post's release on remote_head -> drain's acquire.
//        R2 page link: post's release on pending -> drain's acquire.
// Model: models/concurrency/remote_model.cc; tests: tests/unit/remote_test.cc.
#pragma once

#include <cstdint>

#include "base/attributes.h"
#include "base/check.h"
#include "page/arena.h"
#include "page/locate.h"
#include "report/report.h"

namespace hakmem {

// The stack of pages that hold remote frees for one context. A page is on it at most once: only
// the post that finds the page's remote stack empty puts it there. Empty it says whether somebody
// will look at it all the same, its thread or a visitor, or the next post has to call for one.
template <class C>
struct PendingPages {
  static constexpr std::uint32_t kInView = SoPage<C>::kNoPage;
  static constexpr std::uint32_t kOutOfView = kInView - 1;

  typename C::World::template atomic<std::uint32_t> head{kOutOfView};

  static constexpr bool is_empty(std::uint32_t first) noexcept { return first >= kOutOfView; }
  bool empty() const noexcept { return is_empty(head.load_relaxed()); }  // relaxed: a hint
  // False when something has been posted since the last drain, which then wants another.
  bool leave_out_of_view() noexcept {
    std::uint32_t first = kInView;
    // relaxed: whoever posts finds the one or the other
    return head.cas_relaxed(first, kOutOfView) || first == kOutOfView;
  }
};

// Links a slot that is REMOTE(before) to another head. By cas, so that an owner's free that raced
// with this one is seen and not overwritten.
template <class C>
void relink_remote(SoPage<C>& page, std::uint32_t slot, std::uint32_t before,
                   std::uint32_t head) noexcept {
  const EntryBits link = remote_entry(static_cast<EntryBits>(head));
  if constexpr (C::kMitigations.check_frees) {
    EntryBits entry = remote_entry(static_cast<EntryBits>(before));
    // relaxed: R1 publishes
    if (!page.entries[slot].cas_relaxed(entry, link)) report_raced_double_free(page, slot, "free");
  } else {
    page.entries[slot].store_relaxed(link);  // relaxed: R1 publishes
  }
}

// Marks a live slot as freed by another context and links it to the head of the page's stack as it
// is now, which `*head` then holds. False when it was not LIVE: a double free, also when both
// frees come at the same moment from two threads. Then nothing is written: until the report has
// ended the process, the other threads see the winner's list whole.
template <class C>
bool mark_remote(SoPage<C>& page, std::uint32_t slot, std::uint32_t* head) noexcept {
  *head = page.remote_head.load_relaxed();  // relaxed: post's cas decides
  const EntryBits link = remote_entry(static_cast<EntryBits>(*head));
  if constexpr (C::kMitigations.check_frees) {
    EntryBits entry = kEntryLive;
    // relaxed: one of several finds LIVE; what it did before is published by R1
    return page.entries[slot].cas_relaxed(entry, link);
  } else {
    page.entries[slot].store_relaxed(link);  // relaxed: R1 publishes
    return true;
  }
}

// Requires: mark_remote(page, slot, &head) succeeded. `pending` is that of the page's owner.
// Returns whether its owner has to be called: nobody had it in view.
template <class C>
bool post(const Arena<C>& arena, PendingPages<C>& pending, SoPage<C>& page, std::uint32_t slot,
          std::uint32_t head) noexcept {
  for (std::uint32_t linked = head;
       !page.remote_head.cas_weak_release_relaxed(head, slot);) {  // R1
    relink_remote(page, slot, linked, head);
    linked = head;
  }
  if (head != kNoSlot) return false;

  const std::uint32_t unit = arena.unit_of(page);
  std::uint32_t first = pending.head.load_relaxed();  // relaxed: the cas decides
  do {
    // relaxed: published by the release below (R2)
    page.next_pending.store_relaxed(PendingPages<C>::is_empty(first) ? SoPage<C>::kNoPage : first);
  } while (!pending.head.cas_weak_release_relaxed(first, unit));  // R2
  return first == PendingPages<C>::kOutOfView;
}

// In the child of a fork, before anybody else runs: the thread that posted to this page is gone,
// and may have stopped between any two steps. Every REMOTE slot is on the page's stack afterwards,
// and the page, if it has one, on `pending`, that of its owner.
template <class C>
void repair_posts(const Arena<C>& arena, PendingPages<C>& pending, SoPage<C>& page) noexcept {
  // relaxed, all: there is one thread
  std::uint32_t head = kNoSlot;
  for (std::uint32_t slot = 0; slot < page.carved; ++slot) {
    if (entry_kind(page.entries[slot].load_relaxed()) != kEntryRemote) continue;
    page.entries[slot].store_relaxed(remote_entry(static_cast<EntryBits>(head)));
    head = slot;
  }
  page.remote_head.store_relaxed(head);
  if (head == kNoSlot) return;
  const std::uint32_t found = pending.head.load_relaxed();
  const std::uint32_t first = PendingPages<C>::is_empty(found) ? SoPage<C>::kNoPage : found;
  for (std::uint32_t unit = first; unit != SoPage<C>::kNoPage;) {
    if (unit == arena.unit_of(page)) return;
    unit = arena.page(unit).next_pending.load_relaxed();
  }
  page.next_pending.store_relaxed(first);
  pending.head.store_relaxed(arena.unit_of(page));
}

// Hands every slot that was posted so far to `give(page, slot)`. Owner only.
template <class C, class Give>
void drain_owner_only(const Arena<C>& arena, PendingPages<C>& pending, Give&& give) noexcept {
  std::uint32_t unit = pending.head.exchange_acquire(PendingPages<C>::kInView);  // R2
  while (!PendingPages<C>::is_empty(unit)) {
    SoPage<C>& page = arena.page(unit);
    // Before the stack is taken: after it, a new post may put the page on `pending` again.
    unit = page.next_pending.load_relaxed();                          // relaxed: R2
    std::uint32_t slot = page.remote_head.exchange_acquire(kNoSlot);  // R1
    for (std::uint32_t n = 0; slot != kNoSlot; ++n) {
      HAKMEM_CHECK(slot < page.capacity && n < page.capacity, "remote-list", page.base);
      const EntryBits entry = page.entries[slot].load_relaxed();  // relaxed: R1
      if constexpr (C::kMitigations.check_frees) {
        // A free by the owner raced with this one: the same block was freed twice.
        if (entry_kind(entry) != kEntryRemote) report_raced_double_free(page, slot, "remote-drain");
      }
      give(page, slot);
      slot = entry_link(entry);
    }
  }
}

}  // namespace hakmem
