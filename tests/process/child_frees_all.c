// Threads of the parent, alive at the fork or gone, have built most of its memory. The child drops
// it and builds as much anew, three times: it must not come to hold both, and what it gives up
// goes back.
// RUN: alive
// RUN: gone
#include <stdatomic.h>

#include "process.h"

enum { kBlocks = 80 << 10, kBytes = 1000, kThreads = 4 };
static char** blocks;
static atomic_int ready;
static int stays;

static void* build(void* argument) {
  for (size_t i = (uintptr_t)argument; i < kBlocks; i += kThreads) {
    blocks[i] = malloc(kBytes);
    memset(blocks[i], 1, kBytes);
  }
  atomic_fetch_add(&ready, 1);
  while (stays) pause();
  return NULL;
}

static void in_child(long before) {
  long peak = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < kBlocks; ++i) free(blocks[i]);
    for (int i = 0; i < kBlocks; ++i) {
      blocks[i] = malloc(kBytes);
      memset(blocks[i], 2, kBytes);
    }
    if (rss_mib() > peak) peak = rss_mib();
  }
  EXPECT(peak < before + 40, "the parent had %ld, the child came to %ld MiB", before, peak);
  for (int i = 0; i < kBlocks; ++i) free(blocks[i]);
  malloc_trim(0);
  usleep(600000);
  free(malloc(kBytes));
  malloc_trim(0);
  EXPECT(rss_mib() < 60, "%ld MiB are left when all is freed", rss_mib());
}

int main(int argc, char** argv) {
  stays = argc > 1 && strcmp(argv[1], "alive") == 0;
  blocks = own_memory(sizeof *blocks * kBlocks);
  pthread_t threads[kThreads];
  for (uintptr_t i = 0; i < kThreads; ++i) threads[i] = start(build, (void*)i);
  while (atomic_load(&ready) < kThreads) usleep(1000);
  for (int i = 0; i < kThreads && !stays; ++i) pthread_join(threads[i], NULL);
  const long before = rss_mib();
  const pid_t child = fork();
  if (child == 0) {
    in_child(before);
    _exit(0);
  }
  _exit(ended(child));
}
