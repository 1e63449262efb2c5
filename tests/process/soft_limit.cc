// HAKMEM_LIMIT_SOFT: what is free goes back to the system at once, so that a program whose live
// bytes stay below the limit stays near it with what it has resident, without waiting for time to
// pass and without malloc_trim. Peaks beyond it are allowed, and forgotten when they are over.
#include <array>
#include <thread>
#include <vector>

#include "hakmem_process.h"

namespace {

using process::check;

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kSoft = 64 * kMiB;
// What threads keep for their own next calls, pages with a few blocks in them, and the program.
constexpr std::size_t kSlack = 16 * kMiB;

std::vector<void*> allocate(std::size_t bytes, std::uint32_t seed) {
  process::Sequence sequence(seed);
  std::vector<void*> blocks;
  for (std::size_t total = 0; total < bytes;) {
    const std::size_t size = process::pick_size(sequence);
    void* const p = std::malloc(size);
    check(p != nullptr, "malloc");
    std::memset(p, 1, size);
    blocks.push_back(p);
    total += size;
  }
  return blocks;
}

void free_all(std::vector<void*>& blocks) {
  for (void* p : blocks) std::free(p);
  blocks.clear();
}

std::size_t worst = 0;

void look(const char* when) {
  const std::size_t resident = process::resident_bytes();
  if (resident > worst) worst = resident;
  if (resident <= kSoft + kSlack) return;
  std::fprintf(stderr, "%s: %zu MiB resident\n", when, resident / kMiB);
  check(false, "far more than the soft limit is resident");
}

// Others than main free what main allocated.
void free_by_threads(std::vector<void*>& blocks) {
  std::array<std::thread, 4> threads;
  for (std::size_t t = 0; t < threads.size(); ++t) {
    threads[t] = std::thread([&blocks, t] {
      for (std::size_t i = t; i < blocks.size(); i += 4) std::free(blocks[i]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  blocks.clear();
  std::free(std::malloc(300000));
}

}  // namespace

int main(int, char** arguments) {
  if (std::getenv("HAKMEM_LIMIT_SOFT") == nullptr) {
    check(setenv("HAKMEM_LIMIT_SOFT", "64M", 1) == 0, "setenv");
    execv("/proc/self/exe", arguments);
    check(false, "execv");
  }
  process::start();
  std::vector<void*> live = allocate(24 * kMiB, 1);
  std::vector<void*> peak = allocate(256 * kMiB, 2);
  check(process::resident_bytes() > 256 * kMiB, "a peak beyond the soft limit is allowed");
  free_all(peak);
  look("after a peak of 280 MiB");
  for (std::uint32_t burst = 0; burst < 30; ++burst) {
    std::vector<void*> blocks = allocate(32 * kMiB, 10 + burst);
    look("in a burst");
    free_all(blocks);
    look("after a burst");
  }
  peak = allocate(256 * kMiB, 3);
  free_by_threads(peak);
  look("after a peak that other threads freed");
  std::printf("soft limit 64 MiB, live 24 to 56 MiB: at most %zu MiB resident\n", worst / kMiB);
  free_all(live);
}
