// EXPECT: SIGABRT "invalid-free: free("
// ROUTES: v3 counted
// One past the end of a page's last block.
#include <hakmem/hakmem.h>
#include <stdlib.h>

int main(void) {
  struct hak_page page;
  char* base = hak_page_of(malloc(1000), &page);
  free(base + page.capacity * page.block_size);
  return 0;
}
