// Threads are cancelled whose next call is one of the allocator's. None of its functions is a
// cancellation point: each call returns, and no lock is lost.
#include <stdatomic.h>

#include "process.h"

static atomic_int go, done;

static void* first_call(void* argument) {
  while (!atomic_load(&go)) {
  }
  void* volatile p = malloc((size_t)(uintptr_t)argument);
  free(p);
  atomic_fetch_add(&done, 1);
  return argument;
}

static void* all_calls(void* argument) {
  while (!atomic_load(&go)) {
  }
  for (size_t n = 1; n < MIB(64); n = n * 3 + 1) {
    void* volatile p = malloc(n);
    p = realloc(p, n * 2);
    free(p);
    free(calloc(1, n));
    free(aligned_alloc(64, n / 64 * 64 + 64));
  }
  malloc_trim(0);
  atomic_fetch_add(&done, 1);
  return argument;
}

static void cancelled(void* (*body)(void*), size_t bytes, const char* what) {
  atomic_store(&go, 0);
  atomic_store(&done, 0);
  pthread_t thread = start(body, (void*)(uintptr_t)bytes);
  pthread_cancel(thread);
  atomic_store(&go, 1);
  void* result = NULL;
  pthread_join(thread, &result);
  EXPECT(atomic_load(&done) == 1, "%s: the thread ended inside", what);
}

int main(void) {
  alarm(200);
  free(malloc(32));
  static const size_t sizes[] = {16, 700, 30000, 200000, 400000, 40000000};
  for (int i = 0; i < 6; ++i) cancelled(first_call, sizes[i], "a first malloc");
  for (int i = 0; i < 5; ++i) cancelled(all_calls, 0, "calls of all kinds");
  pthread_join(start(all_calls, NULL), NULL);
  const pid_t child = fork();
  if (child == 0) _exit(0);
  EXPECT(ended(child) == 0, "the child");
  return 0;
}
