// EXPECT: SIGABRT "freed-realloc: realloc("
// EXPECT-LINE: state=REMOTE
#include "misuse.h"

int main() {
  void* p = malloc(100);
  in_thread([p] { free(p); });
  p = realloc(p, 5000);
  return 0;
}
