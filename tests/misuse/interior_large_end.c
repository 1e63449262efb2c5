// EXPECT: SIGABRT "interior-free: free("
// REACHES: heap=large
#include <stdlib.h>

int main(void) {
  char* p = malloc(1 << 20);
  free(p + (1 << 20) - 16);
  return 0;
}
