// EXPECT: SIGABRT "interior-free: operator delete("
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
