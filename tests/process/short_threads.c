// Threads that live for a moment and grow one block by realloc: CPU time and page faults against
// glibc's.
// MEASURE: cpu_ms <= 6 * glibc + 60
#include "process.h"

enum { kThreads = 400 };

static void* grow(void* argument) {
  char* block = NULL;
  for (size_t n = 100; n < KIB(700); n += n / 2) {
    block = realloc(block, n);
    EXPECT(block != NULL, "%zu bytes", n);
    block[n - 1] = 1;
  }
  free(block);
  return argument;
}

int main(void) {
  const double begin = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
  for (int i = 0; i < kThreads; i += 4) {
    pthread_t threads[4];
    for (int k = 0; k < 4; ++k) threads[k] = start(grow, NULL);
    for (int k = 0; k < 4; ++k) pthread_join(threads[k], NULL);
  }
  measure("cpu_ms", (cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - begin) * 1e3);
  return 0;
}
