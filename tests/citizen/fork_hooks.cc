// Forks in unusual places: in a constructor, from a thread, with pthread_atfork handlers of others
// that allocate, vfork and posix_spawn, all while other threads allocate.
#include <pthread.h>
#include <spawn.h>

#include <atomic>
#include <thread>
#include <vector>

#include "citizen.h"

namespace {

using citizen::check;

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

void fork_once() {
  const pid_t child = fork();
  check(child >= 0, "fork");
  if (child == 0) {
    citizen::watchdog(60);
    std::vector<std::string> words(100, std::string(100, 'x'));
    _exit(words.back().size() == 100 ? 0 : 1);
  }
  citizen::expect_exit_0(child);
}

// As early as a program can.
[[gnu::constructor(101)]] void fork_in_constructor() {
  pthread_atfork(allocate_in_handler, allocate_in_handler, allocate_in_handler);
  std::free(std::malloc(50000));
  fork_once();
}

void allocate_until_stopped(unsigned seed) {
  citizen::Sequence sequence(seed);
  while (!stop.load()) {
    citizen::check_and_free(citizen::make_block(citizen::pick_size(sequence), seed));
  }
}

void spawn_once(char** environment) {
  char name[] = "true";
  char* arguments[] = {name, nullptr};
  pid_t child = 0;
  check(posix_spawnp(&child, "true", nullptr, nullptr, arguments, environment) == 0, "spawn");
  citizen::expect_exit_0(child);
}

void vfork_once() {
  const pid_t child = vfork();
  check(child >= 0, "vfork");
  if (child == 0) {
    execlp("true", "true", nullptr);
    _exit(9);
  }
  citizen::expect_exit_0(child);
}

}  // namespace

int main() {
  citizen::start();
  check(handler_calls == 2, "the fork in the constructor ran its handlers");
  pthread_atfork(allocate_in_handler, allocate_in_handler, allocate_in_handler);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) threads.emplace_back(allocate_until_stopped, t);
  for (unsigned i = 0; i < 50; ++i) {
    std::thread([] { fork_once(); }).join();
    fork_once();
  }
  for (unsigned i = 0; i < 10; ++i) spawn_once(environ);
  for (unsigned i = 0; i < 10; ++i) vfork_once();
  check(std::system("true") == 0, "system");
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  // Some libc versions run the handlers for posix_spawn and system too.
  check(handler_calls >= 2 + 100 * 4, "the handlers ran");
  std::free(held_by_handler);
  return 0;
}
