// EXPECT: SIGABRT "double-free: free("
// EXPECT-LINE: ^hakmem:   heap=v3 page=0x[0-9a-f]+ class=C6 block=448 slot=\d+ offset=0 state=CACHED owner=1 this=1$
// EXPECT-LINE: ^hakmem:   build=hakmem-[0-9.]+/hardened what to do:
#include <stdlib.h>

int main(void) {
  char* p = malloc(400);
  free(p);
  free(p);
  return 0;
}
