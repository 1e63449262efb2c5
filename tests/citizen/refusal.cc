// A system that refuses memory from the k-th call on, for every k of the program's life: each
// allocation either gives memory that can be used or nullptr with ENOMEM, and free works and keeps
// errno. Usage: refusal SHIM runs itself under it, for every k.
#include <array>

#include "citizen.h"

namespace {

using citizen::check;

constexpr std::array<std::size_t, 8> kSizes{1, 100, 1000, 9000, 70000, 260000, 400000, 5000000};

bool usable(void* p, std::size_t bytes) {
  if (p == nullptr) return false;
  std::memset(p, 1, bytes);
  return true;
}

// Returns how many calls gave memory.
unsigned use_heap() {
  unsigned given = 0;
  for (const std::size_t size : kSizes) {
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

void run_under(const char* shim, const char* refuse, unsigned after) {
  const pid_t child = fork();
  if (child == 0) {
    const std::string preload = std::string(std::getenv("LD_PRELOAD")) + ":" + shim;
    setenv("LD_PRELOAD", preload.c_str(), 1);
    setenv("REFUSE", refuse, 1);
    setenv("REFUSE_AFTER", std::to_string(after).c_str(), 1);
    execl("/proc/self/exe", "refusal", nullptr);
    _exit(9);
  }
  int status = 0;
  check(waitpid(child, &status, 0) == child, "waitpid");
  if (status == 0) return;
  std::fprintf(stderr, "%s refused from call %u on: status %x\n", refuse, after,
               static_cast<unsigned>(status));
  check(false, "the program did not survive it");
}

}  // namespace

int main(int count, char** arguments) {
  citizen::start();
  if (count < 2) {
    for (unsigned i = 0; i < 3; ++i) use_heap();
    return 0;
  }
  for (unsigned k = 0; k < 60; ++k) run_under(arguments[1], "map", k);
  for (unsigned k = 0; k < 60; ++k) run_under(arguments[1], "change", k);
  return 0;
}
