// The number of the mutant that is on, and the file that takes the marks of reached points: both
// from the environment, when the first point is passed. In the preloaded library that is malloc
// called by the dynamic loader, before any constructor and before libc knows the environment: so it
// is read by system calls alone, which nobody interposes, and without changing errno. The marks are
// shared memory, so that those of children count and a crash does not lose any.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern "C" {
unsigned hakmem_mutant = HAKMEM_MUTANT_NOT_READ;
alignas(4096) unsigned char hakmem_reached[1 << 16];
}

namespace {

constexpr unsigned long kLongest = 1 << 18;

long call(long number, long a, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
#if defined(__x86_64__)
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "+a"(number)
               : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return number;
#else
  return syscall(number, a, b, c, d, e, f);
#endif
}

void keep_marks_in(const char* file) {
  const long fd = call(SYS_openat, AT_FDCWD, reinterpret_cast<long>(file), O_RDWR | O_CLOEXEC);
  if (fd < 0) return;  // a filter or a limit of the program: it leaves no marks
  call(SYS_mmap, reinterpret_cast<long>(hakmem_reached), sizeof hakmem_reached,
       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd);
  call(SYS_close, fd);
}

struct Found {
  unsigned number = 0;
  const char* marks = nullptr;
};

// Looks at one "NAME=value".
void look_at(const char* variable, Found& found) {
  const auto value = [variable](const char* name) {
    const char* at = variable;
    while (*name != 0 && *at == *name) ++at, ++name;
    return *name == 0 && *at == '=' ? at + 1 : nullptr;
  };
  if (const char* digits = value("MUTANT"); digits != nullptr) {
    for (found.number = 0; *digits >= '0' && *digits <= '9'; ++digits)
      found.number = found.number * 10 + unsigned(*digits - '0');
  }
  if (const char* const file = value("MUTANT_REACHED"); file != nullptr) found.marks = file;
}

// As the kernel has it. False: it cannot be read.
bool look_at_start(char* text, Found& found) {
  const long fd = call(SYS_openat, AT_FDCWD, reinterpret_cast<long>("/proc/self/environ"),
                       O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  unsigned long length = 0;
  for (long got = 1; got > 0 && length < kLongest - 1;) {
    got = call(SYS_read, fd, reinterpret_cast<long>(text + length),
               static_cast<long>(kLongest - 1 - length));
    if (got > 0) length += static_cast<unsigned long>(got);
  }
  call(SYS_close, fd);
  for (const char* at = text; at < text + length; ++at) {
    look_at(at, found);
    while (*at != 0) ++at;
  }
  return true;
}

}  // namespace

// Idempotent: threads may race here.
extern "C" bool hakmem_read_mutant() {
  Found found;
  char* text = nullptr;
  if (environ != nullptr) {
    for (char** variable = environ; *variable != nullptr; ++variable) look_at(*variable, found);
  } else {
    const long at =
        call(SYS_mmap, 0, kLongest, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    if (at < 0 && at > -4096) return true;  // asked again at the next point
    text = reinterpret_cast<char*>(at);
    if (!look_at_start(text, found)) {
      call(SYS_munmap, at, kLongest);
      return true;
    }
  }
  if (found.marks != nullptr) keep_marks_in(found.marks);
  hakmem_mutant = found.number;
  if (text != nullptr) call(SYS_munmap, reinterpret_cast<long>(text), kLongest);
  return true;
}

// Where no point was passed before: what a test counts of its own process stays as it was at the
// first.
[[gnu::constructor(101)]] static void read_at_start() {
  if (hakmem_mutant == HAKMEM_MUTANT_NOT_READ) hakmem_read_mutant();
}
