// env_config: any values of the environment variables (src/entry/settings.cc). Every text gives a
// policy; what is well formed is taken as the documentation says, what is not is complained about
// exactly once, with the value that is then really used.
//
// Input: the values of the five variables, one a line; a variable whose line is missing is not set.
#include <array>
#include <string>

#include "entry/settings.h"
#include "fuzz/check.h"

namespace hakmem::fuzz {
namespace {

constexpr std::array<const char*, 5> kNames{"HAKMEM_SMALL_HEAP_V3_ENABLED",
                                            "HAKMEM_SMALL_HEAP_V3_CLASSES", "HAKMEM_SO_V3_STATS",
                                            "HAKMEM_TINY_HEAP_PROFILE", "HAKMEM_TINY_C6_HOT"};
constexpr std::size_t kEnabled = 0, kClasses = 1, kStats = 2, kProfile = 3, kC6Hot = 4;

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

}  // namespace
}  // namespace hakmem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hakmem;
  fuzz::read_lines(std::string(reinterpret_cast<const char*>(data), size));
  const PolicySnapshot policy = heap::policy_from({fuzz::value_of, fuzz::complain});
  const std::uint32_t mask = fuzz::expect_mask();
  const bool enabled = fuzz::expect_flag(fuzz::kEnabled, true);
  fuzz::require(policy.v3_mask() == (enabled ? mask : 0), "the mask in force");
  fuzz::require(policy.count == fuzz::expect_flag(fuzz::kStats, false), "statistics");
  fuzz::require(policy.c6_hot == fuzz::expect_flag(fuzz::kC6Hot, false), "C6 hot");
  return 0;
}
