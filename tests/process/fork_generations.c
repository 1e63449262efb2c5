// A program hands itself over to its child, again and again; in each generation four threads
// replace all its objects and stay. The program never holds more: neither may the process.
#include <stdatomic.h>

#include "process.h"

enum { kObjects = 20000, kThreads = 4, kGenerations = 20 };
static char* objects[kObjects];
static atomic_int ready;

static void* replace(void* argument) {
  for (size_t i = (uintptr_t)argument; i < kObjects; i += kThreads) {
    const size_t bytes = 500 + i % 1000;
    free(objects[i]);
    objects[i] = malloc(bytes);
    memset(objects[i], 1, bytes);
  }
  atomic_fetch_add(&ready, 1);
  for (;;) pause();
  return NULL;
}

int main(void) {
  long third = 0;
  for (int generation = 0;; ++generation) {
    atomic_store(&ready, 0);
    for (uintptr_t i = 0; i < kThreads; ++i) start(replace, (void*)i);
    while (atomic_load(&ready) < kThreads) usleep(200);
    if (generation == 2) third = rss_mib();
    if (generation == kGenerations) break;
    const pid_t child = fork();
    if (child != 0) _exit(ended(child));
  }
  EXPECT(rss_mib() < third * 5 / 2, "third generation: %ld, last: %ld MiB", third, rss_mib());
  _exit(0);
}
