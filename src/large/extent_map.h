// ExtentMap: all extents of the large heap by their first byte and by both their ends; the free
// ones by size, by age and, until their neighbours have been looked at, in a third list. Free
// neighbours are joined when nothing fits, not before: a loop that frees and takes one size finds
// its block as it left it, guards included.
//
// Laws: extents are disjoint; each is found by its key, its begin and its end; the free ones are in
// the list of their size, and those with memory in the list by age, oldest first. O(1), but for
// bounded walks of one list. No system calls except for the records' own memory. Not thread-safe:
// LargeHeap holds its lock. Tests: tests/unit/large_cache_test.cc, proptests/large_prop.cc.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/address_table.h"
#include "large/extent.h"

namespace hakmem::large {

template <class P>
class ExtentMap {
 public:
  constexpr ExtentMap() noexcept = default;

  void init(P& platform) noexcept {
    page_shift_ = static_cast<unsigned>(std::countr_zero(platform.page_bytes()));
    extents_.init(platform);
    edges_.init(platform);
  }

  // nullptr: no extent starts there. Valid until the next insert, remove or join.
  Extent* find(std::uintptr_t key) noexcept { return extents_.find(key); }
  Extent* below(const Extent& e) noexcept { return by_edge(end_edge(e.begin())); }
  Extent* above(const Extent& e) noexcept { return by_edge(e.end()); }

  // False, and nothing changed, when there is no memory for the record; never when another extent
  // was removed just before. A free one takes its age from `freed_ms`, which is at most `now`.
  bool insert(const Extent& e) noexcept {
    if (edges_.insert({e.begin(), e.key}) == nullptr) return false;
    if (edges_.insert({end_edge(e.end()), e.key}) == nullptr) {
      edges_.erase(edges_.find(e.begin()));
      return false;
    }
    Extent* const record = extents_.insert(e);
    if (record == nullptr) {
      edges_.erase(edges_.find(e.begin()));
      edges_.erase(edges_.find(end_edge(e.end())));
      return false;
    }
    record->links = {};
    add(*record);
    return true;
  }
  Extent remove(Extent* record) noexcept {
    subtract(*record);
    const Extent e = *record;
    edges_.erase(edges_.find(e.begin()));
    edges_.erase(edges_.find(end_edge(e.end())));
    extents_.erase(record);
    return e;
  }
  // As remove; a later insert of one extent cannot fail for want of memory.
  Extent take_out(Extent* record) noexcept {
    extents_.keep_room(1);
    edges_.keep_room(2);
    return remove(record);
  }
  void put_back(const Extent& e) noexcept {
    extents_.give_room(1);
    edges_.give_room(2);
    insert(e);
  }

  // A live one becomes free, or a free one live, where it is.
  void change_use(Extent* record, Use use) noexcept {
    subtract(*record);
    record->use = use;
    record->unjoined = use == Use::kFree;
    add(*record);
  }

  // The free extent that a block fits into best, with the place it has there; nullptr: none. It may
  // miss one where `alignment` matters and many of a size are too badly placed.
  Extent* best_fit(std::size_t length, std::size_t alignment, std::uintptr_t* at) noexcept {
    Extent* best = nullptr;
    for (std::size_t b = next_bucket(bucket_of(length)); b < kBuckets && best == nullptr;
         b = next_bucket(b + 1)) {
      unsigned steps = 0;
      for (Extent* e = find(sizes_[b].first); e != nullptr && steps < kSteps;
           e = find(e->links[Extent::kBySize].next), ++steps) {
        const std::uintptr_t place = (e->key + alignment - 1) & ~(alignment - 1);
        const bool fits = place >= e->key && place < e->limit() && e->limit() - place >= length;
        if (!fits || (best != nullptr && e->length >= best->length)) continue;
        best = e;
        *at = place;
      }
    }
    return best;
  }

  // Joins what was freed since the last time with its free neighbours; returns the number of
  // joins. `guards` is increased by the guards by protection that lie within ranges now.
  std::size_t join(std::size_t* guards) noexcept {
    std::size_t joins = 0;
    while (unjoined_.first != 0) {
      Extent* e = find(unjoined_.first);
      unlink(*e, Extent::kUnjoined, unjoined_);
      e->unjoined = false;
      for (Extent* n = free_neighbour(*e); n != nullptr; n = free_neighbour(*e)) {
        e = join_two(e, n, guards);
        ++joins;
      }
    }
    return joins;
  }
  // The same for one, with holes only. `record` must be no live one.
  Extent remove_with_holes(Extent* record, std::size_t* guards) noexcept {
    Extent e = remove(record);
    for (Extent* n = hole_beside(e); n != nullptr; n = hole_beside(e)) {
      const Extent hole = remove(n);
      std::size_t more = 0;
      e = hole.key < e.key ? joined(hole, e, &more) : joined(e, hole, &more);
      *guards += more;
    }
    return e;
  }

  Extent* oldest() noexcept { return find(ages_.first); }

  template <class F>
  void for_each(F visit) noexcept {
    extents_.for_each(visit);
  }

  std::size_t count() const noexcept { return extents_.count(); }
  std::size_t live_count() const noexcept { return live_; }
  std::size_t live_bytes() const noexcept { return live_bytes_; }    // without guards
  std::size_t free_bytes() const noexcept { return free_charged_; }  // that may hold memory
  std::size_t bytes() const noexcept { return bytes_; }              // of all, with guards
  std::size_t record_bytes() const noexcept {
    return extents_.bytes_mapped() + edges_.bytes_mapped();
  }

 private:
  struct Edge {
    std::uintptr_t key = 0;  // where an extent begins, or ends (then odd)
    std::uintptr_t extent = 0;
  };
  struct Ends {
    std::uintptr_t first = 0, last = 0;
  };
  static constexpr unsigned kSteps = 32;
  static constexpr std::size_t kBuckets = 384;  // eight for each power of two pages
  static constexpr std::size_t kWords = kBuckets / 64;

  static constexpr std::uintptr_t end_edge(std::uintptr_t at) noexcept { return at | 1; }
  Extent* by_edge(std::uintptr_t edge) noexcept {
    const Edge* const found = edges_.find(edge);
    return found == nullptr ? nullptr : find(found->extent);
  }

  std::size_t bucket_of(std::size_t length) const noexcept {
    const std::size_t pages = length >> page_shift_;
    if (pages < 8) return pages;
    const auto log = static_cast<unsigned>(std::bit_width(pages)) - 1;
    return log * 8 + ((pages >> (log - 3)) & 7) - 16;
  }
  // The first at or after `b` that is not empty; kBuckets: none.
  std::size_t next_bucket(std::size_t b) const noexcept {
    for (std::size_t w = b / 64; w < kWords; ++w) {
      std::uint64_t bits = filled_[w];
      if (w == b / 64) bits &= ~std::uint64_t{0} << (b % 64);
      if (bits != 0) return w * 64 + static_cast<std::size_t>(std::countr_zero(bits));
    }
    return kBuckets;
  }

  // ---- lists

  void push_front(Extent& e, Extent::List list, Ends& ends) noexcept {
    link(e, 0, ends.first, list, ends);
  }
  void link(Extent& e, std::uintptr_t prev, std::uintptr_t next, Extent::List list,
            Ends& ends) noexcept {
    e.links[list] = {prev, next};
    (prev == 0 ? ends.first : find(prev)->links[list].next) = e.key;
    (next == 0 ? ends.last : find(next)->links[list].prev) = e.key;
  }
  void unlink(Extent& e, Extent::List list, Ends& ends) noexcept {
    const Extent::Link l = e.links[list];
    (l.prev == 0 ? ends.first : find(l.prev)->links[list].next) = l.next;
    (l.next == 0 ? ends.last : find(l.next)->links[list].prev) = l.prev;
    e.links[list] = {};
  }
  // As a rule it is the youngest, or a part of one that was found young enough to be used.
  void link_by_age(Extent& e) noexcept {
    std::uintptr_t prev = ages_.last;
    for (unsigned steps = 0; prev != 0 && steps < kSteps; ++steps) {
      const Extent* const older = find(prev);
      if (older->freed_ms <= e.freed_ms) break;
      prev = older->links[Extent::kByAge].prev;
    }
    // Further back it counts as the younger: time is kept by the list.
    const std::uintptr_t next = prev == 0 ? ages_.first : find(prev)->links[Extent::kByAge].next;
    link(e, prev, next, Extent::kByAge, ages_);
  }

  void add(Extent& e) noexcept {
    bytes_ += e.bytes();
    if (e.is_live()) {
      ++live_;
      live_bytes_ += e.length;
    }
    if (e.use != Use::kFree) return;
    free_charged_ += e.charged;
    const std::size_t b = bucket_of(e.length);
    push_front(e, Extent::kBySize, sizes_[b]);
    filled_[b / 64] |= std::uint64_t{1} << (b % 64);
    if (e.charged != 0) link_by_age(e);
    if (e.unjoined) push_front(e, Extent::kUnjoined, unjoined_);
  }
  void subtract(Extent& e) noexcept {
    bytes_ -= e.bytes();
    if (e.is_live()) {
      --live_;
      live_bytes_ -= e.length;
    }
    if (e.use != Use::kFree) return;
    free_charged_ -= e.charged;
    const std::size_t b = bucket_of(e.length);
    unlink(e, Extent::kBySize, sizes_[b]);
    if (sizes_[b].first == 0) filled_[b / 64] &= ~(std::uint64_t{1} << (b % 64));
    if (e.charged != 0) unlink(e, Extent::kByAge, ages_);
    if (e.unjoined) unlink(e, Extent::kUnjoined, unjoined_);
  }

  // ---- neighbours

  Extent* free_neighbour(const Extent& e) noexcept {
    for (Extent* const n : {below(e), above(e)}) {
      if (n != nullptr && n->use == Use::kFree) return n;
    }
    return nullptr;
  }
  Extent* hole_beside(const Extent& e) noexcept {
    for (Extent* const n : {below(e), above(e)}) {
      if (n != nullptr && n->is_hole()) return n;
    }
    return nullptr;
  }
  Extent* join_two(Extent* a, Extent* b, std::size_t* guards) noexcept {
    const std::uintptr_t other = b->key;
    const Extent first = remove(a);
    const Extent second = remove(find(other));
    std::size_t more = 0;
    Extent e = first.key < second.key ? joined(first, second, &more) : joined(second, first, &more);
    *guards += more;
    e.unjoined = false;
    insert(e);
    return find(e.key);
  }

  AddressTable<P, Extent> extents_;
  AddressTable<P, Edge> edges_;
  std::array<Ends, kBuckets> sizes_{};
  std::array<std::uint64_t, kWords> filled_{};
  Ends ages_{};  // oldest first
  Ends unjoined_{};
  unsigned page_shift_ = 12;
  std::size_t live_ = 0;
  std::size_t live_bytes_ = 0;
  std::size_t free_charged_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace hakmem::large
