// EXPECT: SIGABRT "freed-realloc: realloc("
// Nothing would have to move.
#include <stdlib.h>

int main(void) {
  char* p = malloc(100);
  free(p);
  p = realloc(p, 100);
  return 0;
}
