// EXPECT: SIGABRT "double-free: operator delete("
// ROUTES: v3 counted v1
#include "misuse.h"

int main() {
  auto* p = new long[30];
  free(p);
  ::operator delete(p);
  return 0;
}
