// EXPECT: SIGABRT "invalid-free: operator delete("
// REACHES: heap=none
#include "misuse.h"

int main() {
  int on_stack = 0;
  delete &on_stack;
  return 0;
}
