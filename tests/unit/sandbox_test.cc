// What the platform makes of a filter for system calls that is there at start, and of /proc that
// cannot be read. Each in a child of its own, since a filter is for good.
#include "pal/sandbox.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "pal/linux.h"

namespace hakmem {
namespace {

constexpr int kNoFilters = 77;  // on this system, for this user

// From now on `call` fails with `error`; 0: there is a filter, and all goes on.
bool refuse(unsigned call, unsigned error) {
  const unsigned answer = error == 0 ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | error;
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, answer),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {sizeof code / sizeof code[0], code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

template <class Work>
int in_child(Work&& work) {
  const pid_t child = fork();
  if (child == 0) _exit(work());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

// What is known after the start of a process whose open() fails with `error`.
int found_when_refused(unsigned error) {
  return in_child([error] {
    if (!refuse(SYS_openat, error)) return kNoFilters;
    look_for_sandbox();
    return static_cast<int>(sandbox());
  });
}

bool is_filtered() {
  std::FILE* const status = std::fopen("/proc/self/status", "r");
  char line[4096];
  bool filtered = false;
  while (status != nullptr && std::fgets(line, sizeof line, status) != nullptr) {
    filtered =
        filtered || (std::strncmp(line, "Seccomp:", 8) == 0 && std::strchr(line, '0') == nullptr);
  }
  if (status != nullptr) std::fclose(status);
  return filtered;
}

TEST(Sandbox, IsFoundWhereTheQuestionIsRefusedOrTheKernelNamesAFilter) {
  const int at_start = static_cast<int>(Sandbox::kAtStart);
  ASSERT_NE(found_when_refused(0), kNoFilters) << "this system takes no filter of system calls";
  EXPECT_EQ(found_when_refused(0), at_start);
  for (const int refusal : {EPERM, EACCES, ENOSYS}) {
    EXPECT_EQ(found_when_refused(static_cast<unsigned>(refusal)), at_start) << strerror(refusal);
  }
}

TEST(Sandbox, WithoutProcOrDescriptorsNobodyKnows) {
  for (const int other : {ENOENT, EMFILE, ENOTDIR}) {
    EXPECT_EQ(found_when_refused(static_cast<unsigned>(other)), static_cast<int>(Sandbox::kOpen));
  }
}

TEST(Sandbox, IsFoundOnlyIfThereIsOne) {
  const int due = static_cast<int>(is_filtered() ? Sandbox::kAtStart : Sandbox::kOpen);
  EXPECT_EQ(in_child([] {
              look_for_sandbox();
              return static_cast<int>(sandbox());
            }),
            due);
}

TEST(Sandbox, OneThatTheProgramAnnouncedStaysTheNarrowerOne) {
  EXPECT_EQ(in_child([] {
              expect_sandbox();
              if (!refuse(SYS_openat, EPERM)) return kNoFilters;
              look_for_sandbox();
              return static_cast<int>(sandbox());
            }),
            static_cast<int>(Sandbox::kLater));
}

TEST(Sandbox, WhatProcDoesNotTellIsTheKernelsDefault) {
  EXPECT_EQ(in_child([] {
              LinuxPlatform os;
              if (!refuse(SYS_openat, EACCES)) return kNoFilters;
              if (os.mappings_max() != 65530) return 1;
              return os.mappings() == 0 ? 0 : 2;
            }),
            0);
}

}  // namespace
}  // namespace hakmem
