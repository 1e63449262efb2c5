// Long after a peak the allocator's own records of it are gone too: of many small blocks, and of
// many threads.
// RUN: blocks 16
// RUN: blocks 48
// RUN: threads
// MEASURE: left_mib <= 1.5 * glibc + 24
#include "process.h"

struct node {
  struct node* next;
};
static pthread_barrier_t all_here;

static void* twelve_sizes(void* argument) {
  void* held[12];
  for (size_t i = 0; i < 12; ++i) held[i] = malloc((size_t)16 << i);
  pthread_barrier_wait(&all_here);
  for (size_t i = 0; i < 12; ++i) free(held[i]);
  return argument;
}

static void many_threads(void) {
  enum { kThreads = 1000 };
  pthread_t* const threads = own_memory(kThreads * sizeof *threads);
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, KIB(64));
  pthread_barrier_init(&all_here, NULL, kThreads);
  for (int i = 0; i < kThreads; ++i) {
    EXPECT(pthread_create(&threads[i], &small, twelve_sizes, NULL) == 0, "thread %d", i);
  }
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
}

static void many_blocks(size_t bytes) {
  struct node* list = NULL;
  for (size_t i = 0; i < MIB(256) / bytes; ++i) {
    struct node* const one = malloc(bytes);
    one->next = list;
    list = one;
  }
  while (list != NULL) {
    struct node* const next = list->next;
    free(list);
    list = next;
  }
}

int main(int argc, char** argv) {
  EXPECT(argc >= 2, "usage: records_kept blocks BYTES | threads");
  free(malloc(100));
  const long before = rss_mib();
  if (argc > 2) {
    many_blocks((size_t)atol(argv[2]));
  } else {
    many_threads();
  }
  for (int i = 0; i < 3; ++i) {
    usleep(600000);
    free(malloc(100));
    malloc_trim(0);
  }
  measure("left_mib", (double)(rss_mib() - before));
  return 0;
}
