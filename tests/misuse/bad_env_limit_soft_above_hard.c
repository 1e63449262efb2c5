// EXPECT: OK
// EXPECT-LINE: ^hakmem: warning: HAKMEM_LIMIT_SOFT="65M" is not at most HAKMEM_LIMIT_HARD; using HAKMEM_LIMIT_HARD$
// ENV: HAKMEM_LIMIT_SOFT=65M
// ENV: HAKMEM_LIMIT_HARD=64M
// ROUTES: v3
#include <malloc.h>
#include <stdlib.h>

int main(void) {
  for (int i = 0; i < 100000; ++i) free(malloc(i % 5000));
  return malloc_usable_size(malloc(100)) < 100;
}
