// EXPECT: SIGABRT "misaligned-free: free("
#include <stdlib.h>

int main(void) {
  char* p = malloc(112);
  free(p + 111);
  return 0;
}
