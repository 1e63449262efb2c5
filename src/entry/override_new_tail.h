// The definitions behind override_new.h, compiled once for each way of linking.
#pragma once

#include <new>

#include "entry/heap.h"
#include "entry/override_new.h"

namespace hakmem::heap {

// False when there is no handler to call.
static bool call_new_handler();
[[noreturn]] static void throw_bad_alloc();

static void* try_new(const NewRequest& request) noexcept {
  return request.alignment <= kMinBlock ? allocate_slow(request.size)
                                        : allocate_aligned_slow(request.alignment, request.size);
}

void* new_or_throw(const NewRequest& request) {
  for (;;) {
    void* const p = try_new(request);
    if (p != nullptr) return p;
    if (!call_new_handler()) throw_bad_alloc();
  }
}

void* new_or_null(const NewRequest& request) noexcept {
  try {
    for (;;) {
      void* const p = try_new(request);
      if (p != nullptr || !call_new_handler()) return p;
    }
  } catch (...) {
    return nullptr;
  }
}

static void* call(Replaceable function, std::size_t n, std::align_val_t alignment) {
  switch (function) {
    case Replaceable::kNew:
      return ::operator new(n);
    case Replaceable::kNewArray:
      return ::operator new[](n);
    case Replaceable::kNewAligned:
      return ::operator new(n, alignment);
    case Replaceable::kNewArrayAligned:
      break;
  }
  return ::operator new[](n, alignment);
}

void* call_or_null(Replaceable function, std::size_t n, std::size_t alignment) noexcept {
  try {
    return call(function, n, std::align_val_t(alignment));
  } catch (...) {
    return nullptr;
  }
}

}  // namespace hakmem::heap
