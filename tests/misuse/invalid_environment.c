// EXPECT: SIGABRT "invalid-free: free("
#include <stdlib.h>

int main(void) {
  free(getenv("PATH"));
  return 0;
}
