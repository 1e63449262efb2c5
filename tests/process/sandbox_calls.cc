// Under filters that end the process for any call that docs/SYSTEM_CALLS.md does not list: blocks
// of all sizes are had, resized and given back. Usage: sandbox MODE
//   kill, refuse  installed in the middle, all but plain mappings is fatal, or refused with EPERM
//   declared      the same, behind prctl's back, but announced by HAKMEM_SANDBOX=1
//   exec          installed before the program starts: what a program needs to start, plain
//   mappings
#include <pthread.h>
#include <sys/mman.h>

#include <vector>

#include "filter.h"
#include "hakmem_process.h"

namespace {

using process::check;
using process::Filter;

constexpr std::uint32_t kPlain = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
constexpr std::size_t kSizes[] = {40, 700, 9000, 70000, 200000, 300000, 1000000, 5000000, 1 << 20};

void touch(void* p, std::size_t n) {
  auto* const bytes = static_cast<volatile char*>(p);
  for (std::size_t i = 0; i < n; i += 4096) bytes[i] = 1;
  bytes[n - 1] = 1;
}

void round_trip() {
  std::vector<void*> blocks;
  for (const std::size_t size : kSizes) {
    for (int i = 0; i < (size < 10000 ? 200 : 4); ++i) {
      void* p = i % 3 == 0 ? std::calloc(1, size) : std::malloc(size);
      check(p != nullptr, "malloc");
      touch(p, size);
      if (i % 4 == 1) p = std::realloc(p, size * 2);
      if (i % 4 == 2) p = std::realloc(p, size / 2);
      check(p != nullptr, "realloc");
      blocks.push_back(p);
    }
    void* const aligned = std::aligned_alloc(1 << 16, 1 << 17);
    check(aligned != nullptr, "aligned_alloc");
    blocks.push_back(aligned);
  }
  for (void* p : blocks) std::free(p);
  malloc_trim(0);
}

// Past the first gibibyte of superslabs, too, what is said to the system changes. Never touched.
void grow_far() {
  std::vector<void*> blocks;
  for (int i = 0; i < 4500; ++i) {
    blocks.push_back(std::malloc(260000));
    check(blocks.back() != nullptr, "malloc");
  }
  for (void* p : blocks) std::free(p);
}

void use_heap() {
  for (int i = 0; i < 3; ++i) round_trip();
  grow_far();
  round_trip();
}

void plain_mappings(Filter& filter) {
  filter.allow_masked(SYS_mmap, 3, kPlain)
      .allow_if(SYS_madvise, 2, {MADV_DONTNEED})
      .allow({SYS_munmap, SYS_mprotect, SYS_futex});
}

void sandboxed(std::uint32_t otherwise, Filter::Door door) {
  std::free(std::malloc(100));
  std::free(std::malloc(3000000));
  Filter filter(otherwise);
  plain_mappings(filter);
  filter.allow({SYS_exit_group, SYS_write}).install(door);
  use_heap();
  _exit(0);
}

void before_exec(const char* self) {
  Filter filter(SECCOMP_RET_KILL_PROCESS);
  filter.allow_masked(SYS_mmap, 3, kPlain | MAP_DENYWRITE | MAP_STACK)
      .allow_if(SYS_madvise, 2, {MADV_DONTNEED})
      .install(Filter::Door::kPrctl, SECCOMP_RET_ALLOW);
  execl(self, self, "here", nullptr);
  check(false, "exec");
}

}  // namespace

int main(int count, char** arguments) {
  process::start();
  const std::string mode = count > 1 ? arguments[1] : "";
  if (mode == "kill") sandboxed(SECCOMP_RET_KILL_PROCESS, Filter::Door::kPrctl);
  if (mode == "refuse") sandboxed(SECCOMP_RET_ERRNO | EPERM, Filter::Door::kPrctl);
  if (mode == "declared") sandboxed(SECCOMP_RET_KILL_PROCESS, Filter::Door::kSilent);
  if (mode == "exec") before_exec("/proc/self/exe");
  check(mode == "here", "no such mode");
  use_heap();
}
