// EXPECT: SIGABRT "interior-free: free("
// REACHES: heap=large
// EXPECT-LINE: heap=large .*offset=4096
#include <stdlib.h>

int main(void) {
  char* p = malloc(1 << 20);
  free(p + 4096);
  return 0;
}
