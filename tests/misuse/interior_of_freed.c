// EXPECT: SIGABRT "interior-free: free("
// EXPECT-LINE: offset=32 state=CACHED
#include <stdlib.h>

int main(void) {
  char* p = malloc(400);
  free(p);
  free(p + 32);
  return 0;
}
