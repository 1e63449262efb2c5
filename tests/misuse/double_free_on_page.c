// EXPECT: SIGABRT "double-free: free("
// EXPECT-LINE: state=FREE
// The block has left the front cache and is on its page's freelist.
#include <stdlib.h>

int main(void) {
  enum { kBlocks = 2000 };
  char* p[kBlocks];
  for (int i = 0; i < kBlocks; ++i) p[i] = malloc(400);
  for (int i = 0; i < kBlocks; i += 2) free(p[i]);
  free(p[0]);
  return 0;
}
