// EXPECT: SIGABRT "double-free: operator delete[]("
#include "misuse.h"

int main() {
  int* p = new int[100];
  delete[] p;
  delete[] p;
  return 0;
}
