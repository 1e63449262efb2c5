// EXPECT: SIGABRT "double-free: free("
// EXPECT-LINE: heap=v1
// ROUTES: v1 c6_hot
// v1: the run is empty, the chunk stays.
#include <stdlib.h>

int main(void) {
  enum { kBlocks = 4000 };
  char* p[kBlocks];
  char* other = malloc(400);
  for (int i = 0; i < kBlocks; ++i) p[i] = malloc(400);
  for (int i = 0; i < kBlocks; ++i) free(p[i]);
  free(p[kBlocks - 1]);
  free(other);
  return 0;
}
