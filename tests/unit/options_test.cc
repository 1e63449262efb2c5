// What the environment says besides the policy: every value that is well formed, and what becomes
// of others. fuzz/env_config_fuzz.cc reads any text.
#include "entry/options.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <map>
#include <string>
#include <vector>

namespace hakmem::heap {
namespace {

std::map<std::string, std::string> environment;
std::vector<std::string> complaints;

Options read(const std::map<std::string, std::string>& values) {
  environment = values;
  complaints.clear();
  return options_from(
      {[](const char* name) noexcept -> const char* {
         const auto found = environment.find(name);
         return found == environment.end() ? nullptr : found->second.c_str();
       },
       [](const char* name, const char* value, const char* expected, const char* used) noexcept {
         complaints.push_back(std::string(name) + "=" + value + " expected " + expected + " used " +
                              used);
       },
       nullptr});
}

StatsOutput stats(const char* name, const char* value) { return read({{name, value}}).stats; }

TEST(Options, OfAnEmptyEnvironment) {
  const StatsOutput s = read({}).stats;
  EXPECT_EQ(s.format, StatsFormat::kNone);
  EXPECT_EQ(s.file, nullptr);
  EXPECT_EQ(s.fd, 2);
  EXPECT_EQ(s.signal, 0);
  EXPECT_TRUE(complaints.empty());
}

TEST(Options, StatsFormats) {
  EXPECT_EQ(stats("HAKMEM_STATS", "text").format, StatsFormat::kText);
  EXPECT_EQ(stats("HAKMEM_STATS", "json").format, StatsFormat::kJson);
  EXPECT_EQ(stats("HAKMEM_STATS", "prom").format, StatsFormat::kProm);
  EXPECT_TRUE(complaints.empty());
  for (const char* bad : {"", "1", "JSON", "json ", "jso", "jsonx"}) {
    EXPECT_EQ(stats("HAKMEM_STATS", bad).format, StatsFormat::kNone);
    EXPECT_EQ(complaints,
              std::vector<std::string>{std::string("HAKMEM_STATS=") + bad +
                                       " expected text, json or prom used none of them"});
  }
}

TEST(Options, StatsFiles) {
  EXPECT_STREQ(stats("HAKMEM_STATS_FILE", "/tmp/x.%p").file, "/tmp/x.%p");
  EXPECT_STREQ(stats("HAKMEM_STATS_FILE", "f").file, "f");
  EXPECT_STREQ(stats("HAKMEM_STATS_FILE", "fd").file, "fd");
  for (const int fd : {0, 7, 9, 10, 2147483647}) {
    const StatsOutput s = stats("HAKMEM_STATS_FILE", ("fd:" + std::to_string(fd)).c_str());
    EXPECT_EQ(s.file, nullptr);
    EXPECT_EQ(s.fd, fd);
  }
  EXPECT_TRUE(complaints.empty());
  for (const char* bad : {"", "fd:", "fd:-1", "fd:2147483648", "fd:3 ", "fd:x", "fd:99999999999"}) {
    const StatsOutput s = stats("HAKMEM_STATS_FILE", bad);
    EXPECT_EQ(s.file, nullptr) << bad;
    EXPECT_EQ(s.fd, 2) << bad;
    EXPECT_EQ(complaints.size(), 1u) << bad;
  }
}

TEST(Options, StatsSignals) {
  EXPECT_EQ(stats("HAKMEM_STATS_SIGNAL", "USR2").signal, SIGUSR2);
  EXPECT_EQ(stats("HAKMEM_STATS_SIGNAL", "SIGUSR1").signal, SIGUSR1);
  EXPECT_EQ(stats("HAKMEM_STATS_SIGNAL", "SIGWINCH").signal, SIGWINCH);
  EXPECT_EQ(stats("HAKMEM_STATS_SIGNAL", "12").signal, 12);
  EXPECT_EQ(stats("HAKMEM_STATS_SIGNAL", "1").signal, 1);
  EXPECT_EQ(stats("HAKMEM_STATS_SIGNAL", "64").signal, 64);
  EXPECT_TRUE(complaints.empty());
  for (const char* bad :
       {"",  "SIG", "SIG12", "usr2", "USR3", "SIGSIGUSR2", "0",  "65", "-1", "12 ",  "9",   "19",
        "4", "5",   "6",     "7",    "8",    "11",         "31", "32", "33", "KILL", "SEGV"}) {
    EXPECT_EQ(stats("HAKMEM_STATS_SIGNAL", bad).signal, 0) << bad;
    EXPECT_EQ(complaints.size(), 1u) << bad;
  }
}

TEST(Options, HugePages) {
  EXPECT_EQ(read({}).memory.huge, HugePages::kSystem);
  EXPECT_EQ(read({{"HAKMEM_THP", "never"}}).memory.huge, HugePages::kNever);
  EXPECT_EQ(read({{"HAKMEM_THP", "madvise"}}).memory.huge, HugePages::kMadvise);
  EXPECT_EQ(read({{"HAKMEM_THP", "always"}}).memory.huge, HugePages::kAlways);
  EXPECT_TRUE(complaints.empty());
  for (const char* bad : {"", "1", "Always", "never "}) {
    EXPECT_EQ(read({{"HAKMEM_THP", bad}}).memory.huge, HugePages::kSystem) << bad;
    EXPECT_EQ(complaints.size(), 1u) << bad;
  }
}

TEST(Options, Background) {
  EXPECT_FALSE(read({}).background);
  EXPECT_FALSE(read({{"HAKMEM_BACKGROUND", "0"}}).background);
  EXPECT_TRUE(read({{"HAKMEM_BACKGROUND", "1"}}).background);
  EXPECT_TRUE(complaints.empty());
  for (const char* bad : {"", "2", "yes"}) {
    EXPECT_FALSE(read({{"HAKMEM_BACKGROUND", bad}}).background) << bad;
    EXPECT_EQ(complaints.size(), 1u) << bad;
  }
}

TEST(Options, Prefault) {
  EXPECT_EQ(read({}).memory.prefault, Prefault::kNo);
  EXPECT_EQ(read({{"HAKMEM_PREFAULT", "0"}}).memory.prefault, Prefault::kNo);
  EXPECT_EQ(read({{"HAKMEM_PREFAULT", "1"}}).memory.prefault, Prefault::kYes);
  EXPECT_TRUE(complaints.empty());
  for (const char* bad : {"", "2", "yes"}) {
    EXPECT_EQ(read({{"HAKMEM_PREFAULT", bad}}).memory.prefault, Prefault::kNo) << bad;
    EXPECT_EQ(complaints.size(), 1u) << bad;
  }
}

}  // namespace
}  // namespace hakmem::heap
