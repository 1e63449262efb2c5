// A recording knows a child that was cloned behind its back by a page that the kernel wipes. Where
// there is no such page, nothing is recorded: not a file in which parent and child overwrite each
// other. The program runs.
// RUN: wipe
// RUN: page
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "process.h"

enum { kWipeOnFork = 18 };  // MADV_WIPEONFORK
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)
#define ARGUMENT(n) LOAD(offsetof(struct seccomp_data, args[n]))

// Advice to wipe; or one page of private memory, readable and writable.
static struct sock_filter wipe[] = {LOAD(offsetof(struct seccomp_data, nr)),
                                    UNLESS(SYS_madvise, 3),
                                    ARGUMENT(2),
                                    UNLESS(kWipeOnFork, 1),
                                    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
                                    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
static struct sock_filter page[] = {LOAD(offsetof(struct seccomp_data, nr)),
                                    UNLESS(SYS_mmap, 7),
                                    ARGUMENT(1),
                                    UNLESS(kPage, 5),
                                    ARGUMENT(2),
                                    UNLESS(PROT_READ | PROT_WRITE, 3),
                                    ARGUMENT(3),
                                    UNLESS(MAP_PRIVATE | MAP_ANONYMOUS, 1),
                                    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
                                    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};

static void close_in(const char* kind) {
  struct sock_fprog program = {sizeof wipe / sizeof *wipe, wipe};
  if (strcmp(kind, "page") == 0) {
    program = (struct sock_fprog){sizeof page / sizeof *page, page};
  }
  EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "%s", strerror(errno));
  EXPECT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "%s", strerror(errno));
}

int main(int argc, char** argv) {
  EXPECT(argc == 2 || argc == 3, "usage: recording_refused wipe|page");
  if (argc == 3) {
    free(malloc(1000));
    EXPECT(access(argv[2], F_OK) != 0, "it was begun all the same");
    return 0;
  }
  char file[64];
  snprintf(file, sizeof file, "/tmp/recording_refused.%d", (int)getpid());
  close_in(argv[1]);
  setenv("HAKMEM_TRACE", file, 1);
  execl("/proc/self/exe", argv[0], argv[1], file, (char*)NULL);
  EXPECT(0, "exec: %s", strerror(errno));
}
