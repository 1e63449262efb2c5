// EXPECT: SIGABRT "invalid-free: free("
// REACHES: heap=none
#include <stdlib.h>

_Alignas(16) static char global[64];

int main(void) {
  free(global);
  return 0;
}
