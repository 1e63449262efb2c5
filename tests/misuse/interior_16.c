// EXPECT: SIGABRT "interior-free: free("
// EXPECT-LINE: block=448 slot=\d+ offset=16 state=LIVE
#include <stdlib.h>

int main(void) {
  char* p = malloc(400);
  free(p + 16);
  return 0;
}
