// 20,000 short-lived threads that hand blocks over, then 2,000 at once: memory stays bounded, no
// block is lost. PROCESS_THREADS=100000 is the long run.
#include <pthread.h>

#include <array>
#include <atomic>
#include <vector>

#include "hakmem_process.h"

namespace {

using process::Block;
using process::check;

constexpr std::size_t kSlots = 4096;
constexpr unsigned kAtOnce = 50;
std::atomic<Block*> slots[kSlots];

// Leaves 16 blocks behind and frees those that other threads, mostly dead by now, left.
void* hand_over(void* number) {
  process::Sequence sequence(static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(number)));
  for (unsigned i = 0; i < 16; ++i) {
    Block* const block = process::make_block(17 + sequence.below(2000), i);
    process::check_and_free(slots[sequence.below(kSlots)].exchange(block));
  }
  return nullptr;
}

void free_all_slots() {
  for (auto& slot : slots) process::check_and_free(slot.exchange(nullptr));
}

pthread_t start_thread(void* (*body)(void*), std::uintptr_t argument) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 << 10);
  pthread_t thread{};
  const int error = pthread_create(&thread, &attributes, body, reinterpret_cast<void*>(argument));
  errno = error;
  check(error == 0, "pthread_create");
  pthread_attr_destroy(&attributes);
  return thread;
}

void run_batch(void* (*body)(void*), unsigned first, unsigned count) {
  std::vector<pthread_t> threads;
  for (unsigned i = 0; i < count; ++i) threads.push_back(start_thread(body, first + i));
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
}

std::size_t run_batches(unsigned first, unsigned count) {
  for (unsigned done = 0; done < count; done += kAtOnce) {
    run_batch(hand_over, first + done, kAtOnce);
  }
  return process::resident_bytes();
}

void many_short_threads(unsigned count) {
  const std::size_t early = run_batches(0, count / 10);
  const std::size_t late = run_batches(count / 10, count - count / 10);
  std::printf("%u threads: RSS %zu MiB after a tenth, %zu MiB after all\n", count, early >> 20,
              late >> 20);
  // How many of a batch run at once is the scheduler's choice, so up to kAtOnce contexts may come
  // to hold pages late; 8 KiB kept per thread that ever was would already exceed this.
  check(late < early + (128u << 20), "memory grows with the number of threads that ever were");
}

pthread_barrier_t all_there;

void* meet(void* number) {
  hand_over(number);
  pthread_barrier_wait(&all_there);  // every thread has its own heap now
  hand_over(number);
  pthread_barrier_wait(&all_there);
  return nullptr;
}

void many_threads_at_once(unsigned count) {
  pthread_barrier_init(&all_there, nullptr, count);
  run_batch(meet, 1, count);
  const std::size_t peak = process::resident_bytes();
  free_all_slots();
  malloc_trim(0);
  std::printf("%u threads at once: RSS %zu MiB after, %zu MiB trimmed\n", count, peak >> 20,
              process::resident_bytes() >> 20);
}

}  // namespace

int main() {
  process::start();
  const auto count = static_cast<unsigned>(process::from_environment("PROCESS_THREADS", 20000));
  run_batch(hand_over, 0, kAtOnce);
  free_all_slots();
  malloc_trim(0);
  const std::size_t before = process::live_bytes();
  many_short_threads(count);
  free_all_slots();
  many_threads_at_once(2000);
  malloc_trim(0);
  const std::size_t after = process::live_bytes();
  std::printf("live: %zu bytes before, %zu after\n", before, after);
  check(after < before + (1u << 20), "blocks were lost");
  return 0;
}
