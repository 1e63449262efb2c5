// EXPECT: SIGABRT "double-free: free("
// After main, on the way out.
#include <stdlib.h>

static void* p;
static void free_p(void) { free(p); }

int main(void) {
  p = malloc(400);
  atexit(free_p);
  atexit(free_p);
  return 0;
}
