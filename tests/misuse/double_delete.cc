// EXPECT: SIGABRT "double-free: operator delete("
// ROUTES: v3 counted v1
#include "misuse.h"

int main() {
  int* p = new int(7);
  delete p;
  delete p;
  return 0;
}
