// Much is freed at once; then the program stays busy with one small block. What was freed goes
// back all the same, but for what may stay for the next use.
// RUN: 60000
// RUN: 900
// RUN: 600000
#include "process.h"

int main(int argc, char** argv) {
  EXPECT(argc == 2, "usage: release_held BYTES");
  const size_t bytes = (size_t)atol(argv[1]), n = MIB(256) / bytes;
  char** const blocks = own_memory(n * sizeof *blocks);
  for (size_t i = 0; i < n; ++i) {
    blocks[i] = malloc(bytes);
    memset(blocks[i], 1, bytes);
  }
  const long peak = rss_mib();
  for (size_t i = 0; i < n; ++i) free(blocks[i]);
  const long freed = rss_mib();
  const double begin = cpu_seconds(CLOCK_MONOTONIC);
  const long most = peak / 8 + 72;
  while (rss_mib() > most && cpu_seconds(CLOCK_MONOTONIC) - begin < 6) {
    for (int i = 0; i < 100000; ++i) {
      void* volatile p = malloc(32);
      free(p);
    }
  }
  EXPECT(rss_mib() <= most, "peak %ld, freed %ld, 6 busy seconds later %ld MiB", peak, freed,
         rss_mib());
  return 0;
}
