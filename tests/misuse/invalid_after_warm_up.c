// EXPECT: SIGABRT "invalid-free: free("
// REACHES: heap=none
// A heap that is in use does not know it either.
#include <stdlib.h>

int main(void) {
  for (int i = 0; i < 10000; ++i) (void)malloc(i % 5000);
  free((void*)0xdeadbeef0);
  return 0;
}
