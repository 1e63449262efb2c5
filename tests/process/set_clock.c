// A library that sets the program's clock is preloaded; it allocates when it first reads it, and
// time runs backwards now and then.
// RUN: before=hook_clock
// RUN: after=hook_clock
#include "process.h"

static void* work(void* argument) {
  char* held[100] = {NULL};
  uint64_t seed = (uintptr_t)argument;
  for (int i = 0; i < 30000; ++i) {
    const size_t at = below(&seed, 100), bytes = 1 + below(&seed, i % 50 == 0 ? 400000 : 3000);
    free(held[at]);
    held[at] = malloc(bytes);
    EXPECT(held[at] != NULL, "%zu bytes", bytes);
    held[at][0] = held[at][bytes - 1] = 1;
  }
  for (int i = 0; i < 100; ++i) free(held[i]);
  return argument;
}

int main(void) {
  alarm(200);
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  pthread_t threads[3];
  for (uintptr_t i = 0; i < 3; ++i) threads[i] = start(work, (void*)(i + 1));
  work(NULL);
  for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
  EXPECT(time(NULL) - now.tv_sec < 100, "the clock");
  return 0;
}
