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
                                        : allocate_aligned(request.alignment, request.size);
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

}  // namespace hakmem::heap
