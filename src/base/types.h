// Strong types for the numbers that must never be mixed up: indices of bins, size classes, units,
// superslabs and slots are different types with explicit constructors, and a pointer that comes
// from the program is a ClientPtr, untrusted until a heap has validated it.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace hakmem {

template <class Tag, class T>
class Index {
 public:
  using Value = T;
  constexpr Index() noexcept = default;
  constexpr explicit Index(T value) noexcept : value_(value) {}
  constexpr T value() const noexcept { return value_; }
  constexpr auto operator<=>(const Index&) const noexcept = default;

 private:
  T value_{};
};

using BinIndex = Index<struct BinTag, std::uint8_t>;        // one block size
using SizeClass = Index<struct SizeClassTag, std::uint8_t>; // C0..C15: policy, statistics, route
using SlabIndex = Index<struct SlabTag, std::uint32_t>;     // superslab, counted from the arena

// All indices below an end, for a range-based for.
template <class I>
class IndexRange {
 public:
  class Iterator {
   public:
    constexpr explicit Iterator(std::size_t at) noexcept : at_(at) {}
    constexpr I operator*() const noexcept { return I(static_cast<typename I::Value>(at_)); }
    constexpr Iterator& operator++() noexcept {
      ++at_;
      return *this;
    }
    constexpr bool operator==(const Iterator&) const noexcept = default;

   private:
    std::size_t at_;
  };

  constexpr explicit IndexRange(std::size_t end) noexcept : end_(end) {}
  constexpr Iterator begin() const noexcept { return Iterator(0); }
  constexpr Iterator end() const noexcept { return Iterator(end_); }

 private:
  std::size_t end_;
};

// A pointer as the program passed it in. It may be anything: it is only ever compared and
// subtracted, never read through.
class ClientPtr {
 public:
  constexpr explicit ClientPtr(std::uintptr_t address) noexcept : address_(address) {}
  explicit ClientPtr(const void* p) noexcept : address_(reinterpret_cast<std::uintptr_t>(p)) {}
  constexpr std::uintptr_t address() const noexcept { return address_; }

 private:
  std::uintptr_t address_;
};

}  // namespace hakmem
