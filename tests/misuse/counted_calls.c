// EXPECT: OK
// EXPECT-LINE: ^\[SMALL_HEAP_V3_STATS\] cls=6 route_hits=3 alloc_calls=3 .*free_calls=3
// ROUTES: counted
// No misuse: that on this route every call, also one that the front cache serves, is counted.
#include <stdlib.h>

int main(void) {
  for (int i = 0; i < 3; ++i) free(malloc(400));
  return 0;
}
