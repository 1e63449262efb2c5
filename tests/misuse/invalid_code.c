// EXPECT: SIGABRT "invalid-free: free("
#include <stdlib.h>

int main(void);

int main(void) {
  free((void*)main);
  return 0;
}
