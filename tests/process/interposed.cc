// Runs with interposer.cc preloaded before the allocator, and with everything asked for that makes
// the allocator call the system: blocks of all sizes in several threads, forks, statistics, a
// trace.
#include <thread>
#include <vector>

#include "hakmem_process.h"

namespace {

using process::check;

void use_heap(std::uint32_t seed) {
  process::Sequence sequence(seed);
  std::vector<void*> blocks(200, nullptr);
  for (int i = 0; i < 3000; ++i) {
    void*& p = blocks[sequence.below(200)];
    p = std::realloc(p, 1 + process::pick_size(sequence));
    check(p != nullptr, "realloc");
    std::memset(p, 1, 1);
  }
  for (void* p : blocks) std::free(p);
  malloc_trim(0);
}

}  // namespace

int main() {
  process::start();
  check(process::preloads("interposer"), "nothing is interposed");
  std::vector<std::thread> threads;
  for (std::uint32_t t = 0; t < 3; ++t) threads.emplace_back(use_heap, t);
  for (std::thread& t : threads) t.join();
  const pid_t child = fork();
  if (child == 0) {
    use_heap(7);
    std::exit(0);
  }
  process::expect_exit_0(child);
  malloc_stats();
}
