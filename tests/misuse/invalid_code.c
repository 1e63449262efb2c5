// EXPECT: SIGABRT "invalid-free: free("
// REACHES: heap=none
#include <stdlib.h>

int main(void);

int main(void) {
  free((void*)main);
  return 0;
}
