#include "pal/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "pal/errno_keeper.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef MADV_GUARD_REMOVE
#define MADV_GUARD_REMOVE 103
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

namespace hakmem {
namespace {

// Not MAP_NORESERVE: what cannot be accessed is not charged anyhow, the rest is what the program
// asked for; and filters for system calls know the plain flags.
constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;

void* map_pages(std::size_t bytes, int protection) noexcept {
  void* const p = mmap(nullptr, bytes, protection, kPrivate, -1, 0);
  return p == MAP_FAILED ? nullptr : p;
}

// Maps `bytes` at a multiple of `alignment`: the kernel's choice if it happens to be aligned (new
// mappings often are), else a larger mapping whose ends are given back.
void* map_aligned(std::size_t bytes, std::size_t alignment, int protection) noexcept {
  void* const first = map_pages(bytes, protection);
  const auto at = reinterpret_cast<std::uintptr_t>(first);
  if (first == nullptr || (at & (alignment - 1)) == 0) return first;
  munmap(first, bytes);
  if (bytes + alignment < bytes) return nullptr;
  void* const wide = map_pages(bytes + alignment, protection);
  if (wide == nullptr) return nullptr;
  const auto begin = reinterpret_cast<std::uintptr_t>(wide);
  const auto aligned = static_cast<std::uintptr_t>(round_up(begin, alignment));
  const std::size_t rest = begin + alignment - aligned;
  const bool cut = (aligned == begin || munmap(wide, aligned - begin) == 0) &&
                   (rest == 0 || munmap(reinterpret_cast<void*>(aligned + bytes), rest) == 0);
  if (cut) return reinterpret_cast<void*>(aligned);
  munmap(wide, bytes + alignment);  // no mapping left to cut it out with
  return nullptr;
}

// Valgrind's client request RUNNING_ON_VALGRIND: on a processor, a sequence without effect.
bool runs_on_valgrind() noexcept {
#if defined(__x86_64__)
  const volatile std::uint64_t request[6] = {0x1001, 0, 0, 0, 0, 0};
  std::uint64_t answer = 0;
  asm volatile(
      "rolq $3, %%rdi\n\trolq $13, %%rdi\n\trolq $61, %%rdi\n\trolq $51, %%rdi\n\t"
      "xchgq %%rbx, %%rbx"
      : "+d"(answer)
      : "a"(&request[0])
      : "cc", "memory");
  return answer != 0;
#else
  return false;
#endif
}

// Under RLIMIT_AS what is reserved is taken from the program. So an arena may have a quarter of it,
// and a table beside the memory, of which the arena's is the largest, an eighth of that.
constexpr std::size_t kArenaShare = 4;
constexpr std::size_t kTableShare = 32;

// The most that one reservation may take; the arena and the registries then try less. Valgrind's
// tools keep records of whatever is mapped: 4 GiB.
std::size_t reservation_max(std::size_t share) noexcept {
  rlimit limit{};
  const bool limited = getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  const std::size_t most = limited ? limit.rlim_cur / share : ~std::size_t{0};
  constexpr std::size_t kOnValgrind = std::size_t{4} << 30;
  return most > kOnValgrind && runs_on_valgrind() ? kOnValgrind : most;
}

// Calls visit(text, length) for each piece of a file; false when it cannot be opened.
template <class Visit>
bool read_file(const char* path, Visit&& visit) noexcept {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char piece[2048];
  ssize_t got = 0;
  while ((got = read(fd, piece, sizeof piece)) > 0) visit(piece, static_cast<std::size_t>(got));
  close(fd);
  return true;
}

// The environment as the kernel handed it over, for calls before libc's own start-up.
const char* environment_from_kernel(const char* name) noexcept {
  static char text[1 << 16];
  static std::size_t length = 0;
  if (length == 0) {
    const int fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return nullptr;
    ssize_t got = 0;
    while (length < sizeof text - 1 &&
           (got = read(fd, text + length, sizeof text - 1 - length)) > 0) {
      length += static_cast<std::size_t>(got);
    }
    close(fd);
  }
  const std::size_t name_length = strlen(name);
  for (const char* p = text; p < text + length; p += strlen(p) + 1) {
    if (strncmp(p, name, name_length) == 0 && p[name_length] == '=') return p + name_length + 1;
  }
  return nullptr;
}

}  // namespace

// Not random where a fuzzer runs for hours under Clang's ASan, whose shadow of a place stays.
void* LinuxPlatform::reserve(std::size_t bytes, std::size_t alignment) noexcept {
  const ErrnoKeeper keep;
  if (bytes > reservation_max(kArenaShare)) return nullptr;
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION)
  // A random place of our own in the lower half of the address space: knowing where libraries or
  // stacks lie then says nothing about the heap. Only a hint: the kernel may know better.
  const std::uintptr_t hint = static_cast<std::uintptr_t>(round_down(
                                  random() & ((std::uint64_t{1} << 45) - 1), alignment)) +
                              (std::uintptr_t{1} << 44);
  void* const p = mmap(reinterpret_cast<void*>(hint), bytes, PROT_NONE, kPrivate, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  if ((reinterpret_cast<std::uintptr_t>(p) & (alignment - 1)) == 0) {
    madvise(p, bytes, MADV_DONTDUMP);
    return p;
  }
  munmap(p, bytes);
#endif
  void* const q = map_aligned(bytes, alignment, PROT_NONE);
  if (q != nullptr) madvise(q, bytes, MADV_DONTDUMP);
  return q;
}

bool LinuxPlatform::commit(void* at, std::size_t bytes) noexcept {
  const ErrnoKeeper keep;
  return mprotect(at, bytes, PROT_READ | PROT_WRITE) == 0;
}

void LinuxPlatform::reveal(void* at, std::size_t bytes) noexcept {
  const ErrnoKeeper keep;
  madvise(at, bytes, MADV_DODUMP);
}

bool LinuxPlatform::purge(void* at, std::size_t bytes) noexcept {
  const ErrnoKeeper keep;
  return madvise(at, bytes, MADV_DONTNEED) == 0;
}

bool LinuxPlatform::guard(void* at, std::size_t bytes) noexcept {
  const ErrnoKeeper keep;
  return madvise(at, bytes, MADV_GUARD_INSTALL) == 0;
}

bool LinuxPlatform::unguard(void* at, std::size_t bytes) noexcept {
  const ErrnoKeeper keep;
  if (madvise(at, bytes, MADV_GUARD_REMOVE) == 0) return true;
  // A filter for system calls that came after start, say: the range is mapped anew.
  return mmap(at, bytes, PROT_READ | PROT_WRITE, kPrivate | MAP_FIXED, -1, 0) != MAP_FAILED;
}

void* LinuxPlatform::map(std::size_t bytes, std::size_t alignment) noexcept {
  const ErrnoKeeper keep;
  return map_aligned(bytes, alignment, PROT_READ | PROT_WRITE);
}

void* LinuxPlatform::sparse(std::size_t bytes) noexcept {
  void* const at = table(bytes);
  if (at == nullptr || open(at, bytes)) return at;
  unsparse(at, bytes);
  return nullptr;
}

void* LinuxPlatform::table(std::size_t bytes) noexcept {
  const ErrnoKeeper keep;
  const std::size_t page = page_bytes();
  const auto inner = static_cast<std::size_t>(round_up(bytes, page));
  if (inner > reservation_max(kTableShare)) return nullptr;
  char* const outer = static_cast<char*>(reserve(inner + 2 * page, page));
  return outer == nullptr ? nullptr : outer + page;
}

bool LinuxPlatform::unsparse(void* at, std::size_t bytes) noexcept {
  const std::size_t page = page_bytes();
  return unmap(static_cast<char*>(at) - page,
               static_cast<std::size_t>(round_up(bytes, page)) + 2 * page);
}

void* LinuxPlatform::remap(void* at, std::size_t bytes, std::size_t new_bytes) noexcept {
  const ErrnoKeeper keep;
  void* const p = mremap(at, bytes, new_bytes, MREMAP_MAYMOVE);
  return p == MAP_FAILED ? nullptr : p;
}

bool LinuxPlatform::protect(void* at, std::size_t bytes) noexcept {
  const ErrnoKeeper keep;
  return mprotect(at, bytes, PROT_NONE) == 0;
}

void LinuxPlatform::advise_huge(void* at, std::size_t bytes, HugeAdvice advice) noexcept {
  const ErrnoKeeper keep;
  madvise(at, bytes, advice == HugeAdvice::kUse ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

bool LinuxPlatform::prefault(void* at, std::size_t bytes) noexcept {
  const ErrnoKeeper keep;
  return madvise(at, bytes, MADV_POPULATE_WRITE) == 0;
}

void LinuxPlatform::seal(void* at, std::size_t bytes) noexcept {
  const ErrnoKeeper keep;
  if (mprotect(at, bytes, PROT_READ) == 0) syscall(SYS_mseal, at, bytes, 0);
}

bool LinuxPlatform::unmap(void* at, std::size_t bytes) noexcept {
  const ErrnoKeeper keep;
  return munmap(at, bytes) == 0;
}

std::size_t LinuxPlatform::mappings_max() noexcept {
  const ErrnoKeeper keep;
  constexpr std::size_t kKernelsDefault = 65530;
  std::size_t n = 0;
  read_file("/proc/sys/vm/max_map_count", [&n](const char* text, std::size_t length) {
    for (std::size_t i = 0; i < length && text[i] >= '0' && text[i] <= '9'; ++i) {
      n = n * 10 + static_cast<std::size_t>(text[i] - '0');
    }
  });
  return n != 0 ? n : kKernelsDefault;
}

std::size_t LinuxPlatform::mappings() noexcept {
  const ErrnoKeeper keep;
  std::size_t lines = 0;
  read_file("/proc/self/maps", [&lines](const char* text, std::size_t length) {
    for (std::size_t i = 0; i < length; ++i) lines += text[i] == '\n' ? 1 : 0;
  });
  return lines;
}

std::size_t LinuxPlatform::page_bytes() noexcept { return static_cast<std::size_t>(getpagesize()); }

std::uint64_t LinuxPlatform::random() noexcept {
  const ErrnoKeeper keep;
  std::uint64_t value = 0;
  if (getrandom(&value, sizeof value, GRND_NONBLOCK) == sizeof value) return value;
  // Early boot or a seccomp filter: the 16 bytes that the kernel gives every program at start,
  // stirred with the clock.
  const auto* const seed = reinterpret_cast<const void*>(getauxval(AT_RANDOM));
  if (seed != nullptr) memcpy(&value, seed, sizeof value);
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (value ^ static_cast<std::uint64_t>(now.tv_nsec)) * 0x9E3779B97F4A7C15u;
}

std::uint64_t LinuxPlatform::clock_ms() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000 +
         static_cast<std::uint64_t>(now.tv_nsec) / 1000000;
}

void LinuxPlatform::futex_wait(std::uint32_t* word, std::uint32_t expected) noexcept {
  const ErrnoKeeper keep;
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

void LinuxPlatform::futex_wake(std::uint32_t* word) noexcept {
  const ErrnoKeeper keep;
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

void LinuxPlatform::write_error(const char* text, std::size_t bytes) noexcept {
  const ErrnoKeeper keep;
  while (bytes > 0) {
    const ssize_t n = write(STDERR_FILENO, text, bytes);
    if (n <= 0 && errno != EINTR) return;
    if (n > 0) {
      text += n;
      bytes -= static_cast<std::size_t>(n);
    }
  }
}

void LinuxPlatform::abort() noexcept { ::abort(); }

const char* LinuxPlatform::environment(const char* name) noexcept {
  const ErrnoKeeper keep;
  if (getauxval(AT_SECURE) != 0) return nullptr;
  if (environ != nullptr) return ::getenv(name);
  return environment_from_kernel(name);
}

}  // namespace hakmem
