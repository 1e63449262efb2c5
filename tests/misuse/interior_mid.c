// EXPECT: SIGABRT "interior-free: free("
// ROUTES: v3 counted v1
// EXPECT-LINE: offset=65536
// In another system page than the block's start.
#include <stdlib.h>

int main(void) {
  char* p = malloc(100000);
  free(p + 65536);
  return 0;
}
