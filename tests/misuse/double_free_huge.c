// EXPECT: SIGABRT "double-free: free("
// REACHES: heap=large
// EXPECT-LINE: heap=large
// Too large to be cached: unmapped at once.
#include <stdlib.h>

int main(void) {
  void* p = malloc(1 << 27);
  free(p);
  free(p);
  return 0;
}
