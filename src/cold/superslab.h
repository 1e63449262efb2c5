// One superslab's record: which bin it serves, which of its pages are out, and its tier.
//   HOT       gives pages        DRAINING  sparse: gives none while a HOT one can, waits to empty
//   FREE      empty: reusable by any bin          UNUSED    never committed
// Owned by the cold box, guarded by its lock.
#pragma once

#include <cstdint>

#include "base/check.h"
#include "base/types.h"

namespace hakmem {

enum class Tier : std::uint8_t { kUnused, kHot, kDraining, kFree };

struct SlabLinks {
  std::uint32_t next = ~std::uint32_t{0};
  std::uint32_t prev = ~std::uint32_t{0};
};

struct Superslab {
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  std::uint32_t free_pages = 0;        // bit k: page k is with the cold box
  std::uint32_t warm_pages = 0;        // bit k: page k is free and still holds memory
  std::uint32_t guarded = 0;           // bit k: page k has its guard, or is getting it
  std::uint32_t protected_guards = 0;  // bit k: that guard costs mappings (limits/mapping_budget.h)
  std::uint32_t warm_since = 0;  // decay period in which a page that came back was last in use
  std::uint32_t next = kNone;    // list of its tier (and bin)
  std::uint32_t prev = kNone;
  SlabLinks same_bin{};  // FREE ones that served the same bin
  SlabLinks warm{};      // those with warm pages
  std::uint8_t bin = 0;
  Tier tier = Tier::kUnused;
  std::uint8_t pages = 0;  // how many pages it is cut into for this bin
  bool soiled = false;     // some memory was not taken back: what is free need not be zero
  bool listed = false;     // on the list of its tier: a HOT one with no free page is not
};

// A doubly linked list through the records, by index.
struct SlabList {
  std::uint32_t head = Superslab::kNone;
};

inline void link_slab(Superslab* slabs, SlabList& list, std::uint32_t i) noexcept {
  Superslab& s = slabs[i];
  HAKMEM_DCHECK(!s.listed, "slab-links", i);
  s.next = list.head;
  s.prev = Superslab::kNone;
  s.listed = true;
  if (list.head != Superslab::kNone) slabs[list.head].prev = i;
  list.head = i;
}

// Requires: slabs[i] is on `list`.
inline void unlink_slab(Superslab* slabs, SlabList& list, std::uint32_t i) noexcept {
  Superslab& s = slabs[i];
  HAKMEM_DCHECK(s.prev == Superslab::kNone ? list.head == i : slabs[s.prev].next == i, "slab-links",
                i);
  if (s.prev != Superslab::kNone) slabs[s.prev].next = s.next;
  if (s.next != Superslab::kNone) slabs[s.next].prev = s.prev;
  if (list.head == i) list.head = s.next;
  s.next = s.prev = Superslab::kNone;
  s.listed = false;
}

// The same through links of another kind, with both ends. Who is on it the caller knows.
template <SlabLinks Superslab::* kLinks>
class SlabQueue {
 public:
  std::uint32_t front() const noexcept { return front_; }
  std::uint32_t size() const noexcept { return size_; }

  void push_front(Superslab* slabs, std::uint32_t i) noexcept {
    slabs[i].*kLinks = {front_, Superslab::kNone};
    (front_ == Superslab::kNone ? back_ : (slabs[front_].*kLinks).prev) = i;
    front_ = i;
    ++size_;
  }
  void push_back(Superslab* slabs, std::uint32_t i) noexcept {
    slabs[i].*kLinks = {Superslab::kNone, back_};
    (back_ == Superslab::kNone ? front_ : (slabs[back_].*kLinks).next) = i;
    back_ = i;
    ++size_;
  }
  // Requires: slabs[i] is on it.
  void remove(Superslab* slabs, std::uint32_t i) noexcept {
    const SlabLinks links = slabs[i].*kLinks;
    HAKMEM_DCHECK(
        size_ != 0 &&
            (links.prev == Superslab::kNone ? front_ == i : (slabs[links.prev].*kLinks).next == i),
        "slab-links", i);
    (links.prev == Superslab::kNone ? front_ : (slabs[links.prev].*kLinks).next) = links.next;
    (links.next == Superslab::kNone ? back_ : (slabs[links.next].*kLinks).prev) = links.prev;
    --size_;
  }

 private:
  std::uint32_t front_ = Superslab::kNone;
  std::uint32_t back_ = Superslab::kNone;
  std::uint32_t size_ = 0;
};

}  // namespace hakmem
