// EXPECT: SIGABRT "invalid-free: free("
// REACHES: heap=none
// One past the end of a large block.
#include <malloc.h>
#include <stdlib.h>

int main(void) {
  char* p = malloc(1 << 20);
  free(p + malloc_usable_size(p));
  return 0;
}
