// EXPECT: SIGABRT "double-free: free("
// realloc has moved the block and freed the old place.
#include <stdlib.h>

int main(void) {
  void* p = malloc(400);
  void* q = realloc(p, 5000);
  free(p);
  free(q);
  return 0;
}
