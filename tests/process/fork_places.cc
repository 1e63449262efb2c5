// After a fork the child must not hand out the places that the parent will: knowing one would be
// knowing the other. (The perf flavour hands out the block freed last, in both.)
#include <array>
#include <vector>

#include "hakmem_process.h"

namespace {

using process::check;

constexpr std::size_t kBlocks = 64;
constexpr std::array<std::size_t, 5> kSizes{24, 64, 500, 3000, 20000};
using Places = std::array<void*, kBlocks * kSizes.size()>;

Places places() {
  Places all{};
  std::size_t i = 0;
  for (const std::size_t size : kSizes) {
    for (std::size_t k = 0; k < kBlocks; ++k) all[i++] = std::malloc(size);
  }
  return all;
}

Places places_of_child() {
  std::array<int, 2> ends{};
  check(pipe(ends.data()) == 0, "pipe");
  const pid_t child = fork();
  if (child == 0) {
    const Places mine = places();
    const bool sent = write(ends[1], mine.data(), sizeof mine) == ssize_t{sizeof mine};
    _exit(sent ? 0 : 1);
  }
  Places theirs{};
  check(read(ends[0], theirs.data(), sizeof theirs) == ssize_t{sizeof theirs}, "read");
  process::expect_exit_0(child);
  close(ends[0]);
  close(ends[1]);
  return theirs;
}

std::size_t equal_places(const Places& a, const Places& b, std::size_t of_size) {
  std::size_t n = 0;
  for (std::size_t k = 0; k < kBlocks; ++k)
    n += a[of_size * kBlocks + k] == b[of_size * kBlocks + k];
  return n;
}

}  // namespace

int main() {
  process::start();
  for (void* p : places()) std::free(p);  // warm: every size has blocks in the magazines
  const Places first = places_of_child();
  const Places second = places_of_child();
  const Places parent = places();
  for (std::size_t s = 0; s < kSizes.size(); ++s) {
    const std::size_t as_parent = equal_places(first, parent, s);
    const std::size_t as_sibling = equal_places(first, second, s);
    std::printf("%zu bytes: of %zu places %zu as the parent's, %zu as a sibling's\n", kSizes[s],
                kBlocks, as_parent, as_sibling);
    if (!process::is_hardened()) continue;
    check(as_parent < kBlocks / 4, "the child hands out its parent's places");
    check(as_sibling < kBlocks / 4, "two children hand out the same places");
  }
  return 0;
}
