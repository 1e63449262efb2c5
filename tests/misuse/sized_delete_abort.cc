// EXPECT: SIGABRT "size-mismatch: operator delete("
// EXPECT-LINE: ; stated 64 bytes$
// ENV: HAKMEM_SIZED_DELETE=abort
#include "misuse.h"

int main() {
  void* p = ::operator new(400);
  ::operator delete(p, std::size_t{64});
  return 0;
}
