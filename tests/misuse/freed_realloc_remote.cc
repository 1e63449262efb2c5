// EXPECT: SIGABRT "freed-realloc: realloc("
// EXPECT-LINE: state=REMOTE
#include "misuse.h"

int main() {
  void* p = malloc(400);
  in_thread([p] { free(p); });
  p = realloc(p, 5000);
  return 0;
}
