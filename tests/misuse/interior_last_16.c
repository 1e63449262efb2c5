// EXPECT: SIGABRT "interior-free: free("
// EXPECT-LINE: offset=96
#include <stdlib.h>

int main(void) {
  char* p = malloc(112);
  free(p + 96);
  return 0;
}
