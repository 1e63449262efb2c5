// HAKMEM_BACKGROUND=1, step by step: the thread's sleeps and waits go through a supervisor, which
// cuts the sleeps short and has the program use the heap, or leave it alone, in between. The thread
// sleeps a period at a time while the heap is used, and until the next use once it is not. Neither
// way with allocators that have no such thread.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#include "process.h"

enum { kAsleep = 5, kQuietPeriods = 4, kRounds = 8, kEnough = 400, kHungMs = 60000 };
enum { kWaitPrivate = 128 };  // FUTEX_WAIT_PRIVATE
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)
#define ARGUMENT(n) LOAD(offsetof(struct seccomp_data, args[n]))

static int to_program[2], from_program[2], listener = -1;

static int supervised(void) {
  struct sock_filter code[] = {LOAD(offsetof(struct seccomp_data, nr)),
                               UNLESS(SYS_clock_nanosleep, 1),
                               BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
                               UNLESS(SYS_futex, 5),
                               ARGUMENT(1),
                               UNLESS(kWaitPrivate, 3),
                               ARGUMENT(2),
                               UNLESS(kAsleep, 1),
                               BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
                               BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  struct sock_fprog program = {sizeof code / sizeof *code, code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                      &program);
}

// The program: each byte read is one way through the heap's slow path.
static void use_when_told(void) {
  char byte = 'r';
  size_t bytes = 16;
  do {
    EXPECT(malloc(bytes *= 2) != NULL, "malloc");
    EXPECT(write(from_program[1], &byte, 1) == 1, "%s", strerror(errno));
  } while (read(to_program[0], &byte, 1) == 1);
}

static void use(void) {
  char byte = 'u';
  EXPECT(write(to_program[1], &byte, 1) == 1 && read(from_program[0], &byte, 1) == 1, "%s",
         strerror(errno));
}

// The next sleep (1) or wait (0) of the thread; it stays in it until `answer`.
static int next_step(struct seccomp_notif* step, pid_t program) {
  struct pollfd at = {listener, POLLIN, 0};
  EXPECT(poll(&at, 1, kHungMs) == 1, "the thread neither sleeps nor waits");
  memset(step, 0, sizeof *step);
  EXPECT(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, step) == 0, "%s", strerror(errno));
  if (step->data.nr != SYS_clock_nanosleep) return 0;
  struct timespec period = {-1, -1};
  const struct iovec here = {&period, sizeof period};
  const struct iovec there = {(void*)(uintptr_t)step->data.args[2], sizeof period};
  EXPECT(process_vm_readv(program, &here, 1, &there, 1, 0) == sizeof period, "%s", strerror(errno));
  EXPECT(step->data.args[0] == CLOCK_MONOTONIC && step->data.args[1] == 0, "another clock");
  EXPECT(period.tv_sec == 0 && period.tv_nsec == 250000000, "%ld s %ld ns", (long)period.tv_sec,
         period.tv_nsec);
  return 1;
}

static void answer(const struct seccomp_notif* step) {
  struct seccomp_notif_resp response = {.id = step->id};
  if (step->data.nr != SYS_clock_nanosleep) response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  EXPECT(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0, "%s", strerror(errno));
}

// How often it sleeps, and the program does nothing, before it waits.
static int sleeps_before_it_waits(pid_t program) {
  struct seccomp_notif step;
  for (int sleeps = 0; sleeps < kEnough; ++sleeps) {
    const int is_sleep = next_step(&step, program);
    usleep(10000);  // what was used last is to age in few rounds
    answer(&step);
    if (!is_sleep) return sleeps;
  }
  EXPECT(0, "it does not wait for the next use, but sleeps on and on");
  return -1;
}

static pid_t begin(char** argv) {
  int ready[2];
  EXPECT(pipe(to_program) == 0 && pipe(from_program) == 0 && pipe(ready) == 0, "pipes");
  const pid_t program = fork();
  if (program == 0) {
    const int fd = supervised();
    (void)!write(ready[1], &fd, sizeof fd);
    char byte;
    (void)!read(to_program[0], &byte, 1);
    char numbers[2][8];
    snprintf(numbers[0], sizeof numbers[0], "%d", to_program[0]);
    snprintf(numbers[1], sizeof numbers[1], "%d", from_program[1]);
    close(to_program[1]);
    setenv("HAKMEM_BACKGROUND", "1", 1);
    execl("/proc/self/exe", argv[0], numbers[0], numbers[1], (char*)NULL);
    _exit(1);
  }
  int fd = -1;
  EXPECT(read(ready[0], &fd, sizeof fd) == sizeof fd, "%s", strerror(errno));
  const int process = (int)syscall(SYS_pidfd_open, program, 0);
  if (fd >= 0) listener = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
  return program;
}

static void finish(pid_t program, int code) {
  kill(program, SIGKILL);
  waitpid(program, NULL, 0);
  exit(code);
}

int main(int argc, char** argv) {
  if (argc == 3) {
    to_program[0] = atoi(argv[1]);
    from_program[1] = atoi(argv[2]);
    use_when_told();
    return 0;
  }
  const pid_t program = begin(argv);
  if (listener < 0) finish(program, kNotApplicable);  // no supervisors here
  use();                                              // and so it begins
  char tasks[64];
  snprintf(tasks, sizeof tasks, "/proc/%d/status", (int)program);
  if (proc_field(tasks, "Threads:") < 2) finish(program, kNotApplicable);

  const int first = sleeps_before_it_waits(program);
  EXPECT(first >= kQuietPeriods, "it waits after %d sleeps", first);
  struct seccomp_notif step;
  use();
  for (int i = 0; i < kRounds; ++i) {
    EXPECT(next_step(&step, program) == 1, "it waits although the heap is used");
    use();
    answer(&step);
  }
  const int last = sleeps_before_it_waits(program);
  EXPECT(last >= kQuietPeriods, "after the last use it waits after %d sleeps", last);
  finish(program, 0);
}
