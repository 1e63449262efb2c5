// A tracer is preloaded that interposes the system's functions and allocates in them, before the
// allocator or after it.
// RUN: before=hook_calls
// RUN: after=hook_calls
#include "process.h"

static void* work(void* argument) {
  char* held[64] = {NULL};
  uint64_t seed = (uintptr_t)argument;
  for (int i = 0; i < 4000; ++i) {
    const size_t at = below(&seed, 64), bytes = 1 + below(&seed, 400000);
    free(held[at]);
    held[at] = malloc(bytes);
    EXPECT(held[at] != NULL, "%zu bytes", bytes);
    held[at][0] = held[at][bytes - 1] = 1;
  }
  for (int i = 0; i < 64; ++i) free(held[i]);
  return argument;
}

int main(void) {
  alarm(200);
  pthread_t threads[3];
  for (uintptr_t i = 0; i < 3; ++i) threads[i] = start(work, (void*)(i + 1));
  work(NULL);
  for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
  char* grown = NULL;
  for (size_t n = 1; n < MIB(40); n = n * 2 + 1) {
    grown = realloc(grown, n);
    EXPECT(grown != NULL, "realloc to %zu", n);
    grown[n - 1] = 1;
  }
  free(grown);
  malloc_trim(0);
  const pid_t child = fork();
  if (child == 0) {
    work(NULL);
    _exit(0);
  }
  EXPECT(ended(child) == 0, "the child");
  return 0;
}
