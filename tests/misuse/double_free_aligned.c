// EXPECT: SIGABRT "double-free: free("
// ROUTES: v3 counted v1
// EXPECT-LINE: block=1024
#include <stdlib.h>

int main(void) {
  void* p = aligned_alloc(256, 1000);
  free(p);
  free(p);
  return 0;
}
