// EXPECT: SIGABRT "invalid-free: malloc_usable_size("
// REACHES: heap=none
#include <malloc.h>

int main(void) {
  return malloc_usable_size((void*)0xdeadbeef0) != 0;
  return 0;
}
