// EXPECT: OK
// EXPECT-LINE: ^hakmem: warning: HAKMEM_SIZED_DELETE="no" is not abort, warn or off; using warn$
// ENV: HAKMEM_SIZED_DELETE=no
// ROUTES: v3
#include <malloc.h>
#include <stdlib.h>

int main(void) {
  for (int i = 0; i < 100000; ++i) free(malloc(i % 5000));
  return malloc_usable_size(malloc(100)) < 100;
}
