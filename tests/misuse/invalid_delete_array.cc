// EXPECT: SIGABRT "invalid-free: operator delete[]("
// REACHES: heap=none
#include "misuse.h"

int main() {
  int on_stack[40];
  int* const first = on_stack;  // an array itself cannot be deleted: Clang refuses it
  delete[] first;
  return 0;
}
