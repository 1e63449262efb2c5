// The three forms of the statistics: read again by a JSON parser and by a reader of Prometheus'
// text format, every number where it belongs; and that the largest report fits.
#include "entry/stats_format.h"

#include <gtest/gtest.h>

#include <cctype>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>

namespace hakmem::heap {
namespace {

// Every number another one.
StatsReport sample(bool counting) {
  StatsReport r;
  r.memory = {10, 200, 3000, 40000, 50, 600, 7000, 800, 9, 100000, 1100};
  r.counting = counting;
  r.process = 4711;
  r.counters.page_of_fail = 21;
  r.counters.large_alloc = 22;
  r.counters.large_free = 23;
  StatsV3::PerClass& c7 = r.counters.by_class[7];
  c7 = {31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43};
  r.counters.by_class[15].free_calls = 50;
  return r;
}

std::string format(StatsFormat form, const StatsReport& report) {
  const auto text = std::make_unique<StatsText>();
  format_stats(form, report, *text);
  return {text->data(), text->size()};
}

const std::map<std::string, std::uint64_t> kMemory = {
    {"allocated", 610},       {"active", 800},         {"resident", 3000 + 600 + 800 + 1100},
    {"mapped", 47000},        {"retained", 100000},    {"metadata", 1100},
    {"small_allocated", 10},  {"small_mapped", 40000}, {"small_idle", 50},
    {"large_allocated", 600}, {"large_mapped", 7000},  {"large_idle", 800}};

const std::map<std::string, std::uint64_t> kC7 = {
    {"route_hits", 31},      {"alloc_calls", 32},       {"free_calls", 33},
    {"alloc_refill", 34},    {"alloc_current_hit", 35}, {"alloc_partial_hit", 36},
    {"alloc_ultra_hit", 37}, {"alloc_fb_v1", 38},       {"free_fb_v1", 39},
    {"free_current", 40},    {"free_partial", 41},      {"free_retire", 42},
    {"free_remote", 43}};

TEST(StatsFormat, Json) {
  for (const bool counting : {false, true}) {
    const std::string text = format(StatsFormat::kJson, sample(counting));
    EXPECT_EQ(text.find('\n'), text.size() - 1) << "one line";
    const nlohmann::json json = nlohmann::json::parse(text);
    EXPECT_EQ(json.at("process"), 4711);
    EXPECT_EQ(json.at("version").get<std::string>().rfind("hakmem-", 0), 0u);
    for (const auto& [name, value] : kMemory) EXPECT_EQ(json.at(name), value) << name;
    EXPECT_EQ(json.at("large_blocks"), 9);
    EXPECT_EQ(json.at("counting"), counting);
    EXPECT_EQ(json.contains("classes"), counting);
    if (!counting) {
      EXPECT_EQ(json.size(), kMemory.size() + 4);
      continue;
    }
    EXPECT_EQ(json.at("page_of_fail"), 21);
    EXPECT_EQ(json.at("large_alloc"), 22);
    EXPECT_EQ(json.at("large_free"), 23);
    ASSERT_EQ(json.at("classes").size(), 2u);
    const nlohmann::json& c7 = json.at("classes").at(0);
    EXPECT_EQ(c7.at("class"), 7);
    EXPECT_EQ(c7.size(), kC7.size() + 1);
    for (const auto& [name, value] : kC7) EXPECT_EQ(c7.at(name), value) << name;
    EXPECT_EQ(json.at("classes").at(1).at("class"), 15);
    EXPECT_EQ(json.at("classes").at(1).at("free_calls"), 50);
  }
}

TEST(StatsFormat, JsonWithoutCalls) {
  StatsReport r;
  r.counting = true;
  EXPECT_TRUE(nlohmann::json::parse(format(StatsFormat::kJson, r)).at("classes").empty());
}

// Reads the text format 0.0.4 strictly: each metric has one HELP and one TYPE, in this order and
// right before its samples; names and labels are of the allowed characters; values are whole
// numbers.
class PromReader {
 public:
  explicit PromReader(const std::string& text) {
    EXPECT_TRUE(!text.empty() && text.back() == '\n');
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) read(line);
    EXPECT_EQ(state_, State::kSamples);
  }
  std::map<std::string, std::uint64_t> samples;  // by name with labels
  std::map<std::string, std::string> types;

 private:
  enum class State { kSamples, kHelp, kType };

  void read(const std::string& line) {
    std::istringstream words(line);
    std::string first, keyword, name;
    words >> first;
    if (first != "#") return read_sample(line);
    words >> keyword >> name;
    if (keyword == "HELP") {
      EXPECT_EQ(state_, State::kSamples) << line;
      EXPECT_TRUE(seen_.insert(name).second) << "twice: " << name;
      EXPECT_GT(line.size(), std::string("# HELP ").size() + name.size() + 1) << "no help";
      state_ = State::kHelp;
    } else {
      EXPECT_EQ(keyword, "TYPE") << line;
      EXPECT_EQ(state_, State::kHelp) << line;
      EXPECT_EQ(name, metric_) << line;
      words >> types[name];
      EXPECT_TRUE(types[name] == "gauge" || types[name] == "counter") << line;
      state_ = State::kType;
    }
    metric_ = name;
  }
  void read_sample(const std::string& line) {
    EXPECT_NE(state_, State::kHelp) << line;
    state_ = State::kSamples;
    const std::size_t end = line.rfind(' ');
    ASSERT_NE(end, std::string::npos);
    const std::string series = line.substr(0, end);
    const std::string name = series.substr(0, series.find('{'));
    EXPECT_EQ(name, metric_) << line;
    for (const char c : name) EXPECT_TRUE(std::isalnum(static_cast<unsigned char>(c)) || c == '_');
    if (series != name) {
      EXPECT_TRUE(series.back() == '}' && series.find("=\"") != std::string::npos) << line;
    }
    const std::string value = line.substr(end + 1);
    EXPECT_EQ(value.find_first_not_of("0123456789"), std::string::npos) << line;
    EXPECT_TRUE(samples.emplace(series, std::stoull(value)).second) << "twice: " << line;
  }

  State state_ = State::kSamples;
  std::string metric_;
  std::set<std::string> seen_;
};

TEST(StatsFormat, Prometheus) {
  PromReader prom(format(StatsFormat::kProm, sample(true)));
  for (const auto& [name, value] : kMemory) {
    EXPECT_EQ(prom.samples.at("hakmem_" + name + "_bytes"), value) << name;
    EXPECT_EQ(prom.types.at("hakmem_" + name + "_bytes"), "gauge");
  }
  EXPECT_EQ(prom.samples.at("hakmem_large_blocks"), 9u);
  EXPECT_EQ(prom.samples.at("hakmem_page_of_fail_total"), 21u);
  EXPECT_EQ(prom.samples.at("hakmem_large_alloc_total"), 22u);
  EXPECT_EQ(prom.samples.at("hakmem_large_free_total"), 23u);
  for (const auto& [name, value] : kC7) {
    EXPECT_EQ(prom.samples.at("hakmem_" + name + "_total{class=\"C7\"}"), value) << name;
    EXPECT_EQ(prom.types.at("hakmem_" + name + "_total"), "counter");
  }
  EXPECT_EQ(prom.samples.at("hakmem_free_calls_total{class=\"C15\"}"), 50u);
  EXPECT_EQ(prom.samples.size(), kMemory.size() + 2 + 3 + 2 * kC7.size());
  PromReader quiet(format(StatsFormat::kProm, sample(false)));
  EXPECT_EQ(quiet.samples.size(), kMemory.size() + 2);
}

TEST(StatsFormat, Text) {
  const std::string quiet = format(StatsFormat::kText, sample(false));
  EXPECT_NE(quiet.find(" process 4711, memory in bytes:\n  allocated           610\n"),
            std::string::npos)
      << quiet;
  EXPECT_EQ(quiet.find("class"), std::string::npos);
  const std::string counted = format(StatsFormat::kText, sample(true));
  EXPECT_NE(counted.find("\nclass C7:\n  route_hits          31\n"), std::string::npos) << counted;
  EXPECT_NE(counted.find("\n  large_free          23\n"), std::string::npos) << counted;
}

TEST(StatsFormat, TheLargestReportFits) {
  StatsReport r = sample(true);
  constexpr std::uint64_t kMost = ~std::uint64_t{0};
  for (StatsV3::PerClass& s : r.counters.by_class) {
    s = {kMost, kMost, kMost, kMost, kMost, kMost, kMost, kMost, kMost, kMost, kMost, kMost, kMost};
  }
  for (const StatsFormat form : {StatsFormat::kText, StatsFormat::kJson, StatsFormat::kProm}) {
    const std::string text = format(form, r);
    EXPECT_LT(text.size(), sizeof(StatsText) - 4096);
    EXPECT_EQ(text.back(), '\n');
  }
}

}  // namespace
}  // namespace hakmem::heap
