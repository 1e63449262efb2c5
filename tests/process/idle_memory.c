// Memory is freed and the program then waits for input: no call any more. Most goes back, now or
// soon, by itself; 64 MiB may stay for the next use.
// RUN: 64
// RUN: 1000
// RUN: 30000
// RUN: 1000000
// RUN: 30000000
#include "process.h"

int main(int argc, char** argv) {
  EXPECT(argc == 2, "usage: idle_memory BYTES");
  const size_t bytes = (size_t)atol(argv[1]), n = MIB(256) / bytes;
  char** const blocks = own_memory(n * sizeof *blocks);
  for (size_t i = 0; i < n; ++i) {
    blocks[i] = malloc(bytes);
    memset(blocks[i], 1, bytes);
  }
  const long peak = rss_mib();
  for (size_t i = 0; i < n; ++i) {
    if (i % 100000 != 99999) free(blocks[i]);
  }
  const long freed = rss_mib();
  const long most = peak / 8 + 72;
  for (int i = 0; i < 40 && rss_mib() > most; ++i) usleep(100000);
  EXPECT(rss_mib() <= most, "peak %ld, freed %ld, idle for 4 s %ld MiB", peak, freed, rss_mib());
  return 0;
}
