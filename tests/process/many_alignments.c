// Many small objects at a large alignment, as heaps have them that find their header by masking an
// address.
// RUN: 64 32 100000
// RUN: 4096 64 50000
// RUN: 65536 500 20000
// RUN: 131072 500 70000
// RUN: 2097152 100 3000
#include "process.h"

int main(int argc, char** argv) {
  EXPECT(argc == 4, "usage: many_alignments ALIGNMENT BYTES NUMBER");
  const size_t alignment = (size_t)atol(argv[1]), bytes = (size_t)atol(argv[2]),
               n = (size_t)atol(argv[3]);
  char** const blocks = own_memory(n * sizeof *blocks);
  for (size_t i = 0; i < n; ++i) {
    const int error = posix_memalign((void**)&blocks[i], alignment, bytes);
    EXPECT(error == 0, "block %zu of %zu at %zu KiB", i, n, alignment >> 10);
    EXPECT((uintptr_t)blocks[i] % alignment == 0, "misaligned");
    memcpy(blocks[i], &i, sizeof i);
  }
  for (size_t i = 0; i < n; ++i) {
    EXPECT(memcmp(blocks[i], &i, sizeof i) == 0, "block %zu is another's too", i);
    free(blocks[i]);
  }
  return 0;
}
