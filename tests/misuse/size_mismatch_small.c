// EXPECT: SIGABRT "size-mismatch: free_sized("
// ROUTES: v3 counted v1
// EXPECT-LINE: ; stated 100 bytes$
// EXPECT-LINE: block=1024 .*state=LIVE owner=1 this=1$
#include <stdlib.h>

void free_sized(void*, size_t);

int main(void) {
  char* p = malloc(1000);
  free_sized(p, 100);
  return 0;
}
