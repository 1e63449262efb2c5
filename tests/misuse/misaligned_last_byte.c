// EXPECT: SIGABRT "misaligned-free: free("
#include <stdlib.h>

int main(void) {
  char* p = malloc(448);
  free(p + 447);
  return 0;
}
