// How many mappings a mixed heap of 4 GiB costs, of the 65,530 that a process may have. Every block
// is touched once, so that the memory itself is a fraction of it. PROCESS_GIB=4 by default. With
// no_guards.cc preloaded as well, on a kernel whose guards cost mappings: a quarter may be theirs.
#include <vector>

#include "hakmem_process.h"

int main() {
  process::start();
  const auto bytes = static_cast<std::size_t>(process::from_environment("PROCESS_GIB", 4)) << 30;
  process::Sequence sequence(1);
  std::vector<char*> blocks;
  for (std::size_t held = 0; held < bytes;) {
    const unsigned power = 10 + sequence.below(11);  // 1 KiB to 2 MiB, as many bytes in each
    const std::size_t size = (std::size_t{1} << power) + sequence.below(1u << power);
    for (std::size_t part = 0; part < (4u << 20); part += size) {
      auto* const p = static_cast<char*>(std::malloc(size));
      process::check(p != nullptr, "malloc");
      *p = 1;
      blocks.push_back(p);
      held += size;
    }
  }
  const std::size_t all = process::mappings();
  for (std::size_t i = 0; i < blocks.size(); i += 2) std::free(blocks[i]);
  malloc_trim(0);
  const std::size_t half = process::mappings();
  for (std::size_t i = 1; i < blocks.size(); i += 2) std::free(blocks[i]);
  malloc_trim(0);
  std::printf(
      "%zu GiB in %zu blocks: %zu mappings, %zu with every other block freed, %zu with none\n",
      bytes >> 30, blocks.size(), all, half, process::mappings());
  const bool dear = process::preloads("no_guards");
  process::check(all < (dear ? 20000u : 10000u) && half < (dear ? 30000u : 20000u),
                 "the heap uses up the process's mappings");
  return 0;
}
