// EXPECT: SIGABRT "size-mismatch: operator delete("
// ENV: HAKMEM_SIZED_DELETE=abort
#include "misuse.h"

int main() {
  void* p = ::operator new(512, std::align_val_t{128});
  ::operator delete(p, std::size_t{4096}, std::align_val_t{128});
  return 0;
}
