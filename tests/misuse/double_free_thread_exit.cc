// EXPECT: SIGABRT "double-free: free("
// In a destructor of thread-local storage.
#include "misuse.h"

struct Twice {
  void* p = nullptr;
  ~Twice() {
    free(p);
    free(p);
  }
};

int main() {
  in_thread([] {
    static thread_local Twice twice;
    twice.p = malloc(400);
  });
  return 0;
}
