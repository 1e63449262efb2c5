// What the compiler calls at each plain access of a source that was compiled with -fsanitize=thread
// and linked without it. This source is not instrumented itself.
#include <cstddef>
#include <cstdint>

#include "models/schedule/clocks.h"

using hakmem::schedule::Clocks;
using hakmem::schedule::Scheduler;

// NOLINTBEGIN(bugprone-reserved-identifier): the compiler's names
#define HAKMEM_WATCHED(bytes)                                                             \
  extern "C" void __tsan_read##bytes(const void* at) {                                    \
    Clocks::instance().access(at, bytes, false, __builtin_return_address(0));             \
  }                                                                                       \
  extern "C" void __tsan_write##bytes(const void* at) {                                   \
    Clocks::instance().access(at, bytes, true, __builtin_return_address(0));              \
  }                                                                                       \
  extern "C" void __tsan_unaligned_read##bytes(const void* at) {                          \
    Clocks::instance().access(at, bytes, false, __builtin_return_address(0));             \
  }                                                                                       \
  extern "C" void __tsan_unaligned_write##bytes(const void* at) {                         \
    Clocks::instance().access(at, bytes, true, __builtin_return_address(0));              \
  }                                                                                       \
  extern "C" void __tsan_volatile_read##bytes(const void* at) { __tsan_read##bytes(at); } \
  extern "C" void __tsan_volatile_write##bytes(const void* at) { __tsan_write##bytes(at); }

HAKMEM_WATCHED(1)
HAKMEM_WATCHED(2)
HAKMEM_WATCHED(4)
HAKMEM_WATCHED(8)
HAKMEM_WATCHED(16)

extern "C" {
void __tsan_read_range(const void* at, std::size_t bytes) {
  Clocks::instance().access(at, bytes, false, __builtin_return_address(0));
}
void __tsan_write_range(const void* at, std::size_t bytes) {
  Clocks::instance().access(at, bytes, true, __builtin_return_address(0));
}
void __tsan_vptr_update(void*, void*) {}
void __tsan_vptr_read(void*) {}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_atomic_signal_fence(int) {}
void __tsan_atomic_thread_fence(int) {}
}
// NOLINTEND(bugprone-reserved-identifier)
