// EXPECT: SIGABRT "double-free: cfree("
#include <stdlib.h>

void cfree(void*);

int main(void) {
  void* p = malloc(400);
  cfree(p);
  cfree(p);
  return 0;
}
