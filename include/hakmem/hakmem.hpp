// hakmem for C++: an allocator for containers and a polymorphic memory resource. Both give sizes
// back with each block, which the hardened flavour checks. See hakmem.h for the C API beneath.
#pragma once

#include <hakmem/hakmem.h>

#include <cstddef>
#include <limits>
#include <memory_resource>
#include <new>

namespace hakmem {

namespace detail {

inline constexpr std::size_t kDefaultAlignment = 16;  // what hak_malloc gives

inline void* allocate(std::size_t bytes, std::size_t alignment) {
  void* const p =
      alignment <= kDefaultAlignment ? hak_malloc(bytes) : hak_aligned_alloc(alignment, bytes);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}

inline void deallocate(void* p, std::size_t bytes, std::size_t alignment) noexcept {
  if (alignment <= kDefaultAlignment) {
    hak_free_sized(p, bytes);
  } else {
    hak_free_aligned_sized(p, alignment, bytes);
  }
}

}  // namespace detail

// std::vector<int, hakmem::allocator<int>>. Stateless: all are equal.
template <class T>
class allocator {
 public:
  using value_type = T;

  constexpr allocator() noexcept = default;
  template <class U>
  constexpr allocator(const allocator<U>&) noexcept {}

  [[nodiscard]] T* allocate(std::size_t n) {
    if (n > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_array_new_length();
    return static_cast<T*>(detail::allocate(n * sizeof(T), alignof(T)));
  }
  void deallocate(T* p, std::size_t n) noexcept {
    detail::deallocate(p, n * sizeof(T), alignof(T));
  }

  template <class U>
  friend constexpr bool operator==(const allocator&, const allocator<U>&) noexcept {
    return true;
  }
};

// std::pmr::vector<int> v(hakmem::resource());
class memory_resource final : public std::pmr::memory_resource {
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    return detail::allocate(bytes, alignment);
  }
  void do_deallocate(void* p, std::size_t bytes, std::size_t alignment) override {
    detail::deallocate(p, bytes, alignment);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return dynamic_cast<const memory_resource*>(&other) != nullptr;
  }
};

// hak_stats_get: bytes allocated, active, resident, mapped, retained, and of metadata.
inline hak_stats stats() noexcept {
  hak_stats now{};
  now.size = sizeof now;
  hak_stats_get(&now);
  return now;
}

// One for the life of the process, also during static destruction.
inline std::pmr::memory_resource* resource() noexcept {
  alignas(memory_resource) static std::byte storage[sizeof(memory_resource)];
  static auto* const one = ::new (storage) memory_resource();
  return one;
}

}  // namespace hakmem
