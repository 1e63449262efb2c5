// EXPECT: SIGABRT "invalid-free: free("
// REACHES: heap=none
// From a thread that never called the allocator.
#include "misuse.h"

int main() {
  in_thread([] { free((void*)0xdeadbeef0); });
  return 0;
}
