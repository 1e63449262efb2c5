// EXPECT: SIGABRT "double-free: operator delete("
#include "misuse.h"

int main() {
  auto* p = new long[30];
  free(p);
  ::operator delete(p);
  return 0;
}
