// A real-time program locks its memory, now and in future. Only what it uses may become resident,
// calloc gives zeroes from used memory, and what is freed can go back.
// RUN: current
// RUN: on-fault
// RUN: future
#include "process.h"

static const size_t sizes[] = {64, 1000, 20000, 100000, 262144, 300000, 1000000, 4000000};
enum { kSizes = sizeof sizes / sizeof *sizes, kBlocks = 4, kMany = 10000 };

static void use_again_and_again(void) {
  for (int round = 0; round < 4; ++round) {
    for (int s = 0; s < kSizes; ++s) {
      char* blocks[kBlocks];
      for (int i = 0; i < kBlocks; ++i) {
        char* const p = blocks[i] = round % 2 == 1 ? calloc(1, sizes[s]) : malloc(sizes[s]);
        EXPECT(p != NULL, "%zu bytes: %s", sizes[s], strerror(errno));
        for (size_t at = 0; round % 2 == 1 && at < sizes[s]; ++at) {
          EXPECT(p[at] == 0, "calloc(%zu), byte %zu", sizes[s], at);
        }
        memset(p, 0xAB, sizes[s]);
      }
      for (int i = 0; i < kBlocks; ++i) free(blocks[i]);
    }
  }
}

static void give_back(void) {  // by age or at once
  usleep(700000);
  free(malloc(9000));
  malloc_trim(0);
}

static void lock_and_use(const char* how) {
  free(malloc(KIB(256)));
  const int flags = strcmp(how, "current") == 0  ? MCL_CURRENT | MCL_FUTURE
                    : strcmp(how, "future") == 0 ? MCL_FUTURE
                                                 : MCL_FUTURE | MCL_ONFAULT;
  if (mlockall(flags) != 0) _exit(kNotApplicable);  // a limit of this machine's
  use_again_and_again();
  give_back();
  const long before = rss_mib();
  static char* blocks[kMany];
  for (int i = 0; i < kMany; ++i) {
    blocks[i] = malloc(10000);
    EXPECT(blocks[i] != NULL, "block %d: %s", i, strerror(errno));
    memset(blocks[i], 1, 10000);
  }
  const long peak = rss_mib();
  EXPECT(peak >= before + 60, "before %ld, peak %ld MiB: this measures nothing", before, peak);
  for (int i = 0; i < kMany; ++i) free(blocks[i]);
  give_back();
  EXPECT(rss_mib() < before + (peak - before) / 2, "before %ld, peak %ld, trimmed %ld MiB", before,
         peak, rss_mib());
}

// The locked process is a child: what it populates without end must not take the machine along.
int main(int argc, char** argv) {
  EXPECT(argc == 2, "usage: locked_memory current|on-fault|future");
  const pid_t child = fork();
  if (child == 0) {
    lock_and_use(argv[1]);
    _exit(0);
  }
  char status[64];
  snprintf(status, sizeof status, "/proc/%d/status", child);
  long most = 0;
  int how = 0;
  while (waitpid(child, &how, WNOHANG) == 0) {
    const long now = proc_field(status, "VmRSS:") / 1024;
    if (now > most) most = now;
    if (now > 900) kill(child, SIGKILL);
    usleep(2000);
  }
  EXPECT(most <= 900, "%ld MiB were resident", most);
  EXPECT(WIFEXITED(how), "signal %d", WTERMSIG(how));
  return WEXITSTATUS(how);
}
