// EXPECT: SIGABRT "invalid-free: free("
#include <stdlib.h>

int main(void) {
  free((void*)"a string literal");
  return 0;
}
