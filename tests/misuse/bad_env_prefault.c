// EXPECT: OK
// EXPECT-LINE: ^hakmem: warning: HAKMEM_PREFAULT="yes" is not 0 or 1; using 0$
// ENV: HAKMEM_PREFAULT=yes
// ROUTES: v3
#include <malloc.h>
#include <stdlib.h>

int main(void) {
  for (int i = 0; i < 100000; ++i) free(malloc(i % 5000));
  return malloc_usable_size(malloc(100)) < 100;
}
