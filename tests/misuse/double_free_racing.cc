// EXPECT: SIGABRT "double-free: free("
// Two threads free at the same moment, neither the owner.
#include <atomic>

#include "misuse.h"

int main() {
  for (int round = 0; round < 1000; ++round) {
    void* const p = malloc(400);
    std::atomic<int> ready{0};
    const auto race = [&] {
      ++ready;
      while (ready < 2) {
      }
      free(p);
    };
    std::thread a(race), b(race);
    a.join();
    b.join();
  }
  return 0;
}
