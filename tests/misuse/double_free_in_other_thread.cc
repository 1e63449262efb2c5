// EXPECT: SIGABRT "double-free: free("
// EXPECT-LINE: state=CACHED
// The owner frees first.
#include "misuse.h"

int main() {
  void* p = malloc(400);
  free(p);
  in_thread([p] { free(p); });
  return 0;
}
