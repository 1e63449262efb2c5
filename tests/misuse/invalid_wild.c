// EXPECT: SIGABRT "invalid-free: free("
// REACHES: heap=none
// EXPECT-LINE: ^hakmem: fatal: invalid-free: free\(0xdeadbeef0\): hakmem never handed out this pointer$
// EXPECT-LINE: heap=none page=none
#include <stdlib.h>

int main(void) {
  free((void*)0xdeadbeef0);
  return 0;
}
