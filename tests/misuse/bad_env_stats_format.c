// EXPECT: OK
// EXPECT-LINE: ^hakmem: warning: HAKMEM_STATS="xml" is not text, json or prom; using none of them$
// ENV: HAKMEM_STATS=xml
// ROUTES: v3
#include <malloc.h>
#include <stdlib.h>

int main(void) {
  for (int i = 0; i < 100000; ++i) free(malloc(i % 5000));
  return malloc_usable_size(malloc(100)) < 100;
}
