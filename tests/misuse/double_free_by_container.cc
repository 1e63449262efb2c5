// EXPECT: SIGABRT "double-free: operator delete("
// Two owners of the same memory.
#include <memory>
#include <string>

#include "misuse.h"

int main() {
  std::unique_ptr<std::string> a(new std::string(400, 'x'));
  std::unique_ptr<std::string> b(a.get());
  return 0;
}
