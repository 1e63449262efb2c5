// LargeHeap's paths that take longer: resizing, giving back, what the system refused to take, and
// the diagnosis of bad pointers. Included by large_heap.h.
#pragma once

#include <utility>

#include "large/large_heap.h"

namespace hakmem::large {

// ---- new memory

template <class C>
Extent LargeHeap<C>::map_new(const Wanted& w) noexcept {
  const Extent whole = mapper_.make(w.length, w.alignment);
  if (whole.key == 0) return {};
  const std::uintptr_t at = (whole.key + w.alignment - 1) & ~(w.alignment - 1);
  Cut c = cut_of(whole, at, w.length);
  mapper_.enclose(c.block);
  {
    const LockGuard<C> guard(lock_);
    const Extent b = enlist(c, whole, w.asked, Use::kBlock);
    if (b.key != 0) {
      early_.taken_anew(w.length);
      return b;
    }
  }
  budget_->give_guards(c.block.protected_guards());
  discard(whole);
  return {};
}

template <class C>
void LargeHeap<C>::clear(const Extent& b) noexcept {
  const bool purged = b.length > kWrittenMax && platform_->purge(b.block(), b.length);
  if (!purged) std::memset(b.block(), 0, b.length);
}

// ---- resize

template <class C>
void* LargeHeap<C>::resize(ClientPtr p, std::size_t n, std::size_t room) noexcept {
  if (n > PTRDIFF_MAX) return nullptr;
  const Wanted w{mapper_.page_length(n), 1, n};
  const bool keeps = !limit_->over_soft(Holder::kMappings);
  Resizing r = begin_resize(p, w, keeps ? room : 0, keeps);
  switch (r.step) {
    case Step::kNone:
      return nullptr;
    case Step::kDone:
      break;
    case Step::kShrunk:
      if (mapper_.enclose(r.block)) note_guards(r.block);
      if (r.rest.key != 0) discard(r.rest);
      break;
    case Step::kExtended:
      if (!finish_extending(r.block, r.old_end)) return nullptr;
      break;
    case Step::kTakenOut:
      return move(r.block, w, keeps ? room : 0);
  }
  return reinterpret_cast<void*>(p.address());
}

template <class C>
void LargeHeap<C>::restate(ClientPtr p, std::size_t n) noexcept {
  const LockGuard<C> guard(lock_);
  Extent* const record = map_.find(p.address());
  if (record != nullptr && record->use == Use::kBlock) record->asked = n;
}

template <class C>
auto LargeHeap<C>::begin_resize(ClientPtr p, const Wanted& w, std::size_t room, bool keeps) noexcept
    -> Resizing {
  const LockGuard<C> guard(lock_);
  Extent* const record = map_.find(p.address());
  if (record == nullptr || record->use != Use::kBlock) return {};
  const std::size_t old = record->length;
  if (w.length <= old) {
    // One that shrinks a little stays, and one that grows within the room it was given.
    if (w.asked < record->asked && w.asked < old - old / 4) return shrink(*record, w, keeps);
    record->asked = w.asked;
    return {Step::kDone, {}, {}, 0};
  }
  const Resizing extended = extend(*record, w, room);
  if (extended.step != Step::kNone) return extended;
  note_freed(record->key);  // a free meanwhile is one of a block that somebody else holds
  return {Step::kTakenOut, map_.take_out(record), {}, 0};
}

template <class C>
auto LargeHeap<C>::shrink(const Extent& e, const Wanted& w, bool keeps) noexcept -> Resizing {
  const Extent whole = map_.remove(map_.find(e.key));
  Cut c = cut_of(whole, whole.key, w.length);
  c.tail.use = Use::kFree;
  c.tail.unjoined = true;
  c.tail.freed_ms = platform_->clock_ms();
  Extent rest;
  Extent cut_off = whole;
  if (!keeps && c.tail.key != 0) {
    std::swap(rest, c.tail);
    cut_off.charged -= rest.charged;
    cut_off.back_guard = GuardKind::kNone;
  }
  const Extent b = enlist(c, cut_off, w.asked, Use::kBlock);
  if (b.key != 0) return {Step::kShrunk, b, rest, 0};
  Extent same = whole;  // no memory for another record
  same.asked = w.asked;
  map_.insert(same);
  return {Step::kDone, {}, {}, 0};
}

// Into the free extent above, if that is long enough.
template <class C>
auto LargeHeap<C>::extend(const Extent& e, const Wanted& w, std::size_t room) noexcept -> Resizing {
  const Extent* const above = map_.above(e);
  if (above == nullptr || above->use != Use::kFree || above->limit() - e.key < w.length) return {};
  const std::uintptr_t high_key = above->key;
  const Extent low = map_.remove(map_.find(e.key));
  const Extent high = map_.remove(map_.find(high_key));
  std::size_t guards = 0;
  Extent whole = joined(low, high, &guards);
  whole.use = Use::kFree;
  whole.freed_ms = high.freed_ms;
  const std::size_t length =
      std::min(mapper_.page_length(w.asked + room), whole.limit() - whole.key);
  const Extent b = enlist(cut_of(whole, whole.key, length), whole, w.asked, Use::kMoving);
  if (b.key == 0) {
    map_.insert(low);
    map_.insert(high);
    return {};
  }
  budget_->give_guards(guards);
  return {Step::kExtended, b, {}, low.limit()};
}

// What the system refuses to open stays with the block, behind it, and the block as it was.
template <class C>
bool LargeHeap<C>::finish_extending(Extent b, std::uintptr_t old_end) noexcept {
  const bool opened = mapper_.open(b, old_end);
  if (opened) mapper_.enclose(b);
  const LockGuard<C> guard(lock_);
  Extent e = map_.remove(map_.find(b.key));
  e.use = Use::kBlock;
  e.front_guard = b.front_guard;
  e.back_guard = b.back_guard;
  if (!opened) {
    const std::uintptr_t end = e.end();
    budget_->give_guards(e.back_guard == GuardKind::kMappings ? 1 : 0);
    limit_->refund(Holder::kMappings, e.limit() - old_end);
    e.length = e.charged = old_end - e.key;
    e.back = end - old_end;
    e.back_guard = GuardKind::kNone;
  }
  map_.insert(e);
  return opened;
}

template <class C>
void* LargeHeap<C>::move(const Extent& e, const Wanted& w, std::size_t room) noexcept {
  const std::size_t more = mapper_.page_length(w.asked + room);
  Extent grown = mapper_.grow(e, more);
  if (grown.key == 0 && more != w.length) grown = mapper_.grow(e, w.length);
  const bool moved = grown.key != 0;
  if (moved) grown.asked = w.asked;
  const LockGuard<C> guard(lock_);
  map_.put_back(moved ? grown : e);
  note_count();
  return moved ? grown.block() : nullptr;
}

// ---- giving back

template <class C>
std::size_t LargeHeap<C>::trim() noexcept {
  std::size_t bytes = 0;
  for (Extent e = next_free(); e.key != 0; e = next_free()) {
    bytes += e.charged;
    discard(e);
  }
  return bytes + retry_unmaps();
}
template <class C>
Extent LargeHeap<C>::next_free() noexcept {
  const LockGuard<C> guard(lock_);
  join();
  Extent* const e = map_.oldest();
  return e == nullptr ? Extent{} : withdraw(e);
}

// Unmaps what is free and out of the registry. Where the system refuses, it gives up the memory at
// least.
template <class C>
void LargeHeap<C>::discard(Extent e) noexcept {
  limit_->refund(Holder::kMappings, e.charged);
  e.charged = 0;
  if (mapper_.unmake(e)) return;
  const bool hidden = kHides && platform_->guard(e.block(), e.length);
  if (!hidden) platform_->purge(e.block(), e.length);
  e.use = hidden ? Use::kHidden : Use::kUnmapPending;
  keep_unmap_pending(e);
}
template <class C>
void LargeHeap<C>::keep_unmap_pending(Extent e) noexcept {
  const LockGuard<C> guard(lock_);
  e.pass = pass_;
  e.unjoined = false;
  // As a rule there is room, for it was registered before; else address space is lost, no more.
  if (!map_.insert(e)) return;
  ++unmap_pending_;
  note_count();
}

template <class C>
Extent LargeHeap<C>::take_unmap_pending(const Wanted& w) noexcept {
  Extent e = find_unmap_pending(w);
  if (e.key == 0) return e;
  if (!limit_->charge(Holder::kMappings, e.length)) {
    keep_unmap_pending(e);
    return {};
  }
  e.charged = e.length;
  if (e.use == Use::kHidden) e.seams = true;
  if (!mapper_.open(e, e.key)) {
    discard(e);
    return {};
  }
  mapper_.enclose(e);
  e.use = Use::kBlock;
  e.asked = w.asked;
  e.fresh = false;
  {
    const LockGuard<C> guard(lock_);
    if (map_.insert(e)) {
      note_count();
      return e;
    }
  }
  discard(e);
  return {};
}
template <class C>
Extent LargeHeap<C>::find_unmap_pending(const Wanted& w) noexcept {
  const LockGuard<C> guard(lock_);
  if (unmap_pending_ == 0) return {};
  std::uintptr_t found = 0;
  map_.for_each([&](const Extent& e) noexcept {
    const bool serves = (e.use == Use::kUnmapPending || e.use == Use::kHidden) &&
                        (e.key & (w.alignment - 1)) == 0 && e.length >= w.length &&
                        e.length - w.length <= w.length / 8;
    if (serves) found = e.key;
    return !serves;
  });
  return found == 0 ? Extent{} : forget_unmap_pending(found);
}

// Tries each pending unmap once more; returns bytes unmapped.
template <class C>
std::size_t LargeHeap<C>::retry_unmaps() noexcept {
  const LockGuard<C> guard(lock_);
  std::size_t bytes = 0;
  ++pass_;
  while (retry_some_unmaps(&bytes) == kRetriesAtOnce) {
  }
  return bytes;
}
// Up to kRetriesAtOnce of them; returns how many were unmapped.
template <class C>
std::size_t LargeHeap<C>::retry_some_unmaps(std::size_t* bytes) noexcept {
  std::array<std::uintptr_t, kRetriesAtOnce> unmapped;
  std::size_t n = 0;
  const std::uint8_t pass = pass_;
  if (unmap_pending_ == 0) return 0;
  map_.for_each([&](Extent& e) noexcept {
    if ((e.use != Use::kUnmapPending && e.use != Use::kHidden) || e.pass == pass) return true;
    e.pass = pass;
    if (mapper_.unmake(e)) unmapped[n++] = e.key;
    return n < kRetriesAtOnce;
  });
  for (std::size_t i = 0; i < n; ++i) *bytes += forget_unmap_pending(unmapped[i]).bytes();
  return n;
}
template <class C>
Extent LargeHeap<C>::forget_unmap_pending(std::uintptr_t key) noexcept {
  --unmap_pending_;
  const Extent e = map_.remove(map_.find(key));
  note_count();
  return e;
}

// ---- diagnosis

template <class C>
BlockView LargeHeap<C>::diagnose(ClientPtr p) noexcept {
  const LockGuard<C> guard(lock_);
  BlockView view = view_of(p);
  if (view.fault != Fault::kNotMine) return view;
  map_.for_each([&](const Extent& e) noexcept { return !holds(e, p, view); });
  return view.fault == Fault::kNotMine && was_freed(p) ? freed_view(p) : view;
}
// Whether `p` lies in the extent; `view` tells what is wrong with it, if that can be said.
template <class C>
bool LargeHeap<C>::holds(const Extent& e, ClientPtr p, BlockView& view) noexcept {
  if (p.address() - e.key >= e.length) return false;
  constexpr std::uintptr_t kPageMin = 4096;
  if (e.use == Use::kBlock) {
    const bool aligned = p.address() % kMinBlock == 0;
    view = live_view(e, p, aligned ? Fault::kInteriorFree : Fault::kMisalignedFree);
  } else if (p.address() == e.key || (e.charged != 0 && p.address() % kPageMin == 0)) {
    view = freed_view(p);  // joined ones do not know where each began, but on a page it was
  }
  return true;
}
template <class C>
bool LargeHeap<C>::was_freed(ClientPtr p) const noexcept {
  return p.address() != 0 && std::find(freed_.begin(), freed_.end(), p.address()) != freed_.end();
}
template <class C>
BlockView LargeHeap<C>::freed_view(ClientPtr p) noexcept {
  BlockView view;
  view.fault = Fault::kDoubleFree;
  view.state = SlotState::kFree;
  view.page = p.address();
  view.heap = "large";
  return view;
}

}  // namespace hakmem::large
