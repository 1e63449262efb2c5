// EXPECT: SIGABRT "interior-free: realloc("
#include <stdlib.h>

int main(void) {
  char* p = malloc(400);
  p = realloc(p + 16, 200);
  return 0;
}
