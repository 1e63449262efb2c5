// EXPECT: SIGABRT "double-free: free("
// A new thread has taken the context of the one that freed.
#include "misuse.h"

int main() {
  void* p = nullptr;
  in_thread([&] {
    p = malloc(400);
    free(p);
  });
  in_thread([&] { free(p); });
  return 0;
}
