#include "pal/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <string_view>

#include "base/atomic.h"
#include "base/attributes.h"
#include "base/bits.h"
#include "base/parse.h"
#include "pal/sandbox.h"
#include "pal/stderr.h"
#include "pal/system_call.h"
#include "pal/vdso.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef MADV_GUARD_REMOVE
#define MADV_GUARD_REMOVE 103
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

namespace hakmem {
namespace {

// Not MAP_NORESERVE: what cannot be accessed is not charged anyhow, the rest is what the program
// asked for; and filters for system calls know the plain flags.
constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;
constexpr int kReadWrite = PROT_READ | PROT_WRITE;

void* map_pages(std::size_t bytes, int protection) noexcept {
  return sys::mmap(nullptr, bytes, protection, kPrivate);
}

// Maps `bytes` at a multiple of `alignment`: the kernel's choice if it happens to be aligned (new
// mappings often are), else a larger mapping whose ends are given back.
void* map_aligned(std::size_t bytes, std::size_t alignment, int protection) noexcept {
  void* const first = map_pages(bytes, protection);
  const auto at = reinterpret_cast<std::uintptr_t>(first);
  if (first == nullptr || (at & (alignment - 1)) == 0) return first;
  sys::munmap(first, bytes);
  if (bytes + alignment < bytes) return nullptr;
  void* const wide = map_pages(bytes + alignment, protection);
  if (wide == nullptr) return nullptr;
  const auto begin = reinterpret_cast<std::uintptr_t>(wide);
  const auto aligned = static_cast<std::uintptr_t>(round_up(begin, alignment));
  const std::size_t rest = begin + alignment - aligned;
  const bool cut = (aligned == begin || sys::munmap(wide, aligned - begin) == 0) &&
                   (rest == 0 || sys::munmap(reinterpret_cast<void*>(aligned + bytes), rest) == 0);
  if (cut) return reinterpret_cast<void*>(aligned);
  sys::munmap(wide, bytes + alignment);  // no mapping left to cut it out with
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
  if (sandbox() == Sandbox::kLater) return ~std::size_t{0};  // the question may be fatal
  rlimit limit{};
  const bool known = system_call(SYS_prlimit64, 0, RLIMIT_AS, 0, word(&limit)) == 0;
  const bool limited = known && limit.rlim_cur != RLIM_INFINITY;
  const std::size_t most = limited ? limit.rlim_cur / share : ~std::size_t{0};
  constexpr std::size_t kOnValgrind = std::size_t{4} << 30;
  return most > kOnValgrind && runs_on_valgrind() ? kOnValgrind : most;
}

// The value in "NAME=value"; nullptr when it is of another name.
const char* value_in(const char* variable, const char* name) noexcept {
  const std::size_t length = strlen(name);
  return strncmp(variable, name, length) == 0 && variable[length] == '=' ? variable + length + 1
                                                                         : nullptr;
}

// The environment as the kernel handed it over, for calls before libc's own start-up.
const char* environment_from_kernel(const char* name) noexcept {
  static char text[1 << 16];
  static std::size_t length = 0;
  if (length == 0) {
    sys::read_file("/proc/self/environ", [](const char* piece, std::size_t n) {
      const std::size_t room = sizeof text - 1 - length;
      memcpy(text + length, piece, n < room ? n : room);
      length += n < room ? n : room;
    });
  }
  for (const char* p = text; p < text + length; p += strlen(p) + 1) {
    if (const char* const value = value_in(p, name); value != nullptr) return value;
  }
  return nullptr;
}

// Of this process, from the kernel's generator: what random() falls back to under a filter.
HAKMEM_START_DATA constinit StdAtomic<std::uint64_t> g_secret{0};

std::uint64_t stirred(std::uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;  // splitmix64's
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

using ClockGettime = int (*)(clockid_t, timespec*);
constexpr std::uintptr_t kNotLookedFor = 1;
HAKMEM_START_DATA constinit StdAtomic<std::uintptr_t> g_clock_gettime{kNotLookedFor};

timespec time_of(clockid_t clock) noexcept {
  std::uintptr_t at = g_clock_gettime.load_relaxed();  // relaxed: everybody finds the same
  if (at == kNotLookedFor) {
#if defined(__aarch64__)
    at = word(find_in_vdso("__kernel_clock_gettime"));
#else
    at = word(find_in_vdso("__vdso_clock_gettime"));
#endif
    g_clock_gettime.store_relaxed(at);
  }
  timespec now{};
  const auto of_kernel = reinterpret_cast<ClockGettime>(at);
  if (of_kernel == nullptr || of_kernel(clock, &now) != 0) {
    system_call(SYS_clock_gettime, word(clock), word(&now));
  }
  return now;
}

// The kernel would write none of what was never touched, but debuggers do.
void leave_out_of_dumps(void* at, std::size_t bytes) noexcept {
  if (sandbox() == Sandbox::kOpen) sys::madvise(at, bytes, MADV_DONTDUMP);
}

// The kernel's form of struct sigaction: as much of it as "default" needs.
struct KernelAction {
  std::uintptr_t handler = 0;  // SIG_DFL
  unsigned long flags = 0;
  std::uintptr_t restorer = 0;
  std::uint64_t mask = 0;
};

}  // namespace

void LinuxPlatform::start() noexcept {
  remember_stderr();
  look_for_sandbox();
}

// Not random where a fuzzer runs for hours under Clang's ASan, whose shadow of a place stays.
void* LinuxPlatform::reserve(std::size_t bytes, std::size_t alignment) noexcept {
  if (bytes > reservation_max(kArenaShare)) return nullptr;
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION)
  // A random place of our own in the lower half of the address space: knowing where libraries or
  // stacks lie then says nothing about the heap. Only a hint: the kernel may know better.
  const std::uintptr_t hint = static_cast<std::uintptr_t>(round_down(
                                  random() & ((std::uint64_t{1} << 45) - 1), alignment)) +
                              (std::uintptr_t{1} << 44);
  void* const p = sys::mmap(reinterpret_cast<void*>(hint), bytes, PROT_NONE, kPrivate);
  if (p == nullptr) return nullptr;
  if ((reinterpret_cast<std::uintptr_t>(p) & (alignment - 1)) == 0) {
    leave_out_of_dumps(p, bytes);
    return p;
  }
  sys::munmap(p, bytes);
#endif
  void* const q = map_aligned(bytes, alignment, PROT_NONE);
  if (q != nullptr) leave_out_of_dumps(q, bytes);
  return q;
}

bool LinuxPlatform::commit(void* at, std::size_t bytes) noexcept {
  return sys::mprotect(at, bytes, kReadWrite) == 0;
}

void LinuxPlatform::reveal(void* at, std::size_t bytes) noexcept {
  if (sandbox() == Sandbox::kOpen) sys::madvise(at, bytes, MADV_DODUMP);
}

bool LinuxPlatform::purge(void* at, std::size_t bytes) noexcept {
  const long result = sys::madvise(at, bytes, MADV_DONTNEED);
  if (result != -EINVAL || sandbox() != Sandbox::kOpen) return result == 0;
  return sys::madvise(at, bytes, MADV_DONTNEED_LOCKED) == 0;  // mlock, mlockall; from Linux 5.18
}

bool LinuxPlatform::guard(void* at, std::size_t bytes) noexcept {
  return sandbox() == Sandbox::kOpen && sys::madvise(at, bytes, MADV_GUARD_INSTALL) == 0;
}

bool LinuxPlatform::unguard(void* at, std::size_t bytes) noexcept {
  if (sandbox() == Sandbox::kOpen && sys::madvise(at, bytes, MADV_GUARD_REMOVE) == 0) return true;
  // Under a filter the range is mapped anew.
  return sys::mmap(at, bytes, kReadWrite, kPrivate | MAP_FIXED) != nullptr;
}

void* LinuxPlatform::map(std::size_t bytes, std::size_t alignment) noexcept {
  return map_aligned(bytes, alignment, kReadWrite);
}

void* LinuxPlatform::sparse(std::size_t bytes) noexcept {
  void* const at = table(bytes);
  if (at == nullptr || open(at, bytes)) return at;
  unsparse(at, bytes);
  return nullptr;
}

void* LinuxPlatform::table(std::size_t bytes) noexcept {
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
  if (sandbox() == Sandbox::kLater) {  // the caller copies
    const bool cut =
        new_bytes < bytes && unmap(static_cast<char*>(at) + new_bytes, bytes - new_bytes);
    return cut ? at : nullptr;
  }
  const long p = system_call(SYS_mremap, word(at), bytes, new_bytes, MREMAP_MAYMOVE);
  return failed(p) ? nullptr : reinterpret_cast<void*>(p);
}

bool LinuxPlatform::protect(void* at, std::size_t bytes) noexcept {
  return sys::mprotect(at, bytes, PROT_NONE) == 0;
}

void LinuxPlatform::advise_huge(void* at, std::size_t bytes, HugeAdvice advice) noexcept {
  if (sandbox() == Sandbox::kLater) return;
  sys::madvise(at, bytes, advice == HugeAdvice::kUse ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

bool LinuxPlatform::prefault(void* at, std::size_t bytes) noexcept {
  return sandbox() != Sandbox::kLater && sys::madvise(at, bytes, MADV_POPULATE_WRITE) == 0;
}

bool LinuxPlatform::unmap(void* at, std::size_t bytes) noexcept {
  return sys::munmap(at, bytes) == 0;
}

std::size_t LinuxPlatform::mappings_max() noexcept {
  constexpr std::size_t kKernelsDefault = 65530;
  if (sandbox() == Sandbox::kLater) return kKernelsDefault;
  std::uint64_t n = 0;
  sys::read_file("/proc/sys/vm/max_map_count", [&n](const char* text, std::size_t length) {
    std::string_view rest(text, length);
    take_number(rest, ~std::size_t{0}, n);
  });
  return n != 0 ? static_cast<std::size_t>(n) : kKernelsDefault;
}

std::size_t LinuxPlatform::mappings() noexcept {
  if (sandbox() == Sandbox::kLater) return 0;
  std::size_t lines = 0;
  sys::read_file("/proc/self/maps", [&lines](const char* text, std::size_t length) {
    for (std::size_t i = 0; i < length; ++i) lines += text[i] == '\n' ? 1 : 0;
  });
  return lines;
}

std::size_t LinuxPlatform::page_bytes() noexcept {
#if defined(__x86_64__)
  return 4096;
#else
  return getauxval(AT_PAGESZ);
#endif
}

std::uint64_t LinuxPlatform::random() noexcept {
  std::uint64_t value = 0;
  const bool asks = sandbox() != Sandbox::kLater;
  if (asks &&
      system_call(SYS_getrandom, word(&value), sizeof value, GRND_NONBLOCK) == sizeof value) {
    g_secret.fetch_add_relaxed(stirred(~value));  // relaxed: any value is as good
    return value;
  }
  // Early boot or a filter: what the generator gave before, and the 16 bytes that the kernel gives
  // every program at start, stirred with the clock, and with the process: a fork's child goes on
  // differently.
  const auto* const seed = reinterpret_cast<const void*>(getauxval(AT_RANDOM));
  if (seed != nullptr) memcpy(&value, seed, sizeof value);
  const timespec now = time_of(CLOCK_MONOTONIC);
  value ^= stirred(g_secret.fetch_add_relaxed(0x9E3779B97F4A7C15u));
  return stirred(value ^ static_cast<std::uint64_t>(now.tv_nsec) ^
                 static_cast<std::uint64_t>(now.tv_sec) << 30);
}

std::uint64_t LinuxPlatform::clock_ms() noexcept {
  const timespec now = time_of(CLOCK_MONOTONIC_COARSE);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000 +
         static_cast<std::uint64_t>(now.tv_nsec) / 1000000;
}

void LinuxPlatform::futex_wait(std::uint32_t* at, std::uint32_t expected) noexcept {
  system_call(SYS_futex, word(at), FUTEX_WAIT_PRIVATE, expected);
}

void LinuxPlatform::futex_wake(std::uint32_t* at) noexcept {
  system_call(SYS_futex, word(at), FUTEX_WAKE_PRIVATE, 1);
}

std::uint32_t LinuxPlatform::process() noexcept {
  return static_cast<std::uint32_t>(system_call(SYS_getpid));
}

std::uint32_t LinuxPlatform::thread() noexcept {
  return static_cast<std::uint32_t>(system_call(SYS_gettid));
}

void LinuxPlatform::write_error(const char* text, std::size_t bytes) noexcept {
  write_stderr(Line::kWarning, text, bytes);
}

void LinuxPlatform::write_fatal(const char* text, std::size_t bytes) noexcept {
  write_stderr(Line::kWanted, text, bytes);
  append_to_report_file(text, bytes);
}

// As libc's, but without its lock: the program's handler runs, and may leave by longjmp; when it
// returns, or there is none, the process ends by SIGABRT.
void LinuxPlatform::abort() noexcept {
  constexpr std::uint64_t kAbort = std::uint64_t{1} << (SIGABRT - 1);
  const KernelAction by_default{};
  for (;;) {
    system_call(SYS_rt_sigprocmask, SIG_UNBLOCK, word(&kAbort), 0, sizeof kAbort);
    system_call(SYS_tgkill, process(), thread(), SIGABRT);
    system_call(SYS_rt_sigaction, SIGABRT, word(&by_default), 0, sizeof by_default.mask);
    system_call(SYS_tgkill, process(), thread(), SIGABRT);
    system_call(SYS_exit_group, 127);  // none of these is let through
  }
}

const char* LinuxPlatform::environment(const char* name) noexcept {
  if (getauxval(AT_SECURE) != 0) return nullptr;
  if (environ == nullptr) return environment_from_kernel(name);
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (const char* const value = value_in(*variable, name); value != nullptr) return value;
  }
  return nullptr;
}

}  // namespace hakmem
