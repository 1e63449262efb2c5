// EXPECT: SIGABRT "misaligned-free: free("
#include <stdlib.h>

int main(void) {
  char* p = malloc(100000);
  free(p + 50001);
  return 0;
}
