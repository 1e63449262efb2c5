// EXPECT: SIGABRT "freed-realloc: realloc("
// EXPECT-LINE: state=CACHED
#include <stdlib.h>

int main(void) {
  char* p = malloc(400);
  free(p);
  p = realloc(p, 200);
  return 0;
}
