// A program with a large heap, mostly freed, forks a child that ends at once. Neither pays for
// every block there has been: page faults of the child count what it touched.
// MEASURE: child_faults <= 3 * glibc + 150
#include "process.h"

enum { kBlocks = 3000000, kForks = 5 };

int main(void) {
  char** const blocks = own_memory(kBlocks * sizeof *blocks);
  for (int i = 0; i < kBlocks; ++i) {
    blocks[i] = malloc(32);
    memset(blocks[i], 1, 32);
  }
  for (int i = 0; i < kBlocks; ++i) {
    if (i % 16 != 0) free(blocks[i]);
  }
  for (int i = 0; i < kForks; ++i) {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    EXPECT(ended(child) == 0, "the child");
  }
  measure("child_faults", (double)page_faults(RUSAGE_CHILDREN) / kForks);
  return 0;
}
