// EXPECT: SIGABRT "invalid-free: free("
// REACHES: heap=(v3|none)
// Within the arena, but nothing was ever handed out there.
#include <stdint.h>
#include <stdlib.h>

int main(void) {
  char* p = malloc(100);
  free((void*)(((uintptr_t)p & ~(uintptr_t)0x1fffff) + ((uintptr_t)1 << 26)));
  return 0;
}
