// EXPECT: OK
// EXPECT-LINE: ^hakmem: warning: HAKMEM_DEEPBIND="1" is not drop or keep; using drop$
// ENV: HAKMEM_DEEPBIND=1
// ROUTES: v3
#include <malloc.h>
#include <stdlib.h>

int main(void) {
  for (int i = 0; i < 100000; ++i) free(malloc(i % 5000));
  return malloc_usable_size(malloc(100)) < 100;
}
