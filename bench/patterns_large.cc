// Patterns of the other calls (realloc, calloc, aligned_alloc) and of large blocks: patterns.h.
#include <stdlib.h>

#include "driver.h"
#include "patterns.h"

namespace hakmem::bench {
namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
constexpr size_t kPageBytes = 4 * kKiB;
constexpr unsigned kSlotsMax = 400;

struct Churn {
  uint64_t seed;
  unsigned steps;
  unsigned slots;
  size_t size_min;
  size_t size_max;
};

// Replaces the block of a random slot by fresh(random, size); one op is one such step.
template <typename Fresh>
void churn(const Churn& churn, unsigned thread, Fresh fresh) {
  Random random(churn.seed + thread);
  void* slots[kSlotsMax] = {};
  for (unsigned step = 0; step < churn.steps; ++step) {
    void*& slot = slots[random.below(churn.slots)];
    const size_t size = churn.size_min + random.below(churn.size_max - churn.size_min + 1);
    free(slot);
    slot = fresh(random, size);
  }
  for (void* slot : slots) free(slot);
}

uint64_t run_churn(unsigned threads, WorkerBody body, Churn churn) {
  run_on_threads(threads, body, &churn);
  return uint64_t{threads} * churn.steps;
}

void calloc_worker(void* context, unsigned thread) {
  churn(*static_cast<Churn*>(context), thread, [](Random&, size_t size) {
    void* block = calloc(1, size);
    touch(block, size);
    return block;
  });
}

void aligned_worker(void* context, unsigned thread) {
  churn(*static_cast<Churn*>(context), thread, [](Random& random, size_t size) {
    const size_t alignment = size_t{32} << random.below(6);
    void* block = aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));
    touch(block, size);
    return block;
  });
}

void large_edge_worker(void* context, unsigned thread) {
  churn(*static_cast<Churn*>(context), thread, [](Random&, size_t size) {
    void* block = malloc(size);
    touch(block, size);
    return block;
  });
}

void large_touch_worker(void* context, unsigned thread) {
  churn(*static_cast<Churn*>(context), thread, [](Random&, size_t size) {
    void* block = malloc(size);
    touch(block, size);
    volatile char* bytes = static_cast<volatile char*>(block);
    for (size_t offset = 0; offset < size; offset += kPageBytes) bytes[offset] = 1;
    return block;
  });
}

// ---- realloc_growth: vectors that grow by half up to 1 MiB, strings that grow bit by bit ----

constexpr unsigned kVectors = 200;
constexpr unsigned kSteadySteps = 1000;
constexpr size_t kSteadyBytes = 24;

void* regrow(void* block, size_t bytes) {
  void* grown = realloc(block, bytes);
  touch(grown, bytes);
  return grown;
}

unsigned grow_by_half() {
  unsigned calls = 0;
  void* vector = nullptr;
  for (size_t bytes = 16; bytes <= kMiB; bytes += bytes / 2) {
    vector = regrow(vector, bytes);
    ++calls;
  }
  free(vector);
  return calls;
}

unsigned grow_steadily() {
  void* text = nullptr;
  for (unsigned step = 1; step <= kSteadySteps; ++step) text = regrow(text, step * kSteadyBytes);
  free(text);
  return kSteadySteps;
}

void realloc_worker(void* context, unsigned thread) {
  uint64_t calls = 0;
  for (unsigned i = 0; i < kVectors; ++i) calls += grow_by_half() + grow_steadily();
  static_cast<uint64_t*>(context)[thread] = calls;
}

}  // namespace

uint64_t run_realloc_growth(const PatternSetup& setup) {
  uint64_t calls[kThreadsMax] = {};
  run_on_threads(setup.threads, realloc_worker, calls);
  uint64_t total = 0;
  for (unsigned t = 0; t < setup.threads; ++t) total += calls[t];
  return total;
}

uint64_t run_calloc_small(const PatternSetup& setup) {
  return run_churn(setup.threads, calloc_worker, {setup.seed, 400000, 400, 16, 4 * kKiB});
}

uint64_t run_calloc_large(const PatternSetup& setup) {
  return run_churn(setup.threads, calloc_worker, {setup.seed, 600, 16, 64 * kKiB, kMiB});
}

uint64_t run_aligned(const PatternSetup& setup) {
  return run_churn(setup.threads, aligned_worker, {setup.seed, 400000, 400, 16, 2 * kKiB});
}

uint64_t run_large_edge(const PatternSetup& setup) {
  return run_churn(setup.threads, large_edge_worker, {setup.seed, 2000, 16, 5 * kMiB, 25 * kMiB});
}

uint64_t run_large_touch(const PatternSetup& setup) {
  return run_churn(setup.threads, large_touch_worker, {setup.seed, 24, 8, 5 * kMiB, 25 * kMiB});
}

}  // namespace hakmem::bench
