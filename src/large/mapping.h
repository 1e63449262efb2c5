// One large block: a mapping of its own, with an inaccessible page before and behind it in flavours
// that have guard pages. Making, resizing and unmaking one; no registry, no lock.
//
//   |front guard| block: key .. key + length |back guard|
//
// Its bytes without the guards are charged to the memory limit.
//
// Where the system has no cheap guards, each costs it two more mappings, of which a process has
// only about 65 000; beyond kProtectedGuardsMax guards new blocks therefore go without.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bits.h"
#include "base/memory_limit.h"
#include "config/memory_options.h"
#include "config/mitigations.h"

namespace hakmem::large {

struct Mapping {
  std::uintptr_t key = 0;  // first byte of the block
  std::size_t length = 0;  // bytes of the block, whole system pages, all usable
  std::size_t front = 0;   // bytes of the guards, which belong to the mapping also if
  std::size_t back = 0;    // the system refused to make them inaccessible
  std::size_t costly = 0;  // guards that cost a mapping

  void* block() const noexcept { return reinterpret_cast<void*>(key); }
  constexpr std::size_t bytes() const noexcept { return front + length + back; }
};

template <class C>
class Mapper {
 public:
  using P = typename C::Platform;

  using Limit = typename C::Limit;

  void init(P& platform, Limit& limit) noexcept {
    platform_ = &platform;
    limit_ = &limit;
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
    m.front = m.back = guard_bytes();
    m.length = length;
    m.key = static_cast<std::uintptr_t>(round_up(begin + m.front, slack != 0 ? slack : page));
    unmap_range(begin, m.key - m.front);
    unmap_range(m.key + length + m.back, begin + length + extra + slack);
    advise(m);
    guard(m, m.key - m.front, m.front);
    guard(m, m.key + length, m.back);
    return m;
  }

  void unmake(const Mapping& m) noexcept {
    protected_.fetch_add_relaxed(std::size_t{0} - m.costly);  // a budget only
    unmap_range(m.key - m.front, m.key + m.length + m.back);
    limit_->refund(Holder::kMappings, m.length);
  }

  // Gives the tail back and puts the guard behind what stays. Requires: length < m.length.
  Mapping shrink(Mapping m, std::size_t length) noexcept {
    unmap_range(m.key + length + m.back, m.key + m.length + m.back);
    limit_->refund(Holder::kMappings, m.length - length);
    m.length = length;
    guard(m, m.key + length, m.back);
    return m;
  }

  // Same contents, zeroes behind; key 0 and `m` intact when refused. The system moves the pages
  // without copying. A cheap guard moves along; where guards are mappings of their own the block
  // moves alone, and has a guard only behind it afterwards.
  Mapping grow(const Mapping& m, std::size_t length) noexcept {
    const std::size_t front = m.costly == 0 ? m.front : 0;
    const std::size_t back = guard_bytes();
    void* const from = reinterpret_cast<void*>(m.key - front);
    if (!limit_->charge(Holder::kMappings, length - m.length)) return {};
    void* const to = platform_->remap(from, front + m.length, front + length + back);
    if (to == nullptr) {
      limit_->refund(Holder::kMappings, length - m.length);
      return {};
    }
    Mapping grown{reinterpret_cast<std::uintptr_t>(to) + front, length, front, back, 0};
    if (grown.key == m.key) {
      grown.front = m.front;  // nothing was behind it
      grown.costly = m.costly;
    } else {
      unmap_range(m.key - m.front, m.key - front);
      unmap_range(m.key + m.length, m.key + m.length + m.back);
      protected_.fetch_add_relaxed(std::size_t{0} - m.costly);  // a budget only
    }
    advise(grown);
    guard(grown, grown.key + length, back);
    return grown;
  }

 private:
  static constexpr std::size_t kProtectedGuardsMax = 16384;

  std::size_t guard_bytes() noexcept {
    return C::kMitigations.guard_pages ? platform_->page_bytes() : 0;
  }
  // With the guards, so that it stays one mapping, which `grow` can move as a whole.
  void advise(const Mapping& m) noexcept {
    if (options_.huge == HugePages::kSystem) return;
    if (options_.asks_for_huge() && m.length < kHugePageBytes) return;
    platform_->advise_huge(reinterpret_cast<void*>(m.key - m.front), m.bytes(), advice_of(options_));
  }
  // Best effort: without a guard the block is as good as in a flavour that has none.
  void guard(Mapping& m, std::uintptr_t at, std::size_t bytes) noexcept {
    void* const p = reinterpret_cast<void*>(at);
    if (bytes == 0 || platform_->guard(p, bytes)) return;
    if (protected_.load_relaxed() >= kProtectedGuardsMax) return;  // relaxed: a budget only
    if (!platform_->protect(p, bytes)) return;
    ++m.costly;
    protected_.fetch_add_relaxed(1);
  }
  void unmap_range(std::uintptr_t begin, std::uintptr_t end) noexcept {
    if (begin != end) platform_->unmap(reinterpret_cast<void*>(begin), end - begin);
  }

  P* platform_ = nullptr;
  Limit* limit_ = nullptr;
  MemoryOptions options_{};
  typename C::World::template atomic<std::size_t> protected_{0};
};

}  // namespace hakmem::large
