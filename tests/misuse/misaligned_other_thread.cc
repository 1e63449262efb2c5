// EXPECT: SIGABRT "misaligned-free: free("
#include "misuse.h"

int main() {
  char* p = (char*)malloc(400);
  in_thread([p] { free(p + 1); });
  return 0;
}
