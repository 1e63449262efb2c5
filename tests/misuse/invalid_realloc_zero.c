// EXPECT: SIGABRT "invalid-free: realloc("
// REACHES: heap=none
#include <stdlib.h>

int main(void) {
  return realloc((void*)0xdeadbeef0, 0) != NULL;
  return 0;
}
