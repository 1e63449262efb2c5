// What an operator new does when there is no memory at the first try, and how it calls one that the
// program has in our place. The two ways in which hakmem is linked differ only here, and only in
// whether libstdc++ must be there:
//   override_new_static.cc  libhakmem.a: a program that has operator new links libstdc++ anyway
//   override_new_shared.cc  libhakmem.so: must load into C programs, so every name is weak
#pragma once

#include <cstddef>
#include <cstdint>

namespace hakmem::heap {

struct NewRequest {
  std::size_t size;
  std::size_t alignment;  // a power of two; 1 when the caller asked for none
};

// Both try again after each call of the new_handler. Without one: throws std::bad_alloc, or gives
// nullptr. An exception that the handler throws passes through the first, not through the second.
void* new_or_throw(const NewRequest& request);
void* new_or_null(const NewRequest& request) noexcept;

// The allocation functions that the standard's default nothrow forms call.
enum class Replaceable : std::uint8_t { kNew, kNewArray, kNewAligned, kNewArrayAligned };

// nullptr: it threw.
void* call_or_null(Replaceable function, std::size_t n, std::size_t alignment) noexcept;

}  // namespace hakmem::heap
