// LinuxPlatform where the system says no: address space and data limits, filtered system calls, no
// environment yet, no file descriptors. Each runs in a child of its own, and errno stays as it was.
#include "pal/linux.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

namespace hakmem {
namespace {

constexpr std::size_t kPage = 4096;
constexpr int kErrno = 4711;

// The child's answer: 0 good, else the number of what was wrong.
template <class Work>
int in_child(Work&& work) {
  const pid_t child = fork();
  if (child == 0) {
    errno = kErrno;
    const int wrong = work(LinuxPlatform{});
    _exit(wrong != 0 ? wrong : errno == kErrno ? 0 : 99);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

std::size_t mapped_now() {
  FILE* const statm = std::fopen("/proc/self/statm", "r");
  std::size_t pages = 0;
  if (statm != nullptr && std::fscanf(statm, "%zu", &pages) != 1) pages = 0;
  if (statm != nullptr) std::fclose(statm);
  return pages * kPage;
}

void limit(__rlimit_resource_t what, std::size_t bytes) {
  rlimit now{};
  getrlimit(what, &now);
  now.rlim_cur = bytes;
  setrlimit(what, &now);
  errno = kErrno;
}

// From now on madvise(advice 102 and up) and getrandom are refused.
bool filter_system_calls() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 102, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {sizeof code / sizeof code[0], code};
  const bool done = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
  errno = kErrno;
  return done;
}

TEST(LinuxPlatform, RefusesWhatTheAddressSpaceLimitForbids) {
  const std::size_t room = mapped_now() + (std::size_t{64} << 20);
  EXPECT_EQ(in_child([&](LinuxPlatform os) {
              limit(RLIMIT_AS, room);
              if (os.reserve(room, kPage) != nullptr) return 1;  // more than a quarter of it
              if (os.map(room, kPage) != nullptr) return 2;
              // There is room for the block, but not for finding an aligned place.
              if (os.map(kPage, std::size_t{1} << 40) != nullptr) return 3;
              if (os.sparse(room) != nullptr) return 4;
              void* const page = os.map(kPage, kPage);
              if (page == nullptr || os.remap(page, kPage, room) != nullptr) return 5;
              static_cast<char*>(page)[0] = 1;  // intact
              return 0;
            }),
            0);
  EXPECT_EQ(in_child([&](LinuxPlatform os) {
              limit(RLIMIT_AS, room);
              const std::size_t quarter = room / 4;  // may be reserved, were it not for the rest
              return quarter > (std::size_t{64} << 20) && os.reserve(quarter, kPage) != nullptr;
            }),
            0);
}

// More of it would be missed by the program: a registry that may grow then asks for less.
TEST(LinuxPlatform, TablesGetASmallShareOfALimitedAddressSpace) {
  constexpr std::size_t kLeft = std::size_t{64} << 20;
  const std::size_t room = mapped_now() + kLeft;
  const std::size_t share = room / 32 / kPage * kPage;
  EXPECT_EQ(in_child([&](LinuxPlatform os) {
              limit(RLIMIT_AS, room);
              if (os.sparse(share + kPage) != nullptr) return 1;
              const bool fits = share < kLeft / 2;  // not where sanitizers map terabytes
              return fits && os.sparse(share) == nullptr ? 2 : 0;
            }),
            0);
}

TEST(LinuxPlatform, RefusesMetadataThatTheDataLimitForbids) {
  EXPECT_EQ(in_child([](LinuxPlatform os) {
              limit(RLIMIT_DATA, kPage);  // 0 would mean something else
              return os.sparse(16 * kPage) != nullptr;
            }),
            0);
}

TEST(LinuxPlatform, ChangesNothingThatIsNotMapped) {
  EXPECT_EQ(in_child([](LinuxPlatform os) {
              void* const gone = os.map(kPage, kPage);
              os.unmap(gone, kPage);
              if (os.commit(gone, kPage)) return 1;
              if (os.purge(gone, kPage)) return 2;
              if (os.protect(gone, kPage)) return 3;
              if (os.guard(gone, kPage)) return 4;
              if (os.remap(gone, kPage, 2 * kPage) != nullptr) return 5;
              return 0;
            }),
            0);
}

TEST(LinuxPlatform, ReservesAtAnyAlignment) {
  LinuxPlatform os;
  for (const unsigned shift : {12u, 21u, 30u, 45u}) {  // the last is beyond the hint's
    void* const p = os.reserve(kPage, std::size_t{1} << shift);
    if (p == nullptr) {  // no room for finding such a place: a sanitizer's shadow, say
      const std::size_t room = (std::size_t{1} << shift) + kPage;
      EXPECT_EQ(mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), MAP_FAILED);
      continue;
    }
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % (std::uintptr_t{1} << shift), 0u);
    EXPECT_TRUE(os.commit(p, kPage));
    static_cast<char*>(p)[kPage - 1] = 1;
    os.unmap(p, kPage);
  }
  EXPECT_EQ(os.reserve(kPage, std::size_t{1} << 62), nullptr);
}

TEST(LinuxPlatform, DoesWithoutTheCallsThatAFilterRefuses) {
  const int answer = in_child([](LinuxPlatform os) {
    auto* const guarded = static_cast<char*>(os.map(kPage, kPage));
    const bool has_guards = os.guard(guarded, kPage);
    if (!filter_system_calls()) return 77;
    if (os.guard(os.map(kPage, kPage), kPage)) return 1;
    os.unguard(guarded, kPage);
    guarded[0] = 1;
    const std::uint64_t first = os.random();
    if (has_guards && first == os.random() && first == os.random()) return 2;
    return 0;
  });
  EXPECT_EQ(answer, 0) << "77: this system takes no filter of system calls, so nothing was shown";
}

TEST(LinuxPlatform, ReadsTheEnvironmentBeforeLibcHasOne) {
  const char* const path = getenv("PATH");
  ASSERT_NE(path, nullptr);
  const std::string due = path;
  EXPECT_EQ(in_child([&](LinuxPlatform) {
              environ = nullptr;
              for (int round = 0; round < 2; ++round) {  // the second from what the first has read
                const char* const found = LinuxPlatform::environment("PATH");
                if (found == nullptr || due != found) return 1;
                if (LinuxPlatform::environment("PAT") != nullptr) return 2;
                if (LinuxPlatform::environment("HAKMEM_THAT_IS_NOT_THERE") != nullptr) return 3;
              }
              return 0;
            }),
            0);
  EXPECT_EQ(in_child([](LinuxPlatform) {
              limit(RLIMIT_NOFILE, 0);
              environ = nullptr;
              return LinuxPlatform::environment("PATH") == nullptr ? 0 : 1;
            }),
            0);
}

TEST(LinuxPlatform, AReportThatCannotBeWrittenIsNoTrouble) {
  EXPECT_EQ(in_child([](LinuxPlatform) {
              close(STDERR_FILENO);
              errno = kErrno;
              LinuxPlatform::write_error("unheard\n", 8);
              return 0;
            }),
            0);
}

}  // namespace
}  // namespace hakmem
