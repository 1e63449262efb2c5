// Memory in the children of forks: what belonged to threads that a fork has lost is used again. A
// child frees what its parent's threads made and makes as much anew; a program hands itself over to
// its child again and again, each time with threads that replace what the last ones made.
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include "hakmem_process.h"

namespace {

using process::check;

constexpr std::size_t kBlocks = 40000;
constexpr std::size_t kThreads = 4;
constexpr int kGenerations = 12;
char** blocks;

std::size_t resident() {
  std::size_t size = 0, pages = 0;
  FILE* const file = std::fopen("/proc/self/statm", "r");
  check(file != nullptr && std::fscanf(file, "%zu %zu", &size, &pages) == 2, "statm");
  std::fclose(file);
  return pages * 4096;
}

void replace(std::size_t from, std::size_t step) {
  for (std::size_t i = from; i < kBlocks; i += step) {
    std::free(blocks[i]);
    const std::size_t n = 500 + i % 1000;
    blocks[i] = static_cast<char*>(std::malloc(n));
    std::memset(blocks[i], 1, n);
  }
}

// By threads that are there until the end of the process.
void replace_in_threads() {
  std::atomic<std::size_t> ready{0};
  for (std::size_t t = 0; t < kThreads; ++t) {
    std::thread([t, &ready] {
      replace(t, kThreads);
      ++ready;
      for (;;) pause();
    }).detach();
  }
  while (ready.load() != kThreads) usleep(1000);
}

void free_and_make_anew() {
  const std::size_t before = resident();
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < kBlocks; ++i) {
      std::free(blocks[i]);
      blocks[i] = nullptr;
    }
    replace(0, 1);
    check(resident() < before + before / 2, "a child that makes anew what it freed");
  }
  replace(0, 1);
  for (std::size_t i = 0; i < kBlocks; ++i) std::free(std::exchange(blocks[i], nullptr));
  malloc_trim(0);
  check(resident() < before / 2, "a child that has freed everything");
}

void run_in_child(void (*work)()) {
  const pid_t child = fork();
  check(child >= 0, "fork");
  if (child == 0) {
    process::watchdog(100);
    work();
    _exit(0);
  }
  process::expect_exit_0(child);
}

int generation = 0;
std::size_t at_first = 0;
void go_on_in_child() {
  replace_in_threads();
  if (generation == 2) at_first = resident();
  if (generation == kGenerations)
    check(resident() < 2 * at_first, "the last generation is as large");
  if (generation++ != kGenerations) run_in_child(go_on_in_child);
}

}  // namespace

int main() {
  process::start();
  blocks = static_cast<char**>(mmap(nullptr, sizeof(char*) * kBlocks, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  check(blocks != MAP_FAILED, "mmap");
  replace_in_threads();
  run_in_child(free_and_make_anew);
  run_in_child(go_on_in_child);
  _exit(0);
}
