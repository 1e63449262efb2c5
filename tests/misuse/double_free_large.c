// EXPECT: SIGABRT "double-free: free("
// REACHES: heap=large
// EXPECT-LINE: heap=large
#include <stdlib.h>

int main(void) {
  void* p = malloc(1 << 20);
  free(p);
  free(p);
  return 0;
}
