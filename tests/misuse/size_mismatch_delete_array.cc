// EXPECT: SIGABRT "size-mismatch: operator delete[]("
// ROUTES: v3 counted v1
// ENV: HAKMEM_SIZED_DELETE=abort
#include "misuse.h"

int main() {
  void* p = ::operator new[](4096);
  ::operator delete[](p, std::size_t{100});
  return 0;
}
