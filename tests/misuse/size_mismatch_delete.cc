// EXPECT: SIGABRT "size-mismatch: operator delete("
// ENV: HAKMEM_SIZED_DELETE=abort
#include "misuse.h"

int main() {
  void* p = ::operator new(400);
  ::operator delete(p, std::size_t{64});
  return 0;
}
