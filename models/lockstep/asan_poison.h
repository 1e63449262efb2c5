// Access to memory given and withdrawn through AddressSanitizer; without it, nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef __SANITIZE_ADDRESS__
#define HAKMEM_MODEL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAKMEM_MODEL_ASAN 1
#endif
#endif
#ifdef HAKMEM_MODEL_ASAN
#include <sanitizer/asan_interface.h>
#endif

// On a function: it may touch memory that is closed.
#ifdef __clang__
#define HAKMEM_MODEL_UNCHECKED __attribute__((no_sanitize("address")))
#else
#define HAKMEM_MODEL_UNCHECKED __attribute__((no_sanitize_address))
#endif

namespace hakmem::model {

inline void asan_close([[maybe_unused]] std::uintptr_t at, [[maybe_unused]] std::size_t bytes) {
#ifdef HAKMEM_MODEL_ASAN
  ASAN_POISON_MEMORY_REGION(reinterpret_cast<const void*>(at), bytes);
#endif
}

inline void asan_open([[maybe_unused]] std::uintptr_t at, [[maybe_unused]] std::size_t bytes) {
#ifdef HAKMEM_MODEL_ASAN
  ASAN_UNPOISON_MEMORY_REGION(reinterpret_cast<const void*>(at), bytes);
#endif
}

}  // namespace hakmem::model
