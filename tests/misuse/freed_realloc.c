// EXPECT: SIGABRT "freed-realloc: realloc("
// EXPECT-LINE: state=CACHED
#include <stdlib.h>

int main(void) {
  char* p = malloc(100);
  free(p);
  p = realloc(p, 200);
  return 0;
}
