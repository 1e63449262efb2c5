// The control group's limit: the file format, and the walk up the hierarchy, in a directory that
// stands for /sys/fs/cgroup.
#include "pal/cgroup.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace hakmem::test {
namespace {

constexpr std::size_t kNone = ~std::size_t{0};

class Cgroup : public testing::Test {
 protected:
  Cgroup() {
    std::string pattern = testing::TempDir() + "cgroup-XXXXXX";
    root_ = mkdtemp(pattern.data());
    std::filesystem::create_directories(root_ + "/a/b/c");
  }
  ~Cgroup() override { std::filesystem::remove_all(root_); }

  void put(const std::string& path, const std::string& text) {
    std::ofstream(root_ + "/" + path, std::ios::binary) << text;
  }
  void belong_to(const std::string& lines) { put("membership", lines); }
  std::size_t bytes(const char* file = "memory.max") {
    const std::string membership = root_ + "/membership";
    return cgroup_bytes(file, {root_.c_str(), membership.c_str()});
  }

  std::string root_;
};

TEST_F(Cgroup, NothingThereIsNoLimitAndErrnoStays) {
  errno = 123;
  EXPECT_EQ(bytes(), kNone);
  EXPECT_EQ(cgroup_bytes("memory.max", {"/nonexistent", "/nonexistent"}), kNone);
  EXPECT_EQ(errno, 123);
}

TEST_F(Cgroup, TheLeastOfTheGroupAndAllAboveIt) {
  belong_to("0::/a/b/c\n");
  EXPECT_EQ(bytes(), kNone);
  put("a/memory.max", "5000\n");
  EXPECT_EQ(bytes(), 5000u);
  put("a/b/memory.max", "max\n");
  EXPECT_EQ(bytes(), 5000u);
  put("a/b/c/memory.max", "7000\n");
  EXPECT_EQ(bytes(), 5000u);
  put("a/b/memory.max", "4000\n");
  EXPECT_EQ(bytes(), 4000u);
  put("a/b/c/memory.max", "3000\n");
  EXPECT_EQ(bytes(), 3000u);
  put("memory.max", "2000\n");
  EXPECT_EQ(bytes(), 2000u);
}

TEST_F(Cgroup, OtherGroupsAndOtherFilesDoNotMatter) {
  belong_to("0::/a/b\n");
  put("a/b/c/memory.max", "1\n");
  put("a/b/memory.high", "2\n");
  EXPECT_EQ(bytes(), kNone);
  EXPECT_EQ(bytes("memory.high"), 2u);
}

// In a container the group is the root of what can be seen.
TEST_F(Cgroup, TheRootItself) {
  put("memory.max", "9000\n");
  put("a/memory.max", "1\n");
  belong_to("0::/\n");
  EXPECT_EQ(bytes(), 9000u);
  belong_to("0::/../../elsewhere\n");  // moved out of the namespace
  EXPECT_EQ(bytes(), 9000u);
  belong_to("");
  EXPECT_EQ(bytes(), 9000u);
}

// Version 1 hierarchies stand in the same file.
TEST_F(Cgroup, OnlyTheLineOfVersionTwoCounts) {
  put("a/memory.max", "6000\n");
  belong_to("12:memory:/a/b\n1:name=systemd:/a\n0::/a\n");
  EXPECT_EQ(bytes(), 6000u);
  belong_to("12:memory:/a\n10::/a\n");
  EXPECT_EQ(bytes(), kNone);
  belong_to("0::/a");  // the last line may lack its end
  EXPECT_EQ(bytes(), 6000u);
}

TEST_F(Cgroup, WhatIsNoNumberIsNoLimit) {
  belong_to("0::/a\n");
  for (const char* text : {"", "\n", "max", "-1\n", "1 2\n", "0x10\n", "12k\n", " 5\n",
                           "18446744073709551616\n", "99999999999999999999999\n"}) {
    put("a/memory.max", text);
    EXPECT_EQ(bytes(), kNone) << text;
  }
  put("a/memory.max", "0\n");
  EXPECT_EQ(bytes(), 0u);
  put("a/memory.max", "18446744073709551614");
  EXPECT_EQ(bytes(), kNone - 1);
}

TEST_F(Cgroup, APathThatIsTooLongIsLeftOut) {
  put("memory.max", "8000\n");
  belong_to("0::/" + std::string(4080, 'x') + "\n");
  EXPECT_EQ(bytes(), 8000u);
  belong_to("0::/" + std::string(20000, 'x') + "\n");
  EXPECT_EQ(bytes(), 8000u);
}

}  // namespace
}  // namespace hakmem::test
