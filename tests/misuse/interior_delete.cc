// EXPECT: SIGABRT "interior-free: operator delete("
// ROUTES: v3 counted v1
#include "misuse.h"

struct Pair {
  long first[2];
  long second[2];
};

int main() {
  auto* p = new Pair;
  ::operator delete(&p->second);
  return 0;
}
