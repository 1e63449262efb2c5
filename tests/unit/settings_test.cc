// The limits that the environment asks for (src/entry/settings.cc): every form of a size, and what
// is said about a bad one. The policy's variables: entry_routing_test.cc, tests/misuse/bad_env_*.
#include "entry/settings.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace hakmem::test {
namespace {

constexpr std::size_t kNone = LimitBytes::kNone;

std::map<std::string, std::string> g_environment;
std::vector<std::string> g_complaints;
std::map<std::string, std::size_t> g_cgroup;

const char* value_of(const char* name) noexcept {
  const auto at = g_environment.find(name);
  return at == g_environment.end() ? nullptr : at->second.c_str();
}
void complain(const char* name, const char* value, const char* expected,
              const char* used) noexcept {
  g_complaints.push_back(std::string(name) + "=" + value + ": " + expected + "; " + used);
}
std::size_t cgroup(const char* file) noexcept {
  const auto at = g_cgroup.find(file);
  return at == g_cgroup.end() ? kNone : at->second;
}

LimitBytes limits(const char* soft, const char* hard) {
  g_environment.clear();
  g_complaints.clear();
  if (soft != nullptr) g_environment["HAKMEM_LIMIT_SOFT"] = soft;
  if (hard != nullptr) g_environment["HAKMEM_LIMIT_HARD"] = hard;
  return heap::limits_from({value_of, complain, cgroup});
}
std::size_t soft(const char* text) { return limits(text, nullptr).soft; }

TEST(Limits, NoneUnlessAskedFor) {
  EXPECT_EQ(limits(nullptr, nullptr), (LimitBytes{kNone, kNone}));
  EXPECT_EQ(limits("0", "0"), (LimitBytes{kNone, kNone}));
  EXPECT_TRUE(g_complaints.empty());
}

TEST(Limits, BytesAndSuffixes) {
  EXPECT_EQ(soft("1"), 1u);
  EXPECT_EQ(soft("0123"), 123u);
  EXPECT_EQ(soft("3K"), 3072u);
  EXPECT_EQ(soft("3k"), 3072u);
  EXPECT_EQ(soft("100M"), std::size_t{100} << 20);
  EXPECT_EQ(soft("100m"), std::size_t{100} << 20);
  EXPECT_EQ(soft("2G"), std::size_t{2} << 30);
  EXPECT_EQ(soft("2g"), std::size_t{2} << 30);
  EXPECT_EQ(soft("5T"), std::size_t{5} << 40);
  EXPECT_EQ(soft("5t"), std::size_t{5} << 40);
  EXPECT_EQ(soft("16777215T"), std::size_t{16777215} << 40);
  EXPECT_EQ(soft("18446744073709551614"), kNone - 1);
  EXPECT_TRUE(g_complaints.empty());
}

TEST(Limits, WhatIsNoSizeIsSaidOnceAndIsNoLimit) {
  for (const char* text : {"", " 1", "1 ", "-1", "+1", "0x10", "1KB", "1KiB", "K", "1.5G", "1P",
                           "max", "Cgroup", "16777216T", "18446744073709551616",
                           "18446744073709551617K", "99999999999999999999999999"}) {
    EXPECT_EQ(limits(text, "4K"), (LimitBytes{4096, 4096})) << text;
    ASSERT_EQ(g_complaints.size(), 1u) << text;
    EXPECT_EQ(g_complaints[0], std::string("HAKMEM_LIMIT_SOFT=") + text +
                                   ": bytes, with K, M, G or T, or cgroup; no limit");
    EXPECT_EQ(limits("4K", text), (LimitBytes{4096, kNone})) << text;
    ASSERT_EQ(g_complaints.size(), 1u) << text;
  }
}

TEST(Limits, HardAloneIsSoftToo) {
  EXPECT_EQ(limits(nullptr, "1M"), (LimitBytes{1 << 20, 1 << 20}));
  EXPECT_TRUE(g_complaints.empty());
}

TEST(Limits, SoftAboveHardIsSaid) {
  EXPECT_EQ(limits("1M", "1M"), (LimitBytes{1 << 20, 1 << 20}));
  EXPECT_TRUE(g_complaints.empty());
  EXPECT_EQ(limits("1025K", "1M"), (LimitBytes{1 << 20, 1 << 20}));
  ASSERT_EQ(g_complaints.size(), 1u);
  EXPECT_EQ(g_complaints[0],
            "HAKMEM_LIMIT_SOFT=1025K: at most HAKMEM_LIMIT_HARD; HAKMEM_LIMIT_HARD");
}

TEST(Limits, OfTheControlGroup) {
  g_cgroup = {{"memory.high", 7000}, {"memory.max", 9000}};
  EXPECT_EQ(limits("cgroup", "cgroup"), (LimitBytes{7000, 9000}));
  EXPECT_EQ(limits(nullptr, "cgroup"), (LimitBytes{9000, 9000}));
  EXPECT_EQ(limits("cgroup", nullptr), (LimitBytes{7000, kNone}));
  g_cgroup.clear();
  EXPECT_EQ(limits("cgroup", "cgroup"), (LimitBytes{kNone, kNone}));
  EXPECT_TRUE(g_complaints.empty());
}

}  // namespace
}  // namespace hakmem::test
