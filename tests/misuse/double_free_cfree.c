// EXPECT: SIGABRT "double-free: cfree("
#include <stdlib.h>

void cfree(void*);

int main(void) {
  void* p = malloc(100);
  cfree(p);
  cfree(p);
  return 0;
}
