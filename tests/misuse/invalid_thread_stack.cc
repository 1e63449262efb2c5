// EXPECT: SIGABRT "invalid-free: free("
// REACHES: heap=none
#include "misuse.h"

int main() {
  in_thread([] {
    alignas(16) char on_stack[64];
    free(on_stack);
  });
  return 0;
}
