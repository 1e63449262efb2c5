// EXPECT: SIGABRT "invalid-free: free("
#include <stdlib.h>

int main(void) {
  free((void*)16);
  return 0;
}
