// A system that refuses memory from the k-th step of the program on, for every k: each allocation
// either gives memory that can be used or nullptr with ENOMEM, and free works and keeps errno. What
// the k-th system call does when refused is for model_faults_test.
#include <array>

#include <functional>

#include "filter.h"
#include "hakmem_process.h"

namespace {

using process::check;

constexpr std::array<std::size_t, 8> kSizes{1, 100, 1000, 9000, 70000, 260000, 400000, 5000000};

bool usable(void* p, std::size_t bytes) {
  if (p == nullptr) return false;
  std::memset(p, 1, bytes);
  return true;
}

// Returns how many calls gave memory. `step` is called before each size.
unsigned use_heap(const std::function<void()>& step) {
  unsigned given = 0;
  for (const std::size_t size : kSizes) {
    step();
    errno = 0;
    void* p = std::malloc(size);
    check(usable(p, size) || errno == ENOMEM, "malloc");
    errno = 0;
    void* const zeroed = std::calloc(1, size);
    check(zeroed != nullptr || errno == ENOMEM, "calloc");
    if (zeroed != nullptr) check(static_cast<char*>(zeroed)[size - 1] == 0, "calloc zeroes");
    given += (p != nullptr ? 1u : 0u) + (zeroed != nullptr ? 1u : 0u);
    errno = 0;
    void* const grown = std::realloc(p, size * 3);
    check(usable(grown, size * 3) || errno == ENOMEM, "realloc");
    errno = 4711;
    std::free(grown != nullptr ? grown : p);
    std::free(zeroed);
    check(errno == 4711, "free keeps errno");
  }
  malloc_trim(0);
  return given;
}

// A filter answers ENOMEM in the kernel's stead, from step `after` on.
void run_under(std::initializer_list<long> refused, unsigned after) {
  const pid_t child = fork();
  if (child == 0) {
    unsigned steps = 0;
    const auto step = [&] {
      if (steps++ != after) return;
      process::Filter filter(SECCOMP_RET_ALLOW);
      for (const long call : refused) filter.answer(call, SECCOMP_RET_ERRNO | ENOMEM);
      filter.install(process::Filter::Door::kSilent);
    };
    for (unsigned i = 0; i < 2; ++i) use_heap(step);
    _exit(steps > after ? 0 : 8);
  }
  process::expect_exit_0(child);
}

}  // namespace

int main() {
  process::start();
  for (unsigned after = 0; after < 2 * kSizes.size(); ++after) {
    run_under({SYS_mmap}, after);
    run_under({SYS_mprotect, SYS_madvise, SYS_mremap}, after);
    run_under({SYS_munmap}, after);
  }
}
