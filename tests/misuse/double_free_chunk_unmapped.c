// EXPECT: SIGABRT "invalid-free: free("
// REACHES: heap=none
// ROUTES: v1
// v1 has given the whole chunk back: nobody knows the address any more.
#include <malloc.h>
#include <stdlib.h>

int main(void) {
  enum { kBlocks = 100000 };
  char** p = malloc(kBlocks * sizeof *p);
  for (int i = 0; i < kBlocks; ++i) p[i] = malloc(100);
  for (int i = 0; i < kBlocks; ++i) free(p[i]);
  malloc_trim(0);
  free(p[kBlocks / 2]);
  return 0;
}
