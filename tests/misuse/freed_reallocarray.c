// EXPECT: SIGABRT "freed-realloc: realloc("
#define _GNU_SOURCE
#include <stdlib.h>

int main(void) {
  char* p = malloc(400);
  free(p);
  p = reallocarray(p, 10, 20);
  return 0;
}
