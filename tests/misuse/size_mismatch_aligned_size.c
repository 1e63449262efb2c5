// EXPECT: SIGABRT "size-mismatch: free_aligned_sized("
#include <stdlib.h>

void free_aligned_sized(void*, size_t, size_t);

int main(void) {
  char* p = aligned_alloc(256, 256);
  free_aligned_sized(p, 256, 1024);
  return 0;
}
