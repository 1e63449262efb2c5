// EXPECT: SIGABRT "misaligned-free: malloc_usable_size("
#include <malloc.h>
#include <stdlib.h>

int main(void) {
  char* p = malloc(400);
  return malloc_usable_size(p + 8) != 0;
  return 0;
}
