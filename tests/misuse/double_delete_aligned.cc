// EXPECT: SIGABRT "double-free: operator delete("
// ROUTES: v3 counted v1
#include "misuse.h"

struct alignas(128) Wide {
  char bytes[128];
};

int main() {
  auto* p = new Wide;
  delete p;
  delete p;
  return 0;
}
