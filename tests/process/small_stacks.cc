// Threads with the smallest stack there is, 16 KiB with the thread's own data in it: no path of the
// allocator may need much of it, the fatal report included. Measures what is used.
#include <pthread.h>
#include <sys/mman.h>

#include <climits>
#include <csignal>

#include "hakmem_process.h"

namespace {

using process::check;

constexpr std::size_t kStack = 16384;
constexpr unsigned char kPaint = 0xA5;

// Every kind of call, the first ones of this thread included.
void* use_heap(void*) {
  void* blocks[64];
  for (const std::size_t size : {16u, 900u, 7000u, 60000u, 250000u, 300000u}) {
    for (void*& p : blocks) p = std::malloc(size);
    for (void*& p : blocks) std::free(p);
  }
  void* p = std::calloc(100, 100);
  p = std::realloc(p, 100000);
  p = std::realloc(p, 1000000);
  p = std::realloc(p, 10);
  std::free(p);
  std::free(std::aligned_alloc(1 << 20, 10000));
  malloc_trim(0);
  return nullptr;
}

void* do_nothing(void*) { return nullptr; }

void* free_twice(void*) {
  void* volatile p = std::malloc(100);
  std::free(p);
  std::free(p);
  return nullptr;
}

// Bytes of the stack that the thread wrote to.
std::size_t stack_used(void* (*body)(void*)) {
  void* const memory =
      mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(memory != MAP_FAILED, "mmap");
  auto* const stack = static_cast<unsigned char*>(memory);
  std::memset(stack, kPaint, kStack);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  check(pthread_attr_setstack(&attributes, stack, kStack) == 0, "setstack");
  pthread_t thread{};
  check(pthread_create(&thread, &attributes, body, nullptr) == 0, "pthread_create");
  pthread_join(thread, nullptr);
  std::size_t untouched = 0;
  while (untouched < kStack && stack[untouched] == kPaint) ++untouched;
  munmap(memory, kStack);
  return kStack - untouched;
}

void check_report() {
  const pid_t child = fork();
  if (child == 0) {
    std::fclose(stderr);
    stack_used(free_twice);
    _exit(1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "the report fits into a small stack");
}

}  // namespace

int main() {
  process::start();
  const std::size_t nothing = stack_used(do_nothing);
  const std::size_t heap = stack_used(use_heap);
  std::printf("a thread alone uses %zu bytes of stack, one that uses the heap %zu\n", nothing,
              heap);
  check(heap < nothing + 4096, "the heap needs more than 4 KiB of stack");
  if (process::is_hardened()) check_report();
  return 0;
}
