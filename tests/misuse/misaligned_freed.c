// EXPECT: SIGABRT "misaligned-free: free("
#include <stdlib.h>

int main(void) {
  char* p = malloc(400);
  free(p);
  free(p + 8);
  return 0;
}
