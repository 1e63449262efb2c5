// EXPECT: SIGABRT "invalid-free: operator delete[]("
#include "misuse.h"

int main() {
  int on_stack[40];
  delete[] on_stack;
  return 0;
}
