// EXPECT: SIGABRT "invalid-free: free("
// REACHES: heap=none
// The allocator's own data.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

int main(void) {
  void* heap_state = dlsym(RTLD_DEFAULT, "free");
  free((void*)((size_t)heap_state & ~(size_t)15));
  return 0;
}
