// Address space runs out: malloc and its family give nullptr with ENOMEM, operator new calls its
// new_handler and throws, and afterwards everything works as before.
// Usage: limits MIB [hard], the RLIMIT_AS, or HAKMEM_LIMIT_HARD, that the program gives itself from
// its very start.
#include <sys/resource.h>

#include <new>
#include <vector>

#include "hakmem_process.h"

namespace {

using process::check;

// A chain through the blocks themselves, so that the test needs no memory for its bookkeeping.
struct Link {
  Link* next;
};
Link* chain = nullptr;

std::size_t allocate_until_refused(std::size_t bytes) {
  std::size_t count = 0;
  for (;; ++count) {
    errno = 0;
    auto* const link = static_cast<Link*>(std::malloc(bytes));
    if (link == nullptr) break;
    link->next = chain;
    chain = link;
  }
  check(errno == ENOMEM, "malloc says ENOMEM");
  return count;
}

void free_chain() {
  while (chain != nullptr) {
    Link* const next = chain->next;
    errno = 12345;
    std::free(chain);
    check(errno == 12345, "free keeps errno");
    chain = next;
  }
}

// Requires: nothing of this size can be had.
void check_refusals(std::size_t bytes) {
  errno = 0;
  check(std::calloc(1, bytes) == nullptr && errno == ENOMEM, "calloc");
  errno = 0;
  check(std::aligned_alloc(64, bytes) == nullptr && errno == ENOMEM, "aligned_alloc");
  void* out = &out;
  check(posix_memalign(&out, 64, bytes) == ENOMEM && out == &out, "posix_memalign");
  auto* const small = static_cast<char*>(std::malloc(100));
  if (small != nullptr) {
    small[99] = 'x';
    errno = 0;
    char* const grown = static_cast<char*>(std::realloc(small, bytes));
    check(grown == nullptr && errno == ENOMEM && small[99] == 'x', "realloc leaves the block");
    std::free(small);
  }
  check(::operator new(bytes, std::nothrow) == nullptr, "new (nothrow)");
}

std::size_t handler_calls = 0;
Link* reserve = nullptr;

void give_reserve_up() {
  ++handler_calls;
  if (reserve == nullptr) {
    std::set_new_handler(nullptr);
    return;
  }
  std::free(reserve);
  reserve = nullptr;
}

void check_new(std::size_t bytes) {
  reserve = chain;  // one of the blocks that fill the memory
  chain = chain->next;
  handler_calls = 0;
  std::set_new_handler(give_reserve_up);
  void* const p = ::operator new(bytes);
  check(handler_calls == 1, "the new_handler made room");
  bool thrown = false;
  try {
    for (;;) {
      auto* const link = static_cast<Link*>(::operator new(bytes));
      link->next = chain;
      chain = link;
    }
  } catch (const std::bad_alloc&) {
    thrown = true;
  }
  check(thrown && handler_calls == 2, "operator new throws after its handler");
  ::operator delete(p);
}

void exhaust(std::size_t bytes, std::size_t limit_bytes) {
  const std::size_t first = allocate_until_refused(bytes);
  check(first > 0, "nothing at all could be had");
  check_refusals(bytes);
  check_new(bytes);
  free_chain();
  const std::size_t second = allocate_until_refused(bytes);
  free_chain();
  std::printf("%zu bytes: %zu blocks = %zu MiB, then %zu\n", bytes, first, first * bytes >> 20,
              second);
  check(second >= first / 2, "memory freed can be had again");
  check(first * bytes >= limit_bytes / 5 * 3, "two fifths of the limit never become the program's");
}

// Both return when the process runs under the limit, after a new start.
void limit_the_heap(long mib, char** arguments) {
  constexpr const char* kName = "HAKMEM_LIMIT_HARD";
  if (std::getenv(kName) != nullptr) return;
  const std::string value = std::to_string(mib) + "M";
  check(setenv(kName, value.c_str(), 1) == 0, "setenv");
  execv("/proc/self/exe", arguments);
  check(false, "execv");
}

void limit_address_space(long mib, char** arguments) {
  rlimit limit{};
  getrlimit(RLIMIT_AS, &limit);
  if (limit.rlim_cur == RLIM_INFINITY) {
    limit.rlim_cur = limit.rlim_max = static_cast<rlim_t>(mib) << 20;
    check(setrlimit(RLIMIT_AS, &limit) == 0, "setrlimit");
    execv("/proc/self/exe", arguments);
    check(false, "execv");
  }
}

}  // namespace

int main(int count, char** arguments) {
  process::watchdog();
  check(process::is_preloaded(), "the library is not preloaded");
  const long mib = std::atol(arguments[1]);
  const bool hard = count > 2;
  if (hard) {
    limit_the_heap(mib, arguments);
  } else {
    limit_address_space(mib, arguments);
  }
  std::printf("%s %ld MiB\n", hard ? "HAKMEM_LIMIT_HARD" : "RLIMIT_AS", mib);
  const auto bytes = static_cast<std::size_t>(mib) << 20;
  exhaust(bytes / 32, bytes);
  if (mib > 1024) return 0;  // smaller blocks would take long to run out
  exhaust(1 << 20, bytes);
  exhaust(20000, bytes);
  exhaust(1000, bytes);
  return 0;
}
