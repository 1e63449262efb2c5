// EXPECT: SIGABRT "invalid-free: free("
// EXPECT-LINE: heap=v3 .*offset=0
// ROUTES: v3 counted
// The last block of a page of which little was handed out.
#include <hakmem/hakmem.h>
#include <stdlib.h>

int main(void) {
  struct hak_page page;
  char* base = hak_page_of(malloc(100), &page);
  free(base + (page.capacity - 1) * page.block_size);
  return 0;
}
