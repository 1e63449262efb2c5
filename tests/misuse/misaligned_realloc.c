// EXPECT: SIGABRT "misaligned-free: realloc("
#include <stdlib.h>

int main(void) {
  char* p = malloc(400);
  p = realloc(p + 8, 200);
  return 0;
}
