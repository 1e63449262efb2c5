// EXPECT: SIGABRT "double-free: free("
#include <stdlib.h>

int main(void) {
  void* p = calloc(10, 40);
  free(p);
  free(p);
  return 0;
}
