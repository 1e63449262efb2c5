// HAKMEM_THP and HAKMEM_PREFAULT against the system: how much of a heap of small blocks is backed
// by huge pages, and how much of a page has its memory before it is touched.
//
//   huge_pages never | madvise | always | prefault     (that variable is set by the test)
#include <chrono>
#include <vector>

#include "hakmem_process.h"

namespace {

using process::check;

// Bytes of all anonymous huge pages of the process.
std::size_t huge_bytes() {
  std::ifstream smaps("/proc/self/smaps_rollup");
  std::string word;
  std::size_t kib = 0;
  while (smaps >> word) {
    if (word == "AnonHugePages:") smaps >> kib;
  }
  return kib << 10;
}

// Whether the system gives huge pages to those who ask: [always] or [madvise].
bool system_gives_them() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string setting;
  std::getline(file, setting);
  return !setting.empty() && setting.find("[never]") == std::string::npos;
}

std::size_t touch_small_blocks(std::size_t bytes) {
  constexpr std::size_t kSize = 1024;
  const std::size_t n = bytes / kSize;
  char** const blocks = static_cast<char**>(std::malloc(n * sizeof(char*)));
  for (std::size_t i = 0; i < n; ++i) {
    blocks[i] = static_cast<char*>(std::malloc(kSize));
    for (std::size_t k = 0; k < kSize; k += 64) blocks[i][k] = 'x';
  }
  const std::size_t huge = huge_bytes();
  // Touched all over again, in another order.
  for (std::size_t round = 0; round < 20; ++round) {
    for (std::size_t i = 0; i < n; ++i) ++blocks[i * 7919 % n][round * 48];
  }
  for (std::size_t i = 0; i < n; ++i) std::free(blocks[i]);
  std::free(blocks);
  return huge;
}

int huge_pages(const std::string& mode, std::size_t mib) {
  const auto begin = std::chrono::steady_clock::now();
  const std::size_t small = touch_small_blocks(mib << 20);
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
  char* const large = static_cast<char*>(std::malloc(64 << 20));
  std::memset(large, 1, 64 << 20);
  const std::size_t with_large = huge_bytes();
  std::free(large);
  std::printf(
      "%s: %zu of %zu MiB of small blocks in huge pages, %zu MiB with a large one; %.2f s\n",
      mode.c_str(), small >> 20, mib, with_large >> 20, time.count());
  if (mode == "never") check(with_large == 0, "huge pages although none are wanted");
  if (!system_gives_them() || mode == "never") return 0;
  // Huge pages are a matter of luck where memory is fragmented: some must be there.
  check(with_large > 0, "no huge page although they are asked for");
  if (mode == "always") check(small > 0, "no huge page of small blocks");
  return 0;
}

// The page of the first block of a size that nobody has used yet, whole but for its guard.
int prefault() {
  char* const p = static_cast<char*>(std::malloc(3000));
  const auto page = static_cast<std::size_t>(getpagesize());
  const std::size_t before = process::resident_bytes();
  char* const q = static_cast<char*>(std::malloc(50000));
  const std::size_t grown = process::resident_bytes() - before;
  std::printf("prefault: %zu KiB for one block of 50000 bytes\n", grown >> 10);
  check(grown >= 512 * 1024 - 16 * page, "the page of the block has no memory");
  q[0] = p[0] = 'x';
  std::free(q);
  std::free(p);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  process::start();
  const std::string mode = arguments[1];
  if (mode == "prefault") return prefault();
  return huge_pages(mode, count > 2 ? static_cast<std::size_t>(std::atol(arguments[2])) : 64);
}
