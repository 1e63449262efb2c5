// What the large heap asks of the system: memory for an extent, more of it, guards around it. No
// registry, no lock, so that nobody waits while the system works.
//
// The bytes of a block without its guards are charged to the memory limit, here when it grows,
// else by the heap.
//
// Where the system has no guards that cost nothing, each takes two of the mappings that a process
// may have, within a budget (limits/mapping_budget.h); when it runs short new blocks go without.
//
// Every change can be refused, unmapping too: cutting a mapping in two takes one more. What cannot
// be given back stays with the extent as part of `front` or `back`.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bits.h"
#include "config/memory_options.h"
#include "config/mitigations.h"
#include "large/extent.h"
#include "limits/mapping_budget.h"
#include "limits/memory_limit.h"

namespace hakmem::large {

template <class C>
class Mapper {
 public:
  using P = typename C::Platform;
  using Limit = LimitOf<C>;

  void init(P& platform, Limit& limit, MappingBudget<C>& budget) noexcept {
    platform_ = &platform;
    limit_ = &limit;
    budget_ = &budget;
  }
  // Before the first use.
  void set_options(const MemoryOptions& options) noexcept { options_ = options; }

  std::size_t page_length(std::size_t n) noexcept {
    const std::size_t page = platform_->page_bytes();
    return n == 0 ? page : static_cast<std::size_t>(round_up(n, page));
  }
  std::size_t guard_bytes() noexcept {
    return C::kMitigations.guard_pages ? platform_->page_bytes() : 0;
  }

  // A free extent that a block of `length` bytes at that alignment fits into, fresh and without
  // guards; key 0 when out of memory. Requires: `length` is whole pages.
  Extent make(std::size_t length, std::size_t alignment) noexcept {
    const std::size_t page = platform_->page_bytes();
    const std::size_t extra = 2 * guard_bytes();
    if (length > PTRDIFF_MAX - extra) return {};
    if (alignment <= page) return map(length + extra, 0);
    if (alignment > PTRDIFF_MAX - extra - length) return {};
    // Several at once share a mapping, as long as what lies between them costs nothing that counts.
    if (alignment <= kSharedAlignmentMax && length < alignment) {
      const Extent many = map(kShared * alignment + length + extra, 0);
      if (many.key != 0) return many;
    }
    return map(length + extra, alignment);
  }

  // False when the system refuses; then it is all still there. The caller refunds the memory limit.
  bool unmake(const Extent& e) noexcept {
    if (!unmap_range(e.begin(), e.end())) return false;
    budget_->give_guards(e.protected_guards());
    return true;
  }

  // Opens what lies within a block that is to be used, from `at`. False when the system refuses.
  bool open(Extent& e, std::uintptr_t at) noexcept {
    void* const p = reinterpret_cast<void*>(at);
    const std::size_t bytes = e.limit() - at;
    if (e.sealed && !platform_->commit(p, bytes)) return false;
    if (e.seams && !platform_->unguard(p, bytes)) return false;
    e.sealed = e.seams = false;
    return true;
  }
  // Makes the guards that are not there yet. Best effort: without one the block is as good as in a
  // flavour that has none. True when there are more than before.
  bool enclose(Extent& e) noexcept {
    const std::size_t before = guards_of(e);
    if (e.front_guard == GuardKind::kNone) e.front_guard = guard(e.key - guard_bytes());
    if (e.back_guard == GuardKind::kNone) e.back_guard = guard(e.limit());
    return guards_of(e) != before;
  }

  // Same contents, whatever behind; key 0 and `e` intact when refused. The system moves the pages
  // without copying. A cheap guard moves along; where guards are mappings of their own the block
  // moves alone, and has a guard only behind it afterwards.
  Extent grow(const Extent& e, std::size_t length) noexcept {
    const std::size_t front = e.protected_guards() == 0 ? e.front : 0;
    const std::size_t back = guard_bytes();
    void* const from = reinterpret_cast<void*>(e.key - front);
    if (!limit_->charge(Holder::kMappings, length - e.length)) return {};
    void* const to = platform_->remap(from, front + e.length, front + length + back);
    if (to == nullptr) {
      limit_->refund(Holder::kMappings, length - e.length);
      return {};
    }
    Extent grown = e;
    grown.key = reinterpret_cast<std::uintptr_t>(to) + front;
    grown.length = grown.charged = length;
    grown.front = front;
    grown.back = back;
    grown.back_guard = GuardKind::kNone;
    if (grown.key == e.key) {
      grown.front = e.front;  // nothing was behind it
    } else {
      if (front == 0) grown.front_guard = GuardKind::kNone;
      // If the system refuses here, untouched address space is lost and nothing else.
      unmap_range(e.begin(), e.key - front);
      unmap_range(e.limit(), e.end());
      budget_->give_guards(e.protected_guards());
    }
    advise(grown);
    grown.back_guard = guard(grown.limit());
    return grown;
  }

 private:
  // Holes of this size and less are kept between blocks; eight blocks or so are mapped at once.
  static constexpr std::size_t kSharedAlignmentMax = std::size_t{32} << 20;
  static constexpr std::size_t kShared = 8;

  // `alignment` 0: any page will do. Else what it costs is given back, if the system takes it.
  Extent map(std::size_t bytes, std::size_t alignment) noexcept {
    const std::size_t guard = guard_bytes();
    void* const memory = platform_->map(bytes + alignment, platform_->page_bytes());
    if (memory == nullptr) return {};
    const auto begin = reinterpret_cast<std::uintptr_t>(memory);
    const std::uintptr_t end = begin + bytes + alignment;
    Extent e;
    e.use = Use::kFree;
    e.fresh = e.unjoined = true;
    e.front = e.back = guard;
    e.length = bytes - 2 * guard;
    e.key = begin + guard;
    if (alignment != 0) e.key = static_cast<std::uintptr_t>(round_up(e.key, alignment));
    if (!unmap_range(begin, e.begin())) e.front = e.key - begin;
    if (!unmap_range(e.end(), end)) e.back = end - e.limit();
    advise(e);
    return e;
  }

  static std::size_t guards_of(const Extent& e) noexcept {
    return (e.front_guard != GuardKind::kNone ? 1u : 0u) +
           (e.back_guard != GuardKind::kNone ? 1u : 0u);
  }
  // With the guards, so that it stays one mapping, which `grow` can move as a whole.
  void advise(const Extent& e) noexcept {
    if (options_.huge == HugePages::kSystem) return;
    if (options_.asks_for_huge() && e.length < kHugePageBytes) return;
    platform_->advise_huge(reinterpret_cast<void*>(e.begin()), e.bytes(), advice_of(options_));
  }
  GuardKind guard(std::uintptr_t at) noexcept {
    void* const p = reinterpret_cast<void*>(at);
    const std::size_t bytes = guard_bytes();
    if (bytes == 0) return GuardKind::kNone;
    if (platform_->guard(p, bytes)) return GuardKind::kCheap;
    if (!budget_->take_guard()) return GuardKind::kNone;
    if (platform_->protect(p, bytes)) return GuardKind::kMappings;
    budget_->give_guards(1);
    return GuardKind::kNone;
  }
  bool unmap_range(std::uintptr_t begin, std::uintptr_t end) noexcept {
    return begin == end || platform_->unmap(reinterpret_cast<void*>(begin), end - begin);
  }

  P* platform_ = nullptr;
  Limit* limit_ = nullptr;
  MappingBudget<C>* budget_ = nullptr;
  MemoryOptions options_{};
};

}  // namespace hakmem::large
