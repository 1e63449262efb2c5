// A thread's data is freed by destructors that run after the allocator's own end of the thread: a
// free there costs about what it does before, in CPU time.
// MEASURE: times_longer <= 12
#include "process.h"

enum { kBlocks = 60000 };
static pthread_key_t key;
static double in_destructor, in_thread;
static void* blocks[kBlocks];

static double fill_and_empty(void) {
  double least = 1e9;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < kBlocks; ++i) blocks[i] = malloc(64);
    const double begin = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < kBlocks; ++i) free(blocks[i]);
    const double took = cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - begin;
    if (took < least) least = took;
  }
  return least;
}

static void destroy(void* argument) {
  static int rounds;
  if (++rounds < 3) {  // later rounds come after every other destructor
    pthread_setspecific(key, argument);
    return;
  }
  in_destructor = fill_and_empty();
}

static void* work(void* argument) {
  in_thread = fill_and_empty();
  pthread_setspecific(key, &key);
  return argument;
}

int main(void) {
  free(malloc(10));
  EXPECT(pthread_key_create(&key, destroy) == 0, "a key");
  pthread_join(start(work, NULL), NULL);
  EXPECT(in_destructor > 0, "the destructor did not run");
  measure("times_longer", in_destructor / in_thread);
  return 0;
}
