// EXPECT: OK
// EXPECT-LINE: ^hakmem: warning: HAKMEM_TINY_HEAP_PROFILE="full" is not C7_SAFE, FULL or V1; using FULL$
// ENV: HAKMEM_TINY_HEAP_PROFILE=full
// ROUTES: v3
#include <malloc.h>
#include <stdlib.h>

int main(void) {
  for (int i = 0; i < 100000; ++i) free(malloc(i % 5000));
  return malloc_usable_size(malloc(100)) < 100;
  return 0;
}
