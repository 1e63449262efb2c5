// EXPECT: SIGABRT "freed-realloc: realloc("
// REACHES: heap=large
#include <stdlib.h>

int main(void) {
  char* p = malloc(1 << 20);
  free(p);
  p = realloc(p, 1 << 21);
  return 0;
}
