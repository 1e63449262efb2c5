// EXPECT: SIGABRT "size-mismatch: free_sized("
#include <stdlib.h>

void free_sized(void*, size_t);

int main(void) {
  char* p = malloc(400);
  free_sized(p, 0);
  return 0;
}
