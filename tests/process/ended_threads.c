// Four thousand threads have been. A thread that allocates does not pay for each of them: its CPU
// time for the same work before and after.
// MEASURE: times_longer <= 5
#include "process.h"

enum { kThreads = 4000, kBlocks = 40000 };
static pthread_barrier_t all_here;
static void* blocks[kBlocks];

static void* one_block(void* argument) {
  free(malloc(16));
  pthread_barrier_wait(&all_here);
  return argument;
}

static double fill_and_empty(void) {
  const double begin = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
  for (int i = 0; i < kBlocks; ++i) blocks[i] = malloc(1000);
  for (int i = 0; i < kBlocks; ++i) free(blocks[i]);
  return cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - begin;
}

static double least_of(int n) {
  double least = 1e9;
  for (int i = 0; i < n; ++i) {
    const double took = fill_and_empty();
    if (took < least) least = took;
  }
  return least;
}

int main(void) {
  const double before = least_of(4);
  static pthread_t threads[kThreads];
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, KIB(64));
  pthread_barrier_init(&all_here, NULL, kThreads);
  for (int i = 0; i < kThreads; ++i) {
    EXPECT(pthread_create(&threads[i], &small, one_block, NULL) == 0, "thread %d", i);
  }
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
  const double after = least_of(4);
  measure("times_longer", after / before);
  return 0;
}
