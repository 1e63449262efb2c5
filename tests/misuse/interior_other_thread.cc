// EXPECT: SIGABRT "interior-free: free("
// EXPECT-LINE: owner=1 this=2
#include "misuse.h"

int main() {
  char* p = (char*)malloc(400);
  in_thread([p] { free(p + 16); });
  return 0;
}
