// EXPECT: SIGABRT "double-free: hak_free("
#include <hakmem/hakmem.h>

int main(void) {
  void* p = hak_malloc(400);
  hak_free(p);
  hak_free(p);
  return 0;
}
