// Buffers that come, are touched at three places, and go: as databases and players have them. Page
// faults and CPU time per pair against glibc's.
// RUN: 270000 270000 1 1
// RUN: 300000 1000000 8 2
// RUN: 5000000 25000000 20 1
// RUN: 34000000 34000000 1 1
// RUN: 200000 400000 64 2
// MEASURE: faults <= 2 * glibc + 1
// MEASURE: cpu_us <= 5 * glibc + 5
#include "process.h"

static size_t least, most;
static int live;
enum { kPairs = 4000 };

static void* churn(void* argument) {
  uint64_t seed = (uintptr_t)argument;
  char** const blocks = own_memory((size_t)live * sizeof *blocks);
  for (int i = 0; i < kPairs; ++i) {
    const size_t at = below(&seed, (size_t)live), bytes = least + below(&seed, most - least + 1);
    free(blocks[at]);
    char* const p = blocks[at] = malloc(bytes);
    EXPECT(p != NULL, "%zu bytes", bytes);
    p[0] = p[bytes / 2] = p[bytes - 1] = 1;
  }
  return NULL;
}

int main(int argc, char** argv) {
  EXPECT(argc == 5, "usage: large_block_churn LEAST MOST LIVE THREADS");
  least = (size_t)atol(argv[1]);
  most = (size_t)atol(argv[2]);
  live = atoi(argv[3]);
  const int n = atoi(argv[4]);
  const long before = page_faults(RUSAGE_SELF);
  const double begin = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
  pthread_t threads[8];
  for (int i = 0; i < n; ++i) threads[i] = start(churn, (void*)(uintptr_t)(i + 1));
  for (int i = 0; i < n; ++i) pthread_join(threads[i], NULL);
  const double pairs = (double)kPairs * n;
  measure("faults", (double)(page_faults(RUSAGE_SELF) - before) / pairs);
  measure("cpu_us", (cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - begin) * 1e6 / pairs);
  return 0;
}
