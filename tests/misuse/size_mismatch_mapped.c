// EXPECT: SIGABRT "size-mismatch: free_sized("
// REACHES: heap=large
// A large block stated to be a small one.
#include <stdlib.h>

void free_sized(void*, size_t);

int main(void) {
  char* p = malloc(1 << 20);
  free_sized(p, 100);
  return 0;
}
