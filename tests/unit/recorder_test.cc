// The recorder by itself: what it writes where, what a fork or clone makes of it, and where it
// ends. Each in a child of its own: a recording begins once in a process.
#include "entry/recorder.h"

#include <dirent.h>
#include <errno.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace hakmem::heap {
namespace {

namespace fs = std::filesystem;
using trace::Kind;

constexpr std::size_t kWindowBytes = std::size_t{1} << 20;
constexpr int kErrno = 4711;

int ended(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

struct Trace {
  trace::Header header{};
  std::vector<trace::Record> records;
  std::size_t file_bytes = 0;
};

Trace read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  Trace found;
  found.file_bytes = all.size();
  if (all.size() < trace::kHeaderBytes) return found;
  std::memcpy(&found.header, all.data(), sizeof found.header);
  found.records.resize(found.header.records);
  std::memcpy(static_cast<void*>(found.records.data()), all.data() + trace::kHeaderBytes,
              found.header.records * trace::kRecordBytes);
  return found;
}

class Recorder : public testing::Test {
 protected:
  Recorder() { directory_ = mkdtemp(name_.data()); }
  ~Recorder() override { fs::remove_all(directory_); }

  // The answer of a child that asks for `file`: 0 good, else the number of what was wrong.
  template <class Work>
  int in_child(const std::string& file, Work&& work) {
    const pid_t child = fork();
    if (child == 0) {
      setenv("HAKMEM_TRACE", file.c_str(), 1);
      errno = kErrno;
      const int wrong = work();
      _exit(wrong != 0 ? wrong : errno == kErrno ? 0 : 99);
    }
    last_ = child;
    return ended(child);
  }
  std::string in(const std::string& name) const { return (directory_ / name).string(); }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }
  std::string last() const { return std::to_string(last_); }

  std::string name_ = "/tmp/recorder_test.XXXXXX";
  fs::path directory_;
  pid_t last_ = 0;
};

void record_numbers(std::uint64_t from, std::uint64_t to) {
  for (; from < to; ++from) record(Kind::kMalloc, from, 1, nullptr);
}
bool are_numbers(const Trace& found, std::uint64_t from, std::uint64_t to) {
  if (found.records.size() != to - from) return false;
  for (std::size_t i = 0; i < found.records.size(); ++i) {
    if (found.records[i].size != from + i || found.records[i].kind != Kind::kMalloc) return false;
  }
  return true;
}

int open_files() {
  int n = 0;
  DIR* const folder = opendir("/proc/self/fd");
  while (folder != nullptr && readdir(folder) != nullptr) ++n;
  if (folder != nullptr) closedir(folder);
  return n;
}
int mappings_of(const std::string& file) {
  std::ifstream maps("/proc/self/maps");
  int n = 0;
  for (std::string line; std::getline(maps, line);) n += line.find(file) != std::string::npos;
  return n;
}

// From now on `call` fails with `error`.
bool refuse(unsigned call, unsigned error) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {sizeof code / sizeof code[0], code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_F(Recorder, RecordsOnlyWhenAskedTo) {
  EXPECT_EQ(in_child("", [] { return start_recording() || recording() ? 1 : 0; }), 0);
  EXPECT_EQ(in_child("",
                     [] {
                       unsetenv("HAKMEM_TRACE");
                       if (start_recording() || recording()) return 1;
                       for (int round = 0; round < 2; ++round) {  // the lock is let go each time
                         recorder_fork_prepare();
                         recorder_fork_parent();
                         recorder_fork_prepare();
                         recorder_fork_child();
                       }
                       record(Kind::kMalloc, 1, 1, nullptr);
                       return recording() ? 2 : 0;
                     }),
            0);
  EXPECT_TRUE(files().empty());
}

TEST_F(Recorder, WritesWhatWasCalled) {
  const std::string due = in("a");
  ASSERT_EQ(in_child(due,
                     [] {
                       const int before = open_files();
                       errno = kErrno;
                       if (!start_recording() || !recording()) return 1;
                       char* const place = reinterpret_cast<char*>(0x123456789ABC0);
                       record(Kind::kMalloc, 7, 1, place);
                       record(Kind::kAligned, 100, 4096, place + 1);
                       record(Kind::kCalloc, ~std::size_t{0}, 16, nullptr);
                       record(Kind::kFree, 0, 0, place);
                       record(Kind::kThreadExit, 0, 2, nullptr);
                       if (errno != kErrno) return 2;
                       const int after = open_files();
                       errno = kErrno;
                       return before == after ? 0 : 3;
                     }),
            0);
  const std::string file = in("a." + last());
  ASSERT_EQ(files(), std::vector<std::string>{"a." + last()});
  struct stat status{};
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const Trace found = read(file);
  EXPECT_EQ(found.file_bytes, kWindowBytes);
  EXPECT_EQ(std::memcmp(found.header.magic, trace::kMagic, sizeof trace::kMagic), 0);
  EXPECT_EQ(found.header.version, trace::kVersion);
  EXPECT_EQ(found.header.record_bytes, trace::kRecordBytes);
  EXPECT_EQ(found.header.process, static_cast<std::uint32_t>(last_));
  EXPECT_EQ(found.header.forked, 0u);
  struct Due {
    Kind kind;
    std::uint8_t log2;
    std::uint64_t size, address;
  };
  const std::array<Due, 5> dues = {{{Kind::kMalloc, 0, 7, 0x123456789ABC0},
                                    {Kind::kAligned, 12, 100, 0x123456789ABC1},
                                    {Kind::kCalloc, 4, ~std::uint64_t{0}, 0},
                                    {Kind::kFree, 0, 0, 0x123456789ABC0},
                                    {Kind::kThreadExit, 1, 0, 0}}};
  ASSERT_EQ(found.records.size(), dues.size());
  for (std::size_t i = 0; i < dues.size(); ++i) {
    const trace::Record& record = found.records[i];
    EXPECT_EQ(record.kind, dues[i].kind) << i;
    EXPECT_EQ(record.alignment_log2, dues[i].log2) << i;
    EXPECT_EQ(record.reserved, 0) << i;
    EXPECT_EQ(record.thread, static_cast<std::uint32_t>(last_)) << i;
    EXPECT_EQ(record.size, dues[i].size) << i;
    EXPECT_EQ(record.address, dues[i].address) << i;
  }
}

TEST_F(Recorder, NamesItsFileByProcessAndTakesNobodyElses) {
  const auto starts = [] { return start_recording() ? 0 : 1; };
  ASSERT_EQ(in_child(in("x%p.trace"), starts), 0);
  EXPECT_TRUE(fs::exists(in("x" + last() + ".trace")));
  EXPECT_EQ(in_child(in("y"),
                     [&] {
                       const std::string mine = in("y." + std::to_string(getpid()));
                       std::ofstream(mine) << "mine";
                       std::ofstream(mine + ".1") << "mine, too";
                       errno = kErrno;
                       return start_recording() && fs::file_size(mine) == 4 ? 0 : 1;
                     }),
            0);
  EXPECT_EQ(fs::file_size(in("y." + last() + ".1")), 9u);
  EXPECT_EQ(fs::file_size(in("y." + last() + ".2")), kWindowBytes);
  EXPECT_EQ(in_child("near",
                     [&] {
                       if (chdir(directory_.c_str()) != 0 || !start_recording()) return 1;
                       if (chdir("/") != 0) return 2;
                       record_numbers(0, 50000);  // two windows, by the same name
                       return recording() ? 0 : 3;
                     }),
            0);
  EXPECT_TRUE(are_numbers(read(in("near." + last())), 0, 50000));
  EXPECT_NE(in_child(in("no/such/folder"), starts), 0);
  EXPECT_NE(in_child("/" + std::string(5000, 'n'), starts), 0);
}

TEST_F(Recorder, GrowsByWindowsAndKeepsOne) {
  constexpr std::uint64_t kMany = 140000;  // four windows; records lie across them
  ASSERT_EQ(in_child(in("a"),
                     [&] {
                       if (!start_recording()) return 1;
                       const std::string mine = in("a.");
                       for (std::uint64_t i = 0; i < kMany; i += kMany / 4) {
                         record_numbers(i, i + kMany / 4);
                         if (mappings_of(mine) != 2) return 2;
                       }
                       errno = kErrno;
                       return 0;
                     }),
            0);
  const Trace found = read(in("a." + last()));
  EXPECT_EQ(found.file_bytes, 4 * kWindowBytes);
  EXPECT_TRUE(are_numbers(found, 0, kMany));
}

TEST_F(Recorder, GrowsWhereTheFileSystemCannotAllocateAhead) {
  ASSERT_EQ(in_child(in("a"),
                     [] {
                       if (!refuse(SYS_fallocate, EOPNOTSUPP)) return 77;
                       errno = kErrno;
                       if (!start_recording()) return 1;
                       record_numbers(0, 50000);
                       return recording() ? 0 : 2;
                     }),
            0);
  const Trace found = read(in("a." + last()));
  EXPECT_EQ(found.file_bytes, 2 * kWindowBytes);
  EXPECT_TRUE(are_numbers(found, 0, 50000));
  EXPECT_EQ(in_child(in("b"),
                     [] {
                       if (!refuse(SYS_fallocate, ENOSPC)) return 77;
                       errno = kErrno;
                       return start_recording() || recording() ? 1 : 0;
                     }),
            0);
}

TEST_F(Recorder, EndsWhereTheFileMayNotGrow) {
  ASSERT_EQ(in_child(in("a"),
                     [] {
                       signal(SIGXFSZ, SIG_IGN);
                       const rlimit one_window{kWindowBytes, kWindowBytes};
                       setrlimit(RLIMIT_FSIZE, &one_window);
                       errno = kErrno;
                       if (!start_recording()) return 1;
                       record_numbers(0, 50000);
                       return recording() ? 2 : 0;
                     }),
            0);
  constexpr std::uint64_t kFit = (kWindowBytes - trace::kHeaderBytes) / trace::kRecordBytes;
  EXPECT_TRUE(are_numbers(read(in("a." + last())), 0, kFit));
  EXPECT_EQ(in_child(in("b"),
                     [] {
                       signal(SIGXFSZ, SIG_IGN);
                       const rlimit less{kWindowBytes - 1, kWindowBytes - 1};
                       setrlimit(RLIMIT_FSIZE, &less);
                       for (const unsigned error : {0u, unsigned{EOPNOTSUPP}}) {
                         if (error != 0 && !refuse(SYS_fallocate, error)) return 77;
                         errno = kErrno;
                         if (start_recording() || recording()) return 1;
                       }
                       return 0;
                     }),
            0);
}

TEST_F(Recorder, AForkedChildHasAFileOfItsOwnAndSoHasAClone) {
  for (const bool behind_our_back : {false, true}) {
    const std::string name = behind_our_back ? "clone" : "fork";
    std::array<int, 2> told{};
    ASSERT_EQ(pipe(told.data()), 0);
    ASSERT_EQ(in_child(in(name),
                       [&] {
                         if (!start_recording()) return 1;
                         record_numbers(0, 3);
                         if (!behind_our_back) recorder_fork_prepare();
                         const auto child = static_cast<pid_t>(
                             behind_our_back ? syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork());
                         if (child == 0) {
                           if (!behind_our_back) recorder_fork_child();
                           record_numbers(10, 14);
                           const bool one_file = mappings_of(in(name)) == 2;
                           _exit(recording() && one_file ? 0 : 1);
                         }
                         if (!behind_our_back) recorder_fork_parent();
                         record_numbers(3, 5);
                         if (write(told[1], &child, sizeof child) != sizeof child) return 2;
                         if (ended(child) != 0) return 3;
                         record_numbers(5, 7);
                         errno = kErrno;
                         return recording() ? 0 : 4;
                       }),
              0);
    pid_t child = 0;
    ASSERT_EQ(::read(told[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
    close(told[0]);
    close(told[1]);
    EXPECT_TRUE(are_numbers(read(in(name + "." + last())), 0, 7)) << name;
    const Trace found = read(in(name + "." + std::to_string(child)));
    EXPECT_TRUE(are_numbers(found, 10, 14)) << name;
    EXPECT_EQ(found.header.process, static_cast<std::uint32_t>(child));
    EXPECT_EQ(found.header.forked, 1u);
  }
}

TEST_F(Recorder, AForkedChildWithoutAFileRecordsNothing) {
  ASSERT_EQ(in_child(in("a"),
                     [&] {
                       if (!start_recording()) return 1;
                       record_numbers(0, 3);
                       recorder_fork_prepare();
                       const pid_t child = fork();
                       if (child == 0) {
                         if (!refuse(SYS_openat, EACCES)) _exit(0);
                         recorder_fork_child();
                         record_numbers(10, 14);
                         _exit(recording() ? 1 : 0);
                       }
                       recorder_fork_parent();
                       if (ended(child) != 0) return 2;
                       record_numbers(3, 5);
                       errno = kErrno;
                       return 0;
                     }),
            0);
  EXPECT_TRUE(are_numbers(read(in("a." + last())), 0, 5));
  EXPECT_EQ(files().size(), 1u);
}

}  // namespace
}  // namespace hakmem::heap
