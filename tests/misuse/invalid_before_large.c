// EXPECT: SIGABRT "invalid-free: free("
// REACHES: heap=none
#include <stdlib.h>

int main(void) {
  char* p = malloc(1 << 20);
  free(p - 4096);
  return 0;
}
