// EXPECT: SIGABRT "misaligned-free: free("
// ROUTES: v3 counted v1
#include <stdlib.h>

int main(void) {
  char* p = malloc(100000);
  free(p + 50001);
  return 0;
}
