// EXPECT: SIGABRT "invalid-free: free("
// REACHES: heap=none
#include <stddef.h>
#include <stdlib.h>

int main(void) {
  free((void*)~(size_t)15);
  return 0;
}
