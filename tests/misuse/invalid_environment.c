// EXPECT: SIGABRT "invalid-free: free("
// REACHES: heap=none
#include <stdlib.h>

int main(void) {
  free(getenv("PATH"));
  return 0;
}
