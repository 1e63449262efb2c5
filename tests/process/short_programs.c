// Programs that do next to nothing: what the allocator's start costs each of them, and a child that
// is forked and ends at once, is page faults. The least of many: where libraries lie varies.
// MEASURE: started <= 1 * glibc + 14
// MEASURE: forked <= 1 * glibc + 7
#include <spawn.h>

#include "process.h"

enum { kTimes = 31 };
typedef pid_t Begin(char** argv);

static pid_t spawn(char** argv) {
  extern char** environ;
  char* const again[] = {argv[0], (char*)"nothing", NULL};
  pid_t child = -1;
  EXPECT(posix_spawn(&child, "/proc/self/exe", NULL, NULL, again, environ) == 0, "posix_spawn");
  return child;
}

static pid_t fork_off(char** argv) {
  (void)argv;
  const pid_t child = fork();
  if (child == 0) _exit(0);
  return child;
}

static long least_faults(Begin* begin, char** argv) {
  long least = 1000000;
  for (int i = 0; i < kTimes; ++i) {
    struct rusage used;
    int status = -1;
    const pid_t child = begin(argv);
    EXPECT(wait4(child, &status, 0, &used) == child && status == 0, "status %x", status);
    if (used.ru_minflt < least) least = used.ru_minflt;
  }
  return least;
}

int main(int argc, char** argv) {
  if (argc == 2) return 0;
  measure("started", (double)least_faults(spawn, argv));
  measure("forked", (double)least_faults(fork_off, argv));
  return 0;
}
