// EXPECT: SIGABRT "invalid-free: free("
// REACHES: heap=none
#include <stdlib.h>
#include <unistd.h>

int main(void) {
  free(sbrk(4096));
  return 0;
}
