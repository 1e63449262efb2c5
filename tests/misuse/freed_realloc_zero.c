// EXPECT: SIGABRT "double-free: realloc("
// realloc(p, 0) is a free.
#include <stdlib.h>

int main(void) {
  char* p = malloc(400);
  free(p);
  p = realloc(p, 0);
  return 0;
}
