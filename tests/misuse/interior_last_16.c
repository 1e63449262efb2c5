// EXPECT: SIGABRT "interior-free: free("
// EXPECT-LINE: offset=432
#include <stdlib.h>

int main(void) {
  char* p = malloc(448);
  free(p + 432);
  return 0;
}
