// EXPECT: SIGABRT "invalid-free: free("
#include <stdlib.h>

int main(void) {
  free((void*)0xdeadbeef);
  return 0;
}
