// EXPECT: SIGABRT "double-free: free_sized("
// Neither is right: the worse one is reported.
#include <stdlib.h>

void free_sized(void*, size_t);

int main(void) {
  char* p = malloc(400);
  free(p);
  free_sized(p, 1000);
  return 0;
}
