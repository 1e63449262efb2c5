// EXPECT: SIGABRT "misaligned-free: free("
#include <stdlib.h>

int main(void) {
  char* p = malloc(100);
  free(p);
  free(p + 8);
  return 0;
}
