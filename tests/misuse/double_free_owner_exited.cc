// EXPECT: SIGABRT "double-free: free("
// The block's thread is gone, its context is parked.
#include "misuse.h"

int main() {
  void* p = nullptr;
  in_thread([&] { p = malloc(400); });
  free(p);
  free(p);
  return 0;
}
