// EXPECT: OK
// EXPECT-LINE: ^hakmem: warning: HAKMEM_STATS_FILE="fd:two" is not a file name or fd:N; using stderr$
// ENV: HAKMEM_STATS_FILE=fd:two
// ROUTES: v3
#include <malloc.h>
#include <stdlib.h>

int main(void) {
  for (int i = 0; i < 100000; ++i) free(malloc(i % 5000));
  return malloc_usable_size(malloc(100)) < 100;
}
