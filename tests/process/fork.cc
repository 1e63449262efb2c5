// Forks while 8 threads allocate and free one another's blocks. Each child frees inherited blocks
// of every thread, allocates, starts a thread or forks again. PROCESS_FORKS=10000 is the long run.
#include <atomic>
#include <thread>
#include <vector>

#include "hakmem_process.h"

namespace {

using process::Block;
using process::check;

constexpr unsigned kThreads = 8;
constexpr std::size_t kSlots = 128;

std::atomic<Block*> slots[kSlots];
std::atomic<bool> stop{false};

// A block that another thread made is freed here, one made here will be freed by another.
void allocate_and_free(unsigned seed) {
  process::Sequence sequence(seed);
  while (!stop.load()) {
    for (unsigned i = 0; i < 40; ++i) {
      Block* const block = process::make_block(process::pick_size(sequence), seed);
      process::check_and_free(slots[sequence.below(kSlots)].exchange(block));
    }
    usleep(200);  // or the forks, a ninth of all work, would take most of the time
  }
}

void allocate_some(unsigned seed) {
  process::Sequence sequence(seed);
  std::vector<Block*> blocks;
  for (unsigned i = 0; i < 40; ++i) {
    blocks.push_back(process::make_block(process::pick_size(sequence), i));
  }
  for (Block* block : blocks) process::check_and_free(block);
}

[[noreturn]] void run_child(unsigned number) {
  process::watchdog(120);
  for (auto& slot : slots) process::check_and_free(slot.exchange(nullptr));
  allocate_some(number);
  if (number % 16 == 0) std::thread(allocate_some, number).join();
  if (number % 16 == 1) {
    const pid_t grandchild = fork();
    if (grandchild == 0) {
      allocate_some(number);
      _exit(0);
    }
    process::expect_exit_0(grandchild);
  }
  if (number % 16 == 2) check(malloc_trim(0) <= 1, "malloc_trim");
  if (number % 16 == 3) std::exit(0);
  _exit(0);
}

void fork_once(unsigned number) {
  const pid_t child = fork();
  check(child >= 0, "fork");
  if (child == 0) run_child(number);
  allocate_some(number);
  process::expect_exit_0(child);
}

}  // namespace

int main() {
  process::start();
  const auto forks = static_cast<unsigned>(process::from_environment("PROCESS_FORKS", 1000));
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t) threads.emplace_back(allocate_and_free, t + 1);
  for (unsigned i = 0; i < forks; ++i) {
    if (i % 100 == 0) process::watchdog();
    fork_once(i);
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  for (auto& slot : slots) process::check_and_free(slot.exchange(nullptr));
  std::printf("%u forks, live at the end %zu KiB\n", forks, process::live_bytes() / 1024);
  return 0;
}
