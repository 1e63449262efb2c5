// EXPECT: SIGABRT "double-free: malloc_usable_size("
#include <malloc.h>
#include <stdlib.h>

int main(void) {
  char* p = malloc(400);
  free(p);
  return malloc_usable_size(p) != 0;
  return 0;
}
