// What hakmem-replay is tried on: threads that hand blocks to each other, every kind of call, a
// child by fork, one by vfork and exec, one by clone. Usage: recorded_program [child]
#include <malloc.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

constexpr int kThreads = 4, kBlocks = 6000;
std::atomic<void*> handed_over[kThreads][kBlocks];

std::size_t size_of(int i) { return static_cast<std::size_t>(i * 37 % 3000) + (i % 500 == 0 ? 400000 : 0); }

void work(int thread) {
  for (int i = 0; i < kBlocks; ++i) {
    void* p = nullptr;
    switch (i % 4) {
      case 0: p = std::malloc(size_of(i)); break;
      case 1: p = std::calloc(1, size_of(i)); break;
      case 2: p = memalign(64u << i % 5, size_of(i)); break;
      default: p = std::realloc(std::malloc(size_of(i) / 3), size_of(i) + 1); break;
    }
    std::free(handed_over[(thread + 1) % kThreads][i].exchange(p));
  }
}

int clone_child(void*) {
  std::free(std::malloc(100));
  _exit(0);
}

bool wait_for(pid_t child) {
  int status = 1;
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) {
    for (int i = 0; i < 100; ++i) std::free(std::malloc(size_of(i)));
    _exit(0);  // no exit handlers: what was recorded must be there nevertheless
  }
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) threads.emplace_back(work, t);
  for (std::thread& t : threads) t.join();
  if (std::malloc(~std::size_t{0} / 4) != nullptr) return 1;  // refused: recorded as such

  const pid_t forked = fork();
  if (forked == 0) {
    for (auto& of_thread : handed_over) std::free(of_thread[7].exchange(nullptr));  // inherited
    for (int i = 0; i < 100; ++i) std::free(std::malloc(size_of(i)));
    _exit(0);
  }
  const pid_t executed = vfork();
  if (executed == 0) {
    execl("/proc/self/exe", argv[0], "child", nullptr);
    _exit(1);
  }
  static char stack[1 << 16];
  const pid_t cloned = clone(clone_child, stack + sizeof stack, SIGCHLD, nullptr);  // no fork hooks
  const bool children = wait_for(forked) && wait_for(executed) && wait_for(cloned);
  for (auto& of_thread : handed_over) {
    for (auto& p : of_thread) std::free(p.load());
  }
  return children ? 0 : 1;
}
