#include "entry/settings.h"

#include <string.h>

#include "pal/cgroup.h"
#include "pal/linux.h"
#include "report/report.h"

namespace hakmem::heap {
namespace {

// Decimal, or hexadecimal after 0x. False when `text` is anything else or exceeds `max`.
bool parse_number(const char* text, std::uint64_t max, std::uint64_t& value) noexcept {
  const bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
  const std::uint64_t base = hex ? 16 : 10;
  if (hex) text += 2;
  if (*text == '\0') return false;
  std::uint64_t n = 0;
  for (; *text != '\0'; ++text) {
    std::uint64_t digit = 99;
    if (*text >= '0' && *text <= '9') digit = static_cast<std::uint64_t>(*text - '0');
    if (*text >= 'a' && *text <= 'f') digit = static_cast<std::uint64_t>(*text - 'a') + 10;
    if (*text >= 'A' && *text <= 'F') digit = static_cast<std::uint64_t>(*text - 'A') + 10;
    if (digit >= base || n > (max - digit) / base) return false;
    n = n * base + digit;
  }
  value = n;
  return true;
}

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

// A decimal number, perhaps with K, M, G or T (powers of 1024, large or small). False when `text`
// is anything else or too large.
bool parse_bytes(const char* text, std::size_t& bytes) noexcept {
  const std::size_t digits = strspn(text, "0123456789");
  std::size_t n = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (__builtin_mul_overflow(n, std::size_t{10}, &n)) return false;
    if (__builtin_add_overflow(n, static_cast<std::size_t>(text[i] - '0'), &n)) return false;
  }
  unsigned shift = 0;
  if (text[digits] != '\0') {
    constexpr const char* kSuffixes = "KMGTkmgt";
    const char* const suffix = strchr(kSuffixes, text[digits]);
    if (suffix == nullptr || text[digits + 1] != '\0') return false;
    shift = static_cast<unsigned>((suffix - kSuffixes) % 4 + 1) * 10;
  }
  if (digits == 0 || n > ~std::size_t{0} >> shift) return false;
  bytes = n << shift;
  return true;
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
