// A storm of signals, from a profiling timer and to every thread, while threads allocate, fork and
// exit. The handlers do not allocate; wherever they interrupt, the heap stays sound, and system
// calls that were cut short do no harm.
#include <pthread.h>
#include <sys/time.h>

#include <atomic>
#include <csignal>
#include <thread>
#include <vector>

#include "hakmem_process.h"

namespace {

using process::check;

volatile std::sig_atomic_t storms = 0;
std::atomic<bool> stop{false};
std::atomic<process::Block*> slots[256];

void on_signal(int) { storms = storms + 1; }

void catch_signal(int number) {
  struct sigaction action = {};
  action.sa_handler = on_signal;  // no SA_RESTART: system calls end in EINTR
  check(sigaction(number, &action, nullptr) == 0, "sigaction");
}

void start_storm() {
  catch_signal(SIGPROF);
  catch_signal(SIGUSR1);
  const itimerval every_ms{{0, 1000}, {0, 1000}};
  check(setitimer(ITIMER_PROF, &every_ms, nullptr) == 0, "setitimer");
}

// To every thread in turn: the system prefers the main thread for signals to the process.
void keep_signalling(std::vector<std::thread>* threads) {
  while (!stop.load()) {
    for (std::thread& thread : *threads) pthread_kill(thread.native_handle(), SIGUSR1);
    usleep(50);
  }
}

// Half of the blocks have mappings of their own, and a lock that is fought for.
void allocate_and_free(unsigned seed, unsigned rounds) {
  process::Sequence sequence(seed);
  for (unsigned i = 0; i < rounds && !stop.load(); ++i) {
    const std::size_t bytes = i % 2 == 0 ? 300000 : process::pick_size(sequence);
    process::Block* const block = process::make_block(bytes, seed);
    process::check_and_free(slots[sequence.below(256)].exchange(block));
  }
}

}  // namespace

int main() {
  process::start();
  start_storm();
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) threads.emplace_back(allocate_and_free, t, ~0u);
  std::thread signaller(keep_signalling, &threads);
  while (storms < 5000) {
    std::thread(allocate_and_free, 9, 200).join();
    malloc_trim(0);
    const pid_t child = fork();
    if (child == 0) {
      allocate_and_free(10, 50);
      _exit(0);
    }
    pid_t ended = -1;
    int status = -1;
    while ((ended = waitpid(child, &status, 0)) < 0 && errno == EINTR) continue;
    check(ended == child && status == 0, "the child of a fork in the storm");
  }
  stop.store(true);
  signaller.join();
  for (std::thread& thread : threads) thread.join();
  std::printf("%d signals\n", static_cast<int>(storms));
  return 0;
}
