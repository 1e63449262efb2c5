// EXPECT: SIGABRT "size-mismatch: free_aligned_sized("
// ROUTES: v3 counted v1
#include <stdlib.h>

void free_aligned_sized(void*, size_t, size_t);

int main(void) {
  char* p = aligned_alloc(256, 256);
  free_aligned_sized(p, 256, 1024);
  return 0;
}
