// EXPECT: SIGABRT "size-mismatch: operator delete("
// ROUTES: v3 counted v1
// ENV: HAKMEM_SIZED_DELETE=abort
// Deleted through a base class that has no virtual destructor.
#include "misuse.h"

struct Base {
  char bytes[16];
};
struct Derived : Base {
  char more[500];
};

int main() {
  Base* p = new Derived;
  delete p;
  return 0;
}
