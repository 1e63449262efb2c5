// EXPECT: SIGABRT "misaligned-free: free("
// EXPECT-LINE: offset=1
#include <stdlib.h>

int main(void) {
  char* p = malloc(400);
  free(p + 1);
  return 0;
}
