// EXPECT: SIGABRT "double-free: free_sized("
// The size is right, the block is not.
#include <stdlib.h>

void free_sized(void*, size_t);

int main(void) {
  char* p = malloc(400);
  free(p);
  free_sized(p, 400);
  return 0;
}
