// EXPECT: OK
// EXPECT-LINE: ^hakmem: warning: HAKMEM_STATS_SIGNAL="SEGV" is not a signal that may be caught, such as USR2 or 12; using no signal$
// ENV: HAKMEM_STATS_SIGNAL=SEGV
// ROUTES: v3
#include <malloc.h>
#include <stdlib.h>

int main(void) {
  for (int i = 0; i < 100000; ++i) free(malloc(i % 5000));
  return malloc_usable_size(malloc(100)) < 100;
}
