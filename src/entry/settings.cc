#include "entry/settings.h"

#include <string.h>

#include "base/parse.h"
#include "entry/read_setting.h"
#include "pal/cgroup.h"
#include "pal/linux.h"
#include "report/report.h"

namespace hakmem::heap {
namespace {

std::uint32_t mask_of_profile(const SettingsSource& source) noexcept {
  return choose<variable::TINY_HEAP_PROFILE>(source, {kMaskC7, kMaskAll, std::uint32_t{0}});
}

// An explicit mask wins over the profile.
std::uint32_t class_mask(const SettingsSource& source) noexcept {
  constexpr auto& kVariable = variable::SMALL_HEAP_V3_CLASSES;
  static_assert(kVariable.max == kMaskAll);
  const std::uint32_t profile = mask_of_profile(source);
  const char* const text = source.value_of(kVariable.name);
  if (text == nullptr) return profile;
  std::uint64_t mask = 0;
  if (parse_number(text, kVariable.max, mask)) return static_cast<std::uint32_t>(mask);
  source.complain(kVariable.name, text, kVariable.expected, kVariable.used);
  return profile;
}

// `file`: what `cgroup` stands for.
std::size_t limit(const SettingsSource& source, const variable::Value& which,
                  const char* file) noexcept {
  const char* const text = source.value_of(which.name);
  if (text == nullptr) return LimitBytes::kNone;
  if (strcmp(text, "cgroup") == 0) return source.cgroup(file);
  std::size_t bytes = 0;
  if (parse_bytes(text, bytes)) return bytes == 0 ? LimitBytes::kNone : bytes;
  source.complain(which.name, text, which.expected, which.used);
  return LimitBytes::kNone;
}

}  // namespace

LimitBytes limits_from(const SettingsSource& source) noexcept {
  constexpr const char* kSoft = variable::LIMIT_SOFT.name;
  LimitBytes limits;
  limits.hard = limit(source, variable::LIMIT_HARD, "memory.max");
  limits.soft = limit(source, variable::LIMIT_SOFT, "memory.high");
  if (limits.soft > limits.hard) {
    // With no soft limit set, free memory is given back where the hard one begins to refuse.
    if (limits.soft != LimitBytes::kNone) {
      source.complain(kSoft, source.value_of(kSoft), "at most HAKMEM_LIMIT_HARD",
                      variable::LIMIT_HARD.name);
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
  policy.set_v3_mask(is_on(source, variable::SMALL_HEAP_V3_ENABLED) ? mask : 0);
  policy.count = is_on(source, variable::SO_V3_STATS);
  policy.c6_hot = is_on(source, variable::TINY_C6_HOT);
  policy.learn = is_on(source, variable::LEARN);
  return policy;
}

PolicySnapshot policy_from_environment() noexcept {
  return policy_from({LinuxPlatform::environment, report_bad_environment, nullptr});
}

}  // namespace hakmem::heap
