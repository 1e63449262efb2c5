// Two threads free one block at the same moment, the owner on a slow path. It may be reported; if
// it is not, the block must not be handed out twice. A fault of the program's: only a library that
// checks frees promises anything.
// PROMISED: hardened
#include <stdatomic.h>

#include "process.h"

enum { kTrials = 400, kBytes = 1000, kBlocks = 16000 };
static atomic_int here, go;
static void* volatile shared;
static int delay_mine, delay_other;

static void spin(int n) {
  for (volatile int i = 0; i < n; ++i) {
  }
}

static void* other(void* argument) {
  free(malloc(64));
  atomic_store(&here, 1);
  while (!atomic_load(&go)) {
  }
  spin(delay_other);
  free(shared);
  return argument;
}

// 0: no block twice.
static int trial(void) {
  static void* blocks[kBlocks];
  for (int i = 0; i < kBlocks; ++i) blocks[i] = malloc(kBytes);
  shared = blocks[kBlocks / 2];
  for (int i = 0; i < kBlocks; ++i) {  // enough to be on slow paths for a while
    if (abs(i - kBlocks / 2) > 40) free(blocks[i]);
  }
  pthread_t thread = start(other, NULL);
  while (!atomic_load(&here)) {
  }
  atomic_store(&go, 1);
  spin(delay_mine);
  free(shared);
  pthread_join(thread, NULL);
  void* handed[200];
  for (int i = 0; i < 200; ++i) {
    handed[i] = malloc(kBytes);
    for (int k = 0; k < i; ++k) {
      if (handed[k] == handed[i]) return 1;
    }
  }
  return 0;
}

int main(void) {
  uint64_t seed = 7;
  int reported = 0, twice = 0, otherwise = 0;
  for (int i = 0; i < kTrials; ++i) {
    delay_mine = (int)below(&seed, 40);
    delay_other = (int)below(&seed, 40);
    const pid_t child = fork();
    if (child == 0) {
      alarm(100);
      dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
      _exit(trial());
    }
    const int how = ended(child);
    reported += how == 128 + SIGABRT;
    twice += how == 1;
    otherwise += how != 0 && how != 1 && how != 128 + SIGABRT;
  }
  EXPECT(twice == 0 && otherwise == 0, "%d trials: %d reported, %d handed out twice, %d crashed",
         kTrials, reported, twice, otherwise);
  return 0;
}
