// EXPECT: SIGABRT "interior-free: free("
// EXPECT-LINE: block=112 slot=\d+ offset=16 state=LIVE
#include <stdlib.h>

int main(void) {
  char* p = malloc(100);
  free(p + 16);
  return 0;
}
