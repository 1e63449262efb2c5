// Fork handlers that are registered before anything allocates run after the allocator's own in the
// preparing thread; they allocate all sizes, and may wait for a thread that allocates.
// RUN:
// RUN: waits
#include <stdatomic.h>

#include "process.h"

static atomic_int asked, answered;
static int waits;
static char* held[6];

static void use(void) {
  static const size_t sizes[] = {100, 5000, 50000, 250000, 600000, 5000000};
  for (int i = 0; i < 6; ++i) {
    free(held[i]);
    held[i] = malloc(sizes[i]);
    EXPECT(held[i] != NULL, "%zu bytes", sizes[i]);
    touch(held[i], sizes[i]);
  }
}

static void prepare(void) {
  use();
  if (!waits) return;
  const int question = atomic_fetch_add(&asked, 1) + 1;
  while (atomic_load(&answered) != question) usleep(100);
}

__attribute__((constructor(101))) static void before_all(void) {
  pthread_atfork(prepare, use, use);
}

static void* answer(void* argument) {
  char* blocks[64] = {NULL};
  uint64_t seed = 3;
  for (unsigned n = 0;; ++n) {
    if (n % 32 == 0) usleep(100);
    const size_t at = below(&seed, 64);
    free(blocks[at]);
    blocks[at] = malloc(below(&seed, 700000));
    const int question = atomic_load(&asked);
    if (question == atomic_load(&answered)) continue;
    free(malloc(400000));
    free(malloc(120000));
    atomic_store(&answered, question);
  }
  return argument;
}

int main(int argc, char** argv) {
  (void)argv;
  waits = argc > 1;
  alarm(200);
  start(answer, NULL);
  for (int i = 0; i < 20; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(150);
      use();
      _exit(0);
    }
    const int how = ended(child);
    EXPECT(how == 0, "child %d ended with %d", i, how);
  }
  return 0;
}
