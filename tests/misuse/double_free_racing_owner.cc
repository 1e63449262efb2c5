// EXPECT: SIGABRT "double-free: "
// The owner and another thread free at the same moment: found by whichever comes second, or by
// the owner when it takes the other's free in.
#include <atomic>

#include "misuse.h"

int main() {
  std::atomic<int> phase{0};
  std::atomic<void*> shared{nullptr};
  std::thread other([&] {
    for (int round = 1; round < 20000; ++round) {
      while (phase < round) {
      }
      free(shared);
      phase = -round;
      while (phase < 0) {
      }
    }
  });
  for (int round = 1; round < 20000; ++round) {
    void* const p = malloc(400);
    shared = p;
    phase = round;
    free(p);
    while (phase != -round) {
    }
    phase = 0;
    free(malloc(400));
  }
  other.join();
  return 0;
}
