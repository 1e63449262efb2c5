// EXPECT: SIGABRT "double-free: free("
// ROUTES: v3 counted v1
// EXPECT-LINE: class=C0 block=16
#include <stdlib.h>

int main(void) {
  void* p = malloc(0);
  free(p);
  free(p);
  return 0;
}
