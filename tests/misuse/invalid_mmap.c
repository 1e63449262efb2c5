// EXPECT: SIGABRT "invalid-free: free("
// REACHES: heap=none
// Mapped by the program itself.
#include <stdlib.h>
#include <sys/mman.h>

int main(void) {
  free(mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  return 0;
}
