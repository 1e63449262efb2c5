// What threads do while they end: allocate in destructors of thread_local objects and of
// pthread keys, in every round of them, before and after the allocator's own; detach; leave blocks
// to others, and blocks of theirs freed by others on the way.
#include <pthread.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "hakmem_process.h"

namespace {

using process::Block;
using process::check;

constexpr unsigned kBatches = 40;
constexpr unsigned kAtOnce = 16;
std::atomic<Block*> left_behind{nullptr};
std::atomic<unsigned> key_rounds{0};
std::atomic<unsigned> detached_done{0};
pthread_key_t keys[3];

void use_heap(unsigned seed) {
  process::Sequence sequence(seed);
  for (unsigned i = 0; i < 20; ++i) {
    Block* const block = process::make_block(process::pick_size(sequence), i);
    process::check_and_free(left_behind.exchange(block));
  }
  char* p = static_cast<char*>(std::calloc(10, 100));
  p = static_cast<char*>(std::realloc(p, 100000));
  check(p != nullptr && p[999] == 0, "realloc");
  std::free(p);
}

// Comes back in every round of destructors that POSIX promises.
void on_key(void* rounds) {
  auto* const left = static_cast<unsigned*>(rounds);
  use_heap(*left);
  ++key_rounds;
  if (--*left == 0) {
    delete left;
  } else {
    pthread_setspecific(keys[0], left);
  }
}

void on_plain_key(void* block) {
  use_heap(7);
  process::check_and_free(static_cast<Block*>(block));
}

struct HeapUser {
  std::unique_ptr<std::string> text = std::make_unique<std::string>(5000, 'x');
  ~HeapUser() {
    use_heap(static_cast<unsigned>(text->size()));
    text.reset();
  }
};
thread_local HeapUser user;

void* body(void*) {
  check(user.text->size() == 5000, "thread_local");
  pthread_setspecific(keys[0], new unsigned(PTHREAD_DESTRUCTOR_ITERATIONS));
  for (unsigned k = 1; k < 3; ++k) pthread_setspecific(keys[k], process::make_block(3000, k));
  use_heap(1);
  return nullptr;
}

// Several at once: while one ends, another starts and takes over what the first has given up.
void run_batch() {
  std::array<pthread_t, kAtOnce> threads{};
  for (pthread_t& thread : threads) {
    check(pthread_create(&thread, nullptr, body, nullptr) == 0, "pthread_create");
  }
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
}

// Frees the blocks of threads that are ending, so that they end with remote frees on the way.
void exit_with_remote_frees() {
  std::array<std::atomic<Block*>, 64> shared{};
  std::thread maker([&] {
    for (unsigned round = 0; round < 50; ++round) {
      for (auto& place : shared) {
        process::check_and_free(place.exchange(process::make_block(100 + round, round)));
      }
    }
  });
  for (unsigned round = 0; round < 50; ++round) {
    for (auto& place : shared) process::check_and_free(place.exchange(nullptr));
  }
  maker.join();
  for (auto& place : shared) process::check_and_free(place.exchange(nullptr));
}

void* detached_body(void*) {
  use_heap(2);
  ++detached_done;
  return nullptr;
}

void start_detached(unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    pthread_t thread{};
    check(pthread_create(&thread, nullptr, detached_body, nullptr) == 0, "pthread_create");
    pthread_detach(thread);
  }
  while (detached_done.load() < count) usleep(1000);
}

}  // namespace

int main() {
  process::start();
  pthread_key_create(&keys[0], on_key);
  for (unsigned k = 1; k < 3; ++k) pthread_key_create(&keys[k], on_plain_key);
  for (unsigned i = 0; i < kBatches; ++i) run_batch();
  check(key_rounds == kBatches * kAtOnce * PTHREAD_DESTRUCTOR_ITERATIONS,
        "every round of destructors ran");
  for (unsigned i = 0; i < 100; ++i) exit_with_remote_frees();
  start_detached(300);
  process::check_and_free(left_behind.exchange(nullptr));
  usleep(100000);  // the detached threads' last steps
  malloc_trim(0);
  std::printf("live at the end: %zu bytes\n", process::live_bytes());
  check(process::live_bytes() < (2u << 20), "blocks were lost");
  return 0;
}
