// The beginning and the end of a process: allocation in constructors of every priority, in atexit
// handlers and static destructors, exit() while other threads allocate; free keeps errno.
#include <thread>
#include <vector>

#include "hakmem_process.h"

namespace {

using process::Block;
using process::check;

Block* early[3];
std::string* made_at_exit = nullptr;

[[gnu::constructor(101)]] void first() { early[0] = process::make_block(100, 1); }
[[gnu::constructor(200)]] void second() { early[1] = process::make_block(300000, 2); }
[[gnu::constructor]] void third() { early[2] = process::make_block(5000, 3); }

struct Static {
  std::vector<std::string> words = std::vector<std::string>(1000, std::string(100, 'x'));
  ~Static() {
    words.emplace_back(std::string(70000, 'y'));
    delete made_at_exit;
    for (Block*& block : early) process::check_and_free(block);
  }
};
Static with_destructor;

[[gnu::destructor(101)]] void last() { std::free(std::malloc(123456)); }

void at_exit() { made_at_exit = new std::string(2000, 'z'); }

void check_errno() {
  for (const std::size_t size : {10u, 1000u, 50000u, 300000u, 40000000u}) {
    std::vector<void*> blocks;
    for (unsigned i = 0; i < 40; ++i) blocks.push_back(std::malloc(size));
    for (void* p : blocks) {
      errno = 4711;
      std::free(p);
      check(errno == 4711, "free keeps errno");
    }
  }
  errno = 4712;
  malloc_trim(0);
  check(errno == 4712, "malloc_trim keeps errno");
}

[[noreturn]] void exit_while_threads_allocate(unsigned number) {
  process::watchdog(60);
  for (unsigned t = 0; t < 4; ++t) {
    std::thread([t] {
      process::Sequence sequence(t);
      for (;;) process::check_and_free(process::make_block(process::pick_size(sequence), t));
    }).detach();
  }
  usleep(1000 * (number % 8));
  if (number % 2 == 0) std::exit(0);
  std::thread([] { std::exit(0); }).join();
  _exit(1);
}

}  // namespace

int main() {
  process::start();
  std::atexit(at_exit);
  check_errno();
  for (unsigned i = 0; i < 40; ++i) {
    const pid_t child = fork();
    if (child == 0) exit_while_threads_allocate(i);
    process::expect_exit_0(child);
  }
  return 0;
}
