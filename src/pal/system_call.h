// System calls without libc: its wrappers are cancellation points (a cancelled thread would end in
// the middle of malloc, with a lock held) and can be interposed by libraries that allocate. A raw
// call is neither, and leaves errno alone.
#pragma once

#include <sys/syscall.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace hakmem {

// The kernel's answer: a value, or an error number negated.
inline long system_call(long number, std::uintptr_t a = 0, std::uintptr_t b = 0,
                        std::uintptr_t c = 0, std::uintptr_t d = 0, std::uintptr_t e = 0,
                        std::uintptr_t f = 0) noexcept {
#if defined(__x86_64__)
  long result = number;
  register std::uintptr_t r10 asm("r10") = d;
  register std::uintptr_t r8 asm("r8") = e;
  register std::uintptr_t r9 asm("r9") = f;
  asm volatile("syscall"
               : "+a"(result)
               : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 asm("x8") = number;
  register std::uintptr_t x0 asm("x0") = a;
  register std::uintptr_t x1 asm("x1") = b;
  register std::uintptr_t x2 asm("x2") = c;
  register std::uintptr_t x3 asm("x3") = d;
  register std::uintptr_t x4 asm("x4") = e;
  register std::uintptr_t x5 asm("x5") = f;
  asm volatile("svc 0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
               : "memory");
  return static_cast<long>(x0);
#else
#error "system calls of this processor are not known"
#endif
}

// What a pointer, a descriptor or a flag is to the kernel.
template <class T>
std::uintptr_t word(T value) noexcept {
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<std::uintptr_t>(value);
  } else {
    return static_cast<std::uintptr_t>(value);
  }
}

constexpr bool failed(long result) noexcept { return result < 0 && result > -4096; }

namespace sys {

inline long open(const char* path, int flags, unsigned mode = 0) noexcept {
  constexpr int kCurrentDirectory = -100;
  return system_call(SYS_openat, word(kCurrentDirectory), word(path), word(flags), mode);
}
inline long read(long fd, void* to, std::size_t bytes) noexcept {
  return system_call(SYS_read, word(fd), word(to), bytes);
}
inline long write(long fd, const void* from, std::size_t bytes) noexcept {
  return system_call(SYS_write, word(fd), word(from), bytes);
}
inline void close(long fd) noexcept { system_call(SYS_close, word(fd)); }

// nullptr when refused.
inline void* mmap(void* at, std::size_t bytes, int protection, int flags, long fd = -1,
                  std::size_t offset = 0) noexcept {
  const long p =
      system_call(SYS_mmap, word(at), bytes, word(protection), word(flags), word(fd), offset);
  return failed(p) ? nullptr : reinterpret_cast<void*>(p);
}
inline long munmap(void* at, std::size_t bytes) noexcept {
  return system_call(SYS_munmap, word(at), bytes);
}
inline long mprotect(void* at, std::size_t bytes, int protection) noexcept {
  return system_call(SYS_mprotect, word(at), bytes, word(protection));
}
inline long madvise(void* at, std::size_t bytes, int advice) noexcept {
  return system_call(SYS_madvise, word(at), bytes, word(advice));
}

// Calls visit(text, length) for each piece of a file. 0, or the error number.
template <class Visit>
int read_file(const char* path, Visit&& visit) noexcept {
  constexpr int kReadOnlyCloseOnExec = 02000000;
  constexpr long kInterrupted = -4;
  const long fd = open(path, kReadOnlyCloseOnExec);
  if (fd < 0) return static_cast<int>(-fd);
  char piece[2048];
  for (long got = 1; got > 0 || got == kInterrupted;) {
    got = read(fd, piece, sizeof piece);
    if (got > 0) visit(piece, static_cast<std::size_t>(got));
  }
  close(fd);
  return 0;
}

}  // namespace sys
}  // namespace hakmem
