// One large block: a mapping of its own, with an inaccessible page before and behind it in flavours
// that have guard pages. Making, resizing and unmaking one; no registry, no lock.
//
//   |front guard| block: key .. key + length |back guard|
//
// Its bytes without the guards are charged to the memory limit.
//
// Where the system has no guards that cost nothing, each takes two of the mappings that a process
// may have, within a budget (cold/mapping_budget.h); when it runs short new blocks go without.
//
// Every change can be refused, unmapping too: cutting a mapping in two takes one more. What cannot
// be given back stays with the block as part of `front`, `back` or `length`.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bits.h"
#include "base/memory_limit.h"
#include "cold/mapping_budget.h"
#include "config/memory_options.h"
#include "config/mitigations.h"

namespace hakmem::large {

// What a registered mapping is.
enum class Use : std::uint8_t {
  kBlock,   // a live block
  kStuck,   // freed, but the system refused to unmap it; without memory
  kHidden,  // the same, and inaccessible
};

struct Mapping {
  std::uintptr_t key = 0;     // first byte of the block
  std::size_t length = 0;     // bytes of the block, whole system pages, all usable
  std::size_t front = 0;      // bytes around it; the guards among them belong to the mapping also
  std::size_t back = 0;       // if the system refused to make them inaccessible
  bool fenced_front = false;  // that guard costs mappings
  bool fenced_back = false;
  Use use = Use::kBlock;
  std::uint8_t pass = 0;  // of a stuck one: the last pass that tried to unmap it

  void* block() const noexcept { return reinterpret_cast<void*>(key); }
  constexpr std::size_t bytes() const noexcept { return front + length + back; }
  constexpr std::size_t fences() const noexcept {
    return (fenced_front ? 1u : 0u) + (fenced_back ? 1u : 0u);
  }
};

template <class C>
class Mapper {
 public:
  using P = typename C::Platform;

  using Limit = typename C::Limit;

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

  // Zeroed. A Mapping whose key is 0 when out of memory. Requires: `length` is whole pages.
  Mapping make(std::size_t length, std::size_t alignment) noexcept {
    const std::size_t page = platform_->page_bytes();
    const std::size_t slack = alignment > page ? alignment : 0;
    const std::size_t extra = 2 * guard_bytes();
    if (slack > PTRDIFF_MAX - extra || length > PTRDIFF_MAX - extra - slack) return {};
    if (!limit_->charge(Holder::kMappings, length)) return {};
    void* const memory = platform_->map(length + extra + slack, page);
    if (memory == nullptr) {
      limit_->refund(Holder::kMappings, length);
      return {};
    }
    const auto begin = reinterpret_cast<std::uintptr_t>(memory);
    Mapping m;
    const std::uintptr_t end = begin + length + extra + slack;
    m.front = m.back = guard_bytes();
    m.length = length;
    m.key = static_cast<std::uintptr_t>(round_up(begin + m.front, slack != 0 ? slack : page));
    if (!unmap_range(begin, m.key - m.front)) m.front = m.key - begin;
    if (!unmap_range(m.key + length + m.back, end)) m.back = end - m.key - length;
    advise(m);
    m.fenced_front = guard(m.key - guard_bytes());
    m.fenced_back = guard(m.key + length);
    budget_->add(1);
    return m;
  }

  // False when the system refuses; then it is all still there. The caller refunds the memory limit.
  bool unmake(const Mapping& m) noexcept {
    if (!unmap_range(m.key - m.front, m.key + m.length + m.back)) return false;
    budget_->give_guards(m.fences());
    budget_->remove(1);
    return true;
  }

  // Gives the tail back and puts the guard behind what stays. `m` when the system refuses; the tail
  // is then without memory. Requires: length < m.length.
  Mapping shrink(Mapping m, std::size_t length) noexcept {
    if (!unmap_range(m.key + length + m.back, m.key + m.length + m.back)) {
      platform_->purge(reinterpret_cast<void*>(m.key + length), m.length - length);
      return m;
    }
    budget_->give_guards(m.fenced_back ? 1 : 0);
    limit_->refund(Holder::kMappings, m.length - length);
    m.length = length;
    m.fenced_back = guard(m.key + length);
    return m;
  }

  // Same contents, zeroes behind; key 0 and `m` intact when refused. The system moves the pages
  // without copying. A cheap guard moves along; where guards are mappings of their own the block
  // moves alone, and has a guard only behind it afterwards.
  Mapping grow(const Mapping& m, std::size_t length) noexcept {
    const std::size_t front = m.fences() == 0 ? m.front : 0;
    const std::size_t back = guard_bytes();
    void* const from = reinterpret_cast<void*>(m.key - front);
    if (!limit_->charge(Holder::kMappings, length - m.length)) return {};
    void* const to = platform_->remap(from, front + m.length, front + length + back);
    if (to == nullptr) {
      limit_->refund(Holder::kMappings, length - m.length);
      return {};
    }
    Mapping grown;
    grown.key = reinterpret_cast<std::uintptr_t>(to) + front;
    grown.length = length;
    grown.front = front;
    grown.back = back;
    if (grown.key == m.key) {
      grown.front = m.front;  // nothing was behind it
      grown.fenced_front = m.fenced_front;
    } else {
      // If the system refuses here, untouched address space is lost and nothing else.
      unmap_range(m.key - m.front, m.key - front);
      unmap_range(m.key + m.length, m.key + m.length + m.back);
      budget_->give_guards(m.fences());
    }
    advise(grown);
    grown.fenced_back = guard(grown.key + length);
    return grown;
  }

 private:
  std::size_t guard_bytes() noexcept {
    return C::kMitigations.guard_pages ? platform_->page_bytes() : 0;
  }
  // With the guards, so that it stays one mapping, which `grow` can move as a whole.
  void advise(const Mapping& m) noexcept {
    if (options_.huge == HugePages::kSystem) return;
    if (options_.asks_for_huge() && m.length < kHugePageBytes) return;
    platform_->advise_huge(reinterpret_cast<void*>(m.key - m.front), m.bytes(),
                           advice_of(options_));
  }
  // Best effort: without a guard the block is as good as in a flavour that has none.
  // True when it is there and costs mappings.
  bool guard(std::uintptr_t at) noexcept {
    void* const p = reinterpret_cast<void*>(at);
    const std::size_t bytes = guard_bytes();
    if (bytes == 0 || platform_->guard(p, bytes) || !budget_->take_guard()) return false;
    if (platform_->protect(p, bytes)) return true;
    budget_->give_guards(1);
    return false;
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
