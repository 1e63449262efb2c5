// Zeroed tables of which one page is used, as hash tables and stacks of coroutines are: fresh
// memory needs no writing.
// RUN: 65536
// RUN: 131072
// RUN: 200000
// RUN: 262144
// RUN: 300000
// RUN: 1048576
#include "process.h"

static long resident_tables(size_t bytes, size_t n, char** tables) {
  const long before = rss_mib();
  for (size_t i = 0; i < n; ++i) {
    tables[i] = calloc(1, bytes);
    EXPECT(tables[i] != NULL, "%zu bytes", bytes);
    EXPECT(tables[i][bytes / 2] == 0 && tables[i][bytes - 1] == 0, "zeroes");
    tables[i][0] = 1;
  }
  return rss_mib() - before;
}

int main(int argc, char** argv) {
  EXPECT(argc == 2, "usage: sparse_tables BYTES");
  const size_t bytes = (size_t)atol(argv[1]), n = MIB(512) / bytes;
  char** const tables = own_memory(n * sizeof *tables);
  const long limit = (long)(n * bytes >> 20) * 2 / 3;
  const long fresh = resident_tables(bytes, n, tables);
  EXPECT(fresh <= limit, "%zu tables of %zu KiB: %ld MiB resident", n, bytes >> 10, fresh);
  return 0;
}
