// Forks in unusual places: in a constructor, from a thread, with pthread_atfork handlers of others
// that allocate, vfork and posix_spawn, all while other threads allocate.
#include <malloc.h>
#include <pthread.h>
#include <spawn.h>

#include <atomic>
#include <thread>
#include <vector>

#include "hakmem_process.h"

namespace {

using process::check;

std::atomic<bool> stop{false};
void* held_by_handler = nullptr;
int handler_calls = 0;

void allocate_in_handler() {
  void* const p = std::malloc(3000);
  check(p != nullptr, "malloc in a fork handler");
  std::free(held_by_handler);  // made by the handler before, maybe in the parent
  held_by_handler = p;
  ++handler_calls;
}

// Of every size, and by every way in.
void* held_of_size[6];
int early_calls = 0;
void allocate_everything() {
  const std::size_t sizes[] = {100, 5000, 50000, 250000, 600000, 5000000};
  for (std::size_t i = 0; i < 6; ++i) {
    std::free(held_of_size[i]);
    void* const p = std::realloc(std::malloc(sizes[i] / 2), sizes[i]);
    check(malloc_usable_size(p) >= sizes[i], "realloc in a fork handler");
    held_of_size[i] = p;
    std::free(std::calloc(1, sizes[i]));
    std::free(std::aligned_alloc(64, sizes[i] / 64 * 64));
  }
  malloc_trim(0);
  mallinfo2();
  ++early_calls;
}

// Before any library's constructor: these handlers run between the allocator's own and the fork.
void register_before_everybody() {
  pthread_atfork(allocate_everything, allocate_everything, allocate_everything);
}
[[gnu::used, gnu::section(".preinit_array")]] void (*g_preinit)() = register_before_everybody;

// A handler that waits for another thread, which allocates: registered as soon as a program can
// after the allocator, so that it runs outside.
std::atomic<int> asked{0}, answered{0};
std::atomic<bool> somebody_answers{false};
void wait_for_another_thread() {
  if (!somebody_answers.load()) return;
  const int wanted = ++asked;
  while (answered.load() != wanted) usleep(100);
}
void answer_until_stopped() {
  while (!stop.load()) {
    std::free(std::malloc(400000));
    std::free(std::malloc(20000));
    answered.store(asked.load());
  }
}

void fork_once() {
  const pid_t child = fork();
  check(child >= 0, "fork");
  if (child == 0) {
    process::watchdog(60);
    std::vector<std::string> words(100, std::string(100, 'x'));
    _exit(words.back().size() == 100 ? 0 : 1);
  }
  process::expect_exit_0(child);
}

// As early as a program can.
[[gnu::constructor(101)]] void fork_in_constructor() {
  pthread_atfork(wait_for_another_thread, nullptr, nullptr);
  pthread_atfork(allocate_in_handler, allocate_in_handler, allocate_in_handler);
  std::free(std::malloc(50000));
  fork_once();
}

void allocate_until_stopped(unsigned seed) {
  process::Sequence sequence(seed);
  while (!stop.load()) {
    process::check_and_free(process::make_block(process::pick_size(sequence), seed));
  }
}

void spawn_once(char** environment) {
  char name[] = "true";
  char* arguments[] = {name, nullptr};
  pid_t child = 0;
  check(posix_spawnp(&child, "true", nullptr, nullptr, arguments, environment) == 0, "spawn");
  process::expect_exit_0(child);
}

void vfork_once() {
  const pid_t child = vfork();
  check(child >= 0, "vfork");
  if (child == 0) {
    execlp("true", "true", nullptr);
    _exit(9);
  }
  process::expect_exit_0(child);
}

}  // namespace

int main() {
  process::start();
  check(handler_calls == 2, "the fork in the constructor ran its handlers");
  pthread_atfork(allocate_in_handler, allocate_in_handler, allocate_in_handler);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) threads.emplace_back(allocate_until_stopped, t);
  threads.emplace_back(answer_until_stopped);
  somebody_answers.store(true);
  for (unsigned i = 0; i < 25; ++i) {
    std::thread([] { fork_once(); }).join();
    fork_once();
  }
  for (unsigned i = 0; i < 10; ++i) spawn_once(environ);
  for (unsigned i = 0; i < 10; ++i) vfork_once();
  check(std::system("true") == 0, "system");
  somebody_answers.store(false);
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  // Some libc versions run the handlers for posix_spawn and system too.
  check(handler_calls >= 2 + 50 * 4, "the handlers ran");
  check(early_calls >= 2 + 50 * 2, "the earliest handlers ran");
  std::free(held_by_handler);
  return 0;
}
