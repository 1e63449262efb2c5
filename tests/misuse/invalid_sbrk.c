// EXPECT: SIGABRT "invalid-free: free("
#include <stdlib.h>
#include <unistd.h>

int main(void) {
  free(sbrk(4096));
  return 0;
}
