// EXPECT: SIGABRT "double-free: free("
// EXPECT-LINE: state=REMOTE
// Both frees come from threads that do not own the block.
#include "misuse.h"

int main() {
  void* p = malloc(400);
  in_thread([p] { free(p); });
  in_thread([p] { free(p); });
  return 0;
}
