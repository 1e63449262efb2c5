// EXPECT: SIGABRT "double-free: free("
// EXPECT-LINE: heap=v1 .*class=C6 .*state=CACHED
// ROUTES: c6_hot
// A block of v1 in the front cache.
#include <stdlib.h>

int main(void) {
  void* p = malloc(500);
  free(p);
  free(p);
  return 0;
}
