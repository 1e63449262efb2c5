// EXPECT: SIGABRT "freed-realloc: realloc("
// Nothing would have to move.
#include <stdlib.h>

int main(void) {
  char* p = malloc(400);
  free(p);
  p = realloc(p, 400);
  return 0;
}
