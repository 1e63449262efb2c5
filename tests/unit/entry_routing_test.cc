// The environment decides the route of each class: this program runs itself under each setting and
// compares the counts of the child, class by class, with what the setting asks for.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "hakmem/hakmem.h"

namespace {

using Environment = std::vector<std::string>;  // NAME=VALUE

struct Counts {
  std::array<unsigned long, 5> of_class[HAK_CLASSES];  // in the order of kNames
  unsigned long page_of_fail;
  unsigned mask;
};
constexpr const char* kNames[] = {"route_hits", "alloc_calls", "free_calls", "alloc_fb_v1",
                                  "free_fb_v1"};

unsigned long calls_of(int size_class) { return 100 + 10 * static_cast<unsigned long>(size_class); }

// In the child: a known number of calls per class, then the counts.
int probe() {
  for (int c = 0; c < HAK_CLASSES; ++c) {
    std::vector<void*> blocks;
    for (unsigned long i = 0; i < calls_of(c); ++i) blocks.push_back(hak_malloc(size_t{8} << c));
    for (void* p : blocks) hak_free(p);
  }
  hak_counters s;
  hak_stats_v3(&s);
  hak_policy policy;
  hak_policy_get(&policy);
  std::printf("%lu %u\n", s.page_of_fail, policy.v3_mask);
  for (const hak_class_stats& k : s.classes) {
    std::printf("%lu %lu %lu %lu %lu\n", k.route_hits, k.alloc_calls, k.free_calls, k.alloc_fb_v1,
                k.free_fb_v1);
  }
  return 0;
}

struct Ran {
  int status;
  std::string out, error;
};

std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  close(fd);
  return text;
}

Ran run_self(const Environment& environment) {
  int out[2], error[2];
  if (pipe(out) != 0 || pipe(error) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    dup2(out[1], STDOUT_FILENO);
    dup2(error[1], STDERR_FILENO);
    for (const std::string& setting : environment) putenv(const_cast<char*>(setting.c_str()));
    execl("/proc/self/exe", "entry_routing_test", "--probe", static_cast<char*>(nullptr));
    _exit(127);
  }
  close(out[1]);
  close(error[1]);
  Ran ran;
  ran.out = read_all(out[0]);
  ran.error = read_all(error[0]);
  waitpid(child, &ran.status, 0);
  return ran;
}

Counts counts_under(Environment environment) {
  environment.push_back("HAKMEM_SO_V3_STATS=1");
  const Ran ran = run_self(environment);
  EXPECT_EQ(ran.status, 0) << ran.error;
  Counts counts{};
  FILE* const in = fmemopen(const_cast<char*>(ran.out.data()), ran.out.size(), "r");
  EXPECT_EQ(std::fscanf(in, "%lu %u", &counts.page_of_fail, &counts.mask), 2) << ran.out;
  for (auto& k : counts.of_class) {
    for (unsigned long& n : k) EXPECT_EQ(std::fscanf(in, "%lu", &n), 1) << ran.out;
  }
  std::fclose(in);
  return counts;
}

// Every call of a class is counted exactly once, on the route that `mask` gives it.
void expect_routes(const Environment& environment, unsigned mask) {
  const Counts counts = counts_under(environment);
  EXPECT_EQ(counts.mask, mask);
  unsigned long on_v1 = 0;
  for (int c = 0; c < HAK_CLASSES; ++c) {
    const bool v3 = (mask >> c & 1) != 0;
    const unsigned long n = calls_of(c);
    const std::array<unsigned long, 5> want = {v3 ? n : 0, n, n, 0, v3 ? 0 : n};
    for (std::size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(counts.of_class[c][i], want[i]) << "C" << c << " " << kNames[i];
    }
    on_v1 += v3 ? 0 : n;
  }
  EXPECT_EQ(counts.page_of_fail, on_v1);
}

TEST(Routing, DefaultIsV3ForAll) { expect_routes({}, 0xFFFF); }

TEST(Routing, MaskDecidesPerClass) {
  for (const unsigned mask : {0x00u, 0x80u, 0xC0u, 0xFFu, 0x1u, 0x5555u, 0xFF00u, 0xFFFFu}) {
    char setting[64];
    std::snprintf(setting, sizeof setting, "HAKMEM_SMALL_HEAP_V3_CLASSES=0x%X", mask);
    SCOPED_TRACE(setting);
    expect_routes({setting}, mask);
    std::snprintf(setting, sizeof setting, "HAKMEM_SMALL_HEAP_V3_CLASSES=%u", mask);
    expect_routes({setting}, mask);
  }
}

TEST(Routing, Profiles) {
  expect_routes({"HAKMEM_TINY_HEAP_PROFILE=C7_SAFE"}, 0x80);
  expect_routes({"HAKMEM_TINY_HEAP_PROFILE=FULL"}, 0xFFFF);
  expect_routes({"HAKMEM_TINY_HEAP_PROFILE=V1"}, 0);
}

TEST(Routing, AnExplicitMaskWinsOverTheProfile) {
  expect_routes({"HAKMEM_TINY_HEAP_PROFILE=C7_SAFE", "HAKMEM_SMALL_HEAP_V3_CLASSES=0xFF"}, 0xFF);
  expect_routes({"HAKMEM_TINY_HEAP_PROFILE=V1", "HAKMEM_SMALL_HEAP_V3_CLASSES=0xC0"}, 0xC0);
}

TEST(Routing, DisabledWinsOverAll) {
  expect_routes({"HAKMEM_SMALL_HEAP_V3_ENABLED=0", "HAKMEM_SMALL_HEAP_V3_CLASSES=0xFF"}, 0);
  expect_routes({"HAKMEM_SMALL_HEAP_V3_ENABLED=1", "HAKMEM_SMALL_HEAP_V3_CLASSES=0xFF"}, 0xFF);
}

TEST(Routing, ABadValueIsReportedOnceAndTheProgramRuns) {
  struct {
    const char *setting, *warning;
    unsigned mask;
  } const bad[] = {
      {"HAKMEM_SMALL_HEAP_V3_ENABLED=2",
       "hakmem: warning: HAKMEM_SMALL_HEAP_V3_ENABLED=\"2\" is not 0 or 1; using 1\n", 0xFFFF},
      {"HAKMEM_SMALL_HEAP_V3_CLASSES=0x1FFFF",
       "hakmem: warning: HAKMEM_SMALL_HEAP_V3_CLASSES=\"0x1FFFF\" is not a mask from 0x0 to "
       "0xFFFF; "
       "using the profile's mask\n",
       0xFFFF},
      {"HAKMEM_TINY_HEAP_PROFILE=C7",
       "hakmem: warning: HAKMEM_TINY_HEAP_PROFILE=\"C7\" is not C7_SAFE, FULL or V1; using FULL\n",
       0xFFFF},
      {"HAKMEM_TINY_C6_HOT=", "hakmem: warning: HAKMEM_TINY_C6_HOT=\"\" is not 0 or 1; using 0\n",
       0xFFFF},
  };
  for (const auto& b : bad) {
    const Ran ran = run_self({b.setting});
    EXPECT_EQ(ran.status, 0);
    EXPECT_EQ(ran.error, b.warning);
    expect_routes({b.setting}, b.mask);
  }
}

// That it caches is to be seen in tests/misuse/double_free_c6_hot.c.
TEST(Routing, C6HotIsNoRoute) {
  expect_routes({"HAKMEM_SMALL_HEAP_V3_ENABLED=0", "HAKMEM_TINY_C6_HOT=1"}, 0);
  expect_routes({"HAKMEM_SMALL_HEAP_V3_CLASSES=0x80", "HAKMEM_TINY_C6_HOT=1"}, 0x80);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "--probe") return probe();
  for (const char* name :
       {"HAKMEM_SMALL_HEAP_V3_ENABLED", "HAKMEM_SMALL_HEAP_V3_CLASSES", "HAKMEM_SO_V3_STATS",
        "HAKMEM_TINY_HEAP_PROFILE", "HAKMEM_TINY_C6_HOT"}) {
    unsetenv(name);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
