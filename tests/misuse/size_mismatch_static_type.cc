// EXPECT: SIGABRT "size-mismatch: operator delete("
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
