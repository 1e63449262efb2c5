// EXPECT: SIGABRT "double-free: free("
// EXPECT-LINE: state=FREE owner=0
// ROUTES: v3 counted
// The block's page has gone back to the cold box.
#include <malloc.h>
#include <stdlib.h>

int main(void) {
  enum { kBlocks = 20000 };
  char* p[kBlocks];
  for (int i = 0; i < kBlocks; ++i) p[i] = malloc(100);
  for (int i = 0; i < kBlocks; ++i) free(p[i]);
  malloc_trim(0);
  free(p[100]);
  return 0;
}
