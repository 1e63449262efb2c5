// EXPECT: OK
// EXPECT-LINE: ^hakmem: warning: HAKMEM_LIMIT_HARD="1GB" is not bytes, with K, M, G or T, or cgroup; using no limit$
// ENV: HAKMEM_LIMIT_HARD=1GB
// ROUTES: v3
#include <malloc.h>
#include <stdlib.h>

int main(void) {
  for (int i = 0; i < 100000; ++i) free(malloc(i % 5000));
  return malloc_usable_size(malloc(100)) < 100;
}
