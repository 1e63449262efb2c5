// EXPECT: OK
// EXPECT-LINE: ^hakmem: warning: HAKMEM_SMALL_HEAP_V3_CLASSES="0xZZ" is not a mask from 0x0 to 0xFFFF; using the profile's mask$
// ENV: HAKMEM_SMALL_HEAP_V3_CLASSES=0xZZ
// ROUTES: v3
#include <malloc.h>
#include <stdlib.h>

int main(void) {
  for (int i = 0; i < 100000; ++i) free(malloc(i % 5000));
  return malloc_usable_size(malloc(100)) < 100;
  return 0;
}
