// EXPECT: SIGABRT "double-free: free("
// EXPECT-LINE: state=CACHED
// Many calls of other sizes in between.
#include <stdlib.h>

int main(void) {
  char* p = malloc(400);
  free(p);
  for (int i = 0; i < 10000; ++i) free(malloc(200 + i % 1000));
  free(p);
  return 0;
}
