// A daemon closes itself in by a system call filter once it has started, and works on: blocks of
// all sizes, realloc, trim. What allocators may still do is plain: private anonymous mappings,
// protections, a few kinds of advice.
// RUN: refuse some
// RUN: kill some
// RUN: refuse plain
// RUN: refuse least
// RUN: kill plain
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "process.h"

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define ARGUMENT(n) LOAD(offsetof(struct seccomp_data, args[n]))
#define EQUAL(value, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, then, otherwise)
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, value)

// Kinds: `some` advice but DONTNEED is let through; `plain`: none; `least`: no mremap either. For
// all threads.
static void close_in(unsigned otherwise, const char* kind) {
  const int plain = strcmp(kind, "some") != 0;
  const unsigned flags =
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | (plain ? 0 : MAP_FIXED_NOREPLACE);
  const unsigned also = plain ? MADV_DONTNEED : MADV_FREE;
  const unsigned mremap_is = strcmp(kind, "least") == 0 ? otherwise : SECCOMP_RET_ALLOW;
  struct sock_filter rules[] = {
      LOAD(offsetof(struct seccomp_data, nr)),
      EQUAL(SYS_mmap, 0, 5),
      ARGUMENT(3),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~flags),
      EQUAL(0, 0, 1),
      ANSWER(SECCOMP_RET_ALLOW),
      ANSWER(otherwise),
      EQUAL(SYS_madvise, 0, 5),
      ARGUMENT(2),
      EQUAL(MADV_DONTNEED, 2, 0),
      EQUAL(also, 1, 0),
      ANSWER(otherwise),
      ANSWER(SECCOMP_RET_ALLOW),
      EQUAL(SYS_mremap, 0, 1),
      ANSWER(mremap_is),
      EQUAL(SYS_openat, 0, 1),
      ANSWER(SECCOMP_RET_ERRNO | EACCES),
      EQUAL(SYS_prctl, 0, 1),
      ANSWER(otherwise),
      ANSWER(SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
  EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "%s", strerror(errno));
  EXPECT(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0,
         "%s", strerror(errno));
}

static const size_t sizes[] = {24, 500, 3000, 40000, 150000, 262144, 280000, 1500000, 30000000};
enum { kSizes = sizeof sizes / sizeof *sizes, kMany = 40, kFew = 3, kRounds = 2 };

static void* use_all_sizes(void* argument) {
  static __thread char* blocks[kSizes][kMany];
  for (int s = 0; s < kSizes; ++s) {
    const int n = sizes[s] < MIB(1) ? kMany : kFew;
    for (int i = 0; i < n; ++i) {
      blocks[s][i] = i % 2 == 0 ? malloc(sizes[s]) : calloc(1, sizes[s]);
      EXPECT(blocks[s][i] != NULL, "%zu bytes: %s", sizes[s], strerror(errno));
      touch(blocks[s][i], sizes[s]);
    }
  }
  for (int s = 0; s < kSizes; ++s) {
    const int n = sizes[s] < MIB(1) ? kMany : kFew;
    for (int i = 0; i < n; ++i) {
      char* const grown = realloc(blocks[s][i], i % 3 == 0 ? sizes[s] / 2 : sizes[s] * 2);
      EXPECT(grown != NULL, "realloc of %zu bytes: %s", sizes[s], strerror(errno));
      free(grown);
    }
  }
  return argument;
}

// A thread that was there before: to start one is no business of the allocator's. It has allocated.
static pthread_barrier_t turn;
static void* in_thread(void* argument) {
  free(malloc(100));
  pthread_barrier_wait(&turn);
  for (int round = 0; round < kRounds; ++round) {
    pthread_barrier_wait(&turn);
    use_all_sizes(NULL);
    pthread_barrier_wait(&turn);
  }
  return argument;
}

int main(int argc, char** argv) {
  EXPECT(argc == 3, "usage: sandbox refuse|kill some|plain|least");
  free(malloc(100));
  pthread_barrier_init(&turn, NULL, 2);
  start(in_thread, NULL);
  pthread_barrier_wait(&turn);
  close_in(strcmp(argv[1], "kill") == 0 ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | EINVAL,
           argv[2]);
  for (int round = 0; round < kRounds; ++round) {
    pthread_barrier_wait(&turn);
    use_all_sizes(NULL);
    pthread_barrier_wait(&turn);
    malloc_trim(0);
  }
  free(aligned_alloc(KIB(128), KIB(128)));
  return 0;
}
