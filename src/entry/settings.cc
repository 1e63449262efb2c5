#include "entry/settings.h"

#include <string.h>

#include "base/parse.h"
#include "pal/cgroup.h"
#include "pal/linux.h"
#include "report/report.h"

namespace hakmem::heap {
namespace {

bool flag(const SettingsSource& source, const char* name, bool fallback) noexcept {
  const char* const text = source.value_of(name);
  if (text == nullptr) return fallback;
  if (strcmp(text, "0") == 0) return false;
  if (strcmp(text, "1") == 0) return true;
  source.complain(name, text, "0 or 1", fallback ? "1" : "0");
  return fallback;
}

std::uint32_t mask_of_profile(const SettingsSource& source) noexcept {
  constexpr const char* kName = "HAKMEM_TINY_HEAP_PROFILE";
  const char* const text = source.value_of(kName);
  if (text == nullptr || strcmp(text, "FULL") == 0) return kMaskAll;
  if (strcmp(text, "C7_SAFE") == 0) return kMaskC7;
  if (strcmp(text, "V1") == 0) return 0;
  source.complain(kName, text, "C7_SAFE, FULL or V1", "FULL");
  return kMaskAll;
}

// An explicit mask wins over the profile.
std::uint32_t class_mask(const SettingsSource& source) noexcept {
  constexpr const char* kName = "HAKMEM_SMALL_HEAP_V3_CLASSES";
  const std::uint32_t profile = mask_of_profile(source);
  const char* const text = source.value_of(kName);
  if (text == nullptr) return profile;
  std::uint64_t mask = 0;
  if (parse_number(text, kMaskAll, mask)) return static_cast<std::uint32_t>(mask);
  source.complain(kName, text, "a mask from 0x0 to 0xFFFF", "the profile's mask");
  return profile;
}

// `file`: what `cgroup` stands for.
std::size_t limit(const SettingsSource& source, const char* name, const char* file) noexcept {
  const char* const text = source.value_of(name);
  if (text == nullptr) return LimitBytes::kNone;
  if (strcmp(text, "cgroup") == 0) return source.cgroup(file);
  std::size_t bytes = 0;
  if (parse_bytes(text, bytes)) return bytes == 0 ? LimitBytes::kNone : bytes;
  source.complain(name, text, "bytes, with K, M, G or T, or cgroup", "no limit");
  return LimitBytes::kNone;
}

}  // namespace

LimitBytes limits_from(const SettingsSource& source) noexcept {
  constexpr const char* kSoft = "HAKMEM_LIMIT_SOFT";
  LimitBytes limits;
  limits.hard = limit(source, "HAKMEM_LIMIT_HARD", "memory.max");
  limits.soft = limit(source, kSoft, "memory.high");
  if (limits.soft > limits.hard) {
    // With no soft limit set, free memory is given back where the hard one begins to refuse.
    if (limits.soft != LimitBytes::kNone) {
      source.complain(kSoft, source.value_of(kSoft), "at most HAKMEM_LIMIT_HARD",
                      "HAKMEM_LIMIT_HARD");
    }
    limits.soft = limits.hard;
  }
  return limits;
}

LimitBytes limits_from_environment() noexcept {
  return limits_from({LinuxPlatform::environment, report_bad_environment,
                      [](const char* file) noexcept { return cgroup_bytes(file); }});
}

PolicySnapshot policy_from(const SettingsSource& source) noexcept {
  PolicySnapshot policy = default_policy();
  const std::uint32_t mask = class_mask(source);
  policy.set_v3_mask(flag(source, "HAKMEM_SMALL_HEAP_V3_ENABLED", true) ? mask : 0);
  policy.count = flag(source, "HAKMEM_SO_V3_STATS", false);
  policy.c6_hot = flag(source, "HAKMEM_TINY_C6_HOT", false);
  policy.learn = flag(source, "HAKMEM_LEARN", false);
  return policy;
}

PolicySnapshot policy_from_environment() noexcept {
  return policy_from({LinuxPlatform::environment, report_bad_environment, nullptr});
}

}  // namespace hakmem::heap
