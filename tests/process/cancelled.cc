// Threads that are cancelled before their first call, each on another route: no call of the
// allocator is a cancellation point, so each comes to its end, and nobody else is held up.
#include <pthread.h>

#include <atomic>

#include "hakmem_process.h"

namespace {

using process::check;

std::atomic<bool> go{false};

void first_call(long route) {
  void* p = nullptr;
  switch (route) {
    case 0:
      p = std::malloc(16);
      break;
    case 1:
      p = std::malloc(250000);
      break;
    case 2:
      p = std::calloc(1, 3000000);
      break;
    case 3:
      p = std::realloc(std::malloc(400000), 4000000);
      break;
    case 4:
      p = std::aligned_alloc(1 << 20, 1 << 20);
      break;
    default:
      malloc_trim(0);
  }
  std::free(p);
}

void* victim(void* route) {
  while (!go.load()) {
  }
  first_call(reinterpret_cast<long>(route));
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
  return &go;
}

void* bystander(void*) {
  for (long route = 0; route < 6; ++route) first_call(route);
  return nullptr;
}

}  // namespace

int main() {
  process::start();
  for (long i = 0; i < 120; ++i) {
    go = false;
    pthread_t cancelled, other;
    check(pthread_create(&cancelled, nullptr, victim, reinterpret_cast<void*>(i % 6)) == 0,
          "thread");
    check(pthread_cancel(cancelled) == 0, "cancel");
    go = true;
    void* result = nullptr;
    pthread_join(cancelled, &result);
    check(result == &go, "the thread was cancelled inside the allocator");
    check(pthread_create(&other, nullptr, bystander, nullptr) == 0, "thread");
    pthread_join(other, nullptr);
  }
}
