// EXPECT: OK
// EXPECT-LINE: ^hakmem: warning: HAKMEM_THP="on" is not never, madvise or always; using the system's setting$
// ENV: HAKMEM_THP=on
// ROUTES: v3
#include <malloc.h>
#include <stdlib.h>

int main(void) {
  for (int i = 0; i < 100000; ++i) free(malloc(i % 5000));
  return malloc_usable_size(malloc(100)) < 100;
}
