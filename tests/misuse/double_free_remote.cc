// EXPECT: SIGABRT "double-free: free("
// EXPECT-LINE: state=REMOTE
// Another thread frees first; the owner has not heard of it yet.
#include "misuse.h"

int main() {
  void* p = malloc(400);
  in_thread([p] { free(p); });
  free(p);
  return 0;
}
