// EXPECT: SIGABRT "invalid-free: free("
// REACHES: heap=none
#include <stdlib.h>

int main(void) {
  _Alignas(16) char on_stack[64];
  free(on_stack);
  return 0;
}
