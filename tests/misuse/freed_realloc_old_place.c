// EXPECT: SIGABRT "freed-realloc: realloc("
// The block was moved by an earlier realloc.
#include <stdlib.h>

int main(void) {
  char* p = malloc(400);
  char* q = realloc(p, 5000);
  p = realloc(p, 10000);
  free(q);
  return 0;
}
