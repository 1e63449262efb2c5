// EXPECT: SIGABRT "double-free: free("
// REACHES: heap=large
// Growing has moved the block.
#include <stdlib.h>

int main(void) {
  void* p = malloc(1 << 20);
  void* wall = malloc(1 << 20);
  void* q = realloc(p, 1 << 25);
  if (q == p) abort();
  free(p);
  free(wall);
  return 0;
}
