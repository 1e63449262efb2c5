// EXPECT: SIGABRT "invalid-free: free("
// REACHES: heap=none
// ROUTES: v3 counted
// The byte before a page is the guard of another one or was never lent.
#include <hakmem/hakmem.h>
#include <stddef.h>
#include <stdlib.h>

int main(void) {
  char* base = hak_page_of(malloc(100), NULL);
  free(base - 16);
  return 0;
}
