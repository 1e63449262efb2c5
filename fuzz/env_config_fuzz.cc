// env_config: any values of the environment variables (src/entry/settings.cc, options.cc). Every
// text gives a policy, limits and options; what is well formed is taken as the documentation says,
// what is not is complained about exactly once, with the value that is then really used.
//
// Input: the values of the variables below, one a line; a variable whose line is missing is not
// set.
#include <array>
#include <string>

#include "entry/options.h"
#include "entry/settings.h"
#include "fuzz/check.h"

namespace hakmem::fuzz {
namespace {

// New ones at the end: a corpus keeps its meaning.
constexpr std::array kNames{"HAKMEM_SMALL_HEAP_V3_ENABLED",
                            "HAKMEM_SMALL_HEAP_V3_CLASSES",
                            "HAKMEM_SO_V3_STATS",
                            "HAKMEM_TINY_HEAP_PROFILE",
                            "HAKMEM_TINY_C6_HOT",
                            "HAKMEM_LIMIT_SOFT",
                            "HAKMEM_LIMIT_HARD",
                            "HAKMEM_LEARN",
                            "HAKMEM_STATS",
                            "HAKMEM_STATS_FILE",
                            "HAKMEM_STATS_SIGNAL",
                            "HAKMEM_THP",
                            "HAKMEM_PREFAULT",
                            "HAKMEM_SANDBOX",
                            "HAKMEM_BACKGROUND",
                            "HAKMEM_SIZED_DELETE",
                            "HAKMEM_DEEPBIND"};
constexpr std::size_t kEnabled = 0, kClasses = 1, kStats = 2, kProfile = 3, kC6Hot = 4;
constexpr std::size_t kSoft = 5, kHard = 6, kLearn = 7;
constexpr std::size_t kFormat = 8, kFile = 9, kSignal = 10, kThp = 11, kPrefault = 12;
constexpr std::size_t kSandbox = 13, kBackground = 14, kSizedDelete = 15, kDeepBind = 16;
constexpr std::size_t kCgroupHigh = 3000000, kCgroupMax = LimitBytes::kNone;

struct Variable {
  bool set = false;
  std::string value;
  unsigned complaints = 0;
};
std::array<Variable, kNames.size()> g_variables;

Variable& variable(const char* name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (std::string(name) == kNames[i]) return g_variables[i];
  }
  fail(std::string("an unknown variable is read: ") + name);
}

const char* value_of(const char* name) noexcept {
  const Variable& v = variable(name);
  return v.set ? v.value.c_str() : nullptr;
}
void complain(const char* name, const char* value, const char* expected,
              const char* used) noexcept {
  Variable& v = variable(name);
  require(v.set && v.value == value, "a complaint about a value that is not there");
  require(expected[0] != '\0' && used[0] != '\0', "a complaint that does not help");
  ++v.complaints;
}

std::size_t cgroup(const char* file) noexcept {
  return std::string(file) == "memory.high" ? kCgroupHigh : kCgroupMax;
}

void read_lines(const std::string& text) {
  g_variables = {};
  std::size_t at = 0;
  for (Variable& v : g_variables) {
    if (at > text.size() || text.empty()) return;
    const std::size_t end = std::min(text.find('\n', at), text.size());
    v.set = true;
    v.value = text.substr(at, end - at).c_str();  // up to a NUL, as in an environment
    at = end + 1;
  }
}

// The documented meaning, written apart from the parser. False: malformed.
bool read_flag(const Variable& v, bool& flag) {
  if (v.value != "0" && v.value != "1") return false;
  flag = v.value == "1";
  return true;
}
bool read_mask(const std::string& text, std::uint32_t& mask) {
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  const std::string digits = hex ? text.substr(2) : text;
  const char* const allowed = hex ? "0123456789abcdefABCDEF" : "0123456789";
  if (digits.empty() || digits.find_first_not_of(allowed) != std::string::npos) return false;
  const std::size_t first = digits.find_first_not_of('0');
  const std::string number = first == std::string::npos ? "0" : digits.substr(first);
  if (number.size() > 5) return false;
  const unsigned long n = std::stoul(number, nullptr, hex ? 16 : 10);
  mask = static_cast<std::uint32_t>(n);
  return n <= kMaskAll;
}
bool read_profile(const std::string& text, std::uint32_t& mask) {
  mask = text == "C7_SAFE" ? kMaskC7 : text == "V1" ? 0u : kMaskAll;
  return text == "C7_SAFE" || text == "V1" || text == "FULL";
}

// Through long division, not through shifts.
bool read_bytes(const std::string& text, std::size_t& bytes) {
  const std::size_t digits = text.find_first_not_of("0123456789");
  const std::string number = text.substr(0, digits);
  const std::string suffix = digits == std::string::npos ? "" : text.substr(digits);
  if (number.empty() || suffix.size() > 1) return false;
  __extension__ unsigned __int128 n = 0;
  for (const char c : number) {
    n = n * 10 + static_cast<unsigned>(c - '0');
    if (n > ~std::size_t{0}) return false;
  }
  if (!suffix.empty()) {
    const std::size_t power = std::string("kmgt").find(static_cast<char>(suffix[0] | 0x20));
    if (power == std::string::npos) return false;
    for (std::size_t i = 0; i <= power; ++i) n *= 1024;
  }
  bytes = static_cast<std::size_t>(n);
  return n <= ~std::size_t{0};
}

// One complaint is due when it is malformed.
std::size_t expect_bytes(std::size_t which, std::size_t of_cgroup, unsigned& complaints) {
  const Variable& v = g_variables[which];
  std::size_t bytes = 0;
  complaints = 0;
  if (!v.set) return LimitBytes::kNone;
  if (v.value == "cgroup") return of_cgroup;
  complaints = read_bytes(v.value, bytes) ? 0 : 1;
  return complaints != 0 || bytes == 0 ? LimitBytes::kNone : bytes;
}

void expect_limits(const LimitBytes& limits) {
  unsigned for_soft = 0, for_hard = 0;
  const std::size_t hard = expect_bytes(kHard, kCgroupMax, for_hard);
  std::size_t soft = expect_bytes(kSoft, kCgroupHigh, for_soft);
  if (soft > hard) {
    for_soft += soft == LimitBytes::kNone ? 0u : 1u;
    soft = hard;
  }
  require(limits == LimitBytes{soft, hard}, "the limits in force");
  require(g_variables[kSoft].complaints == for_soft, "complaints about the soft limit");
  require(g_variables[kHard].complaints == for_hard, "complaints about the hard limit");
}

bool expect_flag(std::size_t which, bool fallback) {
  const Variable& v = g_variables[which];
  bool flag = fallback;
  const bool good = !v.set || read_flag(v, flag);
  require(v.complaints == (good ? 0 : 1), "complaints about a flag");
  return flag;
}

std::uint32_t expect_mask() {
  std::uint32_t mask = kMaskAll;
  const Variable& profile = g_variables[kProfile];
  const bool good_profile = !profile.set || read_profile(profile.value, mask);
  require(profile.complaints == (good_profile ? 0 : 1), "complaints about the profile");
  const Variable& classes = g_variables[kClasses];
  std::uint32_t explicit_mask = 0;
  const bool good = !classes.set || read_mask(classes.value, explicit_mask);
  require(classes.complaints == (good ? 0 : 1), "complaints about the mask");
  return classes.set && good ? explicit_mask : mask;
}

// A decimal number that is not above `most`; 10 digits hold every one that may be.
bool read_decimal(const std::string& text, long most, long& n) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos) return false;
  const std::size_t first = std::min(text.find_first_not_of('0'), text.size() - 1);
  if (text.size() - first > 10) return false;
  n = std::stol(text);
  return n <= most;
}

void expect_complaints(std::size_t which, bool good) {
  const Variable& v = g_variables[which];
  if (v.complaints != (good || !v.set ? 0u : 1u)) fail(std::string("complaints: ") + kNames[which]);
}

// The number of the name that the variable gives, 0 for none.
template <std::size_t kCount>
std::size_t expect_choice(std::size_t which, const std::array<const char*, kCount>& names) {
  const Variable& v = g_variables[which];
  std::size_t number = v.set ? kCount - 1 : 0;
  while (number != 0 && v.value != names[number]) --number;
  expect_complaints(which, number != 0);
  return number;
}

void expect_memory(const MemoryOptions& memory) {
  constexpr std::array kModes{"", "never", "madvise", "always"};  // as HugePages counts them
  require(static_cast<std::size_t>(memory.huge) == expect_choice(kThp, kModes), "huge pages");
  require((memory.prefault == Prefault::kYes) == expect_flag(kPrefault, false), "prefault");
}

void expect_stats_output(const heap::StatsOutput& stats) {
  constexpr std::array kFormats{"", "text", "json", "prom"};  // as StatsFormat counts them
  require(static_cast<std::size_t>(stats.format) == expect_choice(kFormat, kFormats), "the format");

  const Variable& file = g_variables[kFile];
  long fd = 2;
  const bool is_fd = file.value.starts_with("fd:");
  const bool good = file.set && (is_fd ? read_decimal(file.value.substr(3), 2147483647, fd)
                                       : !file.value.empty());
  if (!good) fd = 2;
  expect_complaints(kFile, good);
  require(stats.fd == fd, "the file descriptor");
  require(good && !is_fd ? stats.file == file.value : stats.file == nullptr, "the file");

  const Variable& signal = g_variables[kSignal];
  long n = 0;
  const bool number_given = read_decimal(signal.value, 64, n);
  expect_complaints(kSignal, stats.signal != 0);
  require(!number_given || stats.signal == n || stats.signal == 0, "another signal");
  require(stats.signal >= 0 && stats.signal <= 64 && stats.signal != 9 && stats.signal != 19 &&
              stats.signal != 11,
          "a signal that cannot be caught");
  if (number_given && (n == 12 || n == 1 || n == 64)) require(stats.signal == n, "the signal");
}

void expect_conduct(const heap::Options& options) {
  require(options.sandboxed == expect_flag(kSandbox, false), "a filter is expected");
  require(options.background == expect_flag(kBackground, false), "the background thread");
  constexpr std::array kSized{"", "abort", "warn", "off"};
  constexpr std::array kOfSized{heap::SizedDelete::kWarn, heap::SizedDelete::kAbort,
                                heap::SizedDelete::kWarn, heap::SizedDelete::kOff};
  require(options.sized_delete == kOfSized[expect_choice(kSizedDelete, kSized)], "sized delete");
  constexpr std::array kBind{"", "drop", "keep"};
  const bool keeps = expect_choice(kDeepBind, kBind) == 2;
  require((options.deep_bind == heap::DeepBind::kKeep) == keeps, "deep binding");
}

}  // namespace
}  // namespace hakmem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hakmem;
  fuzz::read_lines(std::string(reinterpret_cast<const char*>(data), size));
  const heap::SettingsSource source{fuzz::value_of, fuzz::complain, fuzz::cgroup};
  const PolicySnapshot policy = heap::policy_from(source);
  fuzz::expect_limits(heap::limits_from(source));
  const std::uint32_t mask = fuzz::expect_mask();
  const bool enabled = fuzz::expect_flag(fuzz::kEnabled, true);
  fuzz::require(policy.v3_mask() == (enabled ? mask : 0), "the mask in force");
  fuzz::require(policy.count == fuzz::expect_flag(fuzz::kStats, false), "statistics");
  fuzz::require(policy.c6_hot == fuzz::expect_flag(fuzz::kC6Hot, false), "C6 hot");
  fuzz::require(policy.learn == fuzz::expect_flag(fuzz::kLearn, false), "the learner");
  const heap::Options options = heap::options_from(source);
  fuzz::expect_stats_output(options.stats);
  fuzz::expect_memory(options.memory);
  fuzz::expect_conduct(options);
  return 0;
}
