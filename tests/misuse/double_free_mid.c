// EXPECT: SIGABRT "double-free: free("
// ROUTES: v3 counted v1
// EXPECT-LINE: class=C12
#include <stdlib.h>

int main(void) {
  void* p = malloc(20000);
  free(p);
  free(p);
  return 0;
}
