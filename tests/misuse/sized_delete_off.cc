// EXPECT: OK
// EXPECT-LINE: (?s)\A(?!.*hakmem:)
// ENV: HAKMEM_SIZED_DELETE=off
#include "misuse.h"

int main() {
  void* p = ::operator new(400);
  ::operator delete(p, std::size_t{64});
  return 0;
}
