// EXPECT: SIGABRT "invalid-free: free("
// REACHES: heap=none
#include <stdlib.h>

int main(void) {
  free((void*)0x8000123412341230);
  return 0;
}
