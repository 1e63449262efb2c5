// The environment variables that begin with HAKMEM_ and mean something: to the allocator
// (variables.def), or to the tools beside it, whose programs run on it. tests/link/variables.sh
// compares with what is read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hakmem {

// What each variable may be, under its own name without the prefix. A warning says that a value is
// not `expected` and that `used` is used.
namespace variable {

struct Switch {
  const char* name;
  bool fallback;
};
struct Choice {
  const char* name;
  std::string_view words;  // a blank between two
  const char* fallback;    // one of them, or what is done instead
};
struct Number {
  const char* name;
  std::uint64_t max;
  const char* expected;
  const char* used;
};
struct Value {
  const char* name;
  const char* expected;
  const char* used;
};

#define HAKMEM_SWITCH(name, fallback, meaning) \
  inline constexpr Switch name{"HAKMEM_" #name, (fallback) != 0};
#define HAKMEM_CHOICE(name, words, fallback, meaning) \
  inline constexpr Choice name{"HAKMEM_" #name, words, fallback};
#define HAKMEM_NUMBER(name, max, values, expected, used, meaning) \
  inline constexpr Number name{"HAKMEM_" #name, max, expected, used};
#define HAKMEM_VALUE(name, values, expected, used, meaning) \
  inline constexpr Value name{"HAKMEM_" #name, expected, used};
#define HAKMEM_FILE(name, values, meaning) inline constexpr const char* name = "HAKMEM_" #name;
#include "config/variables.def"

constexpr std::size_t count_of(std::string_view words) noexcept {
  std::size_t n = 1;
  for (const char c : words) n += c == ' ' ? 1 : 0;
  return n;
}
// The number of `word` among them; count_of(words) when it is none.
constexpr std::size_t number_of(std::string_view words, std::string_view word) noexcept {
  std::size_t n = 0;
  for (;; ++n) {
    const std::string_view first = words.substr(0, words.find(' '));
    if (first == word) return n;
    if (first.size() == words.size()) return n + 1;
    words.remove_prefix(first.size() + 1);
  }
}
constexpr bool has_fallback(const Choice& choice) noexcept {
  return number_of(choice.words, choice.fallback) < count_of(choice.words);
}

// "a, b or c", for a warning.
template <const Choice& kChoice>
inline constexpr auto kExpected = [] {
  std::array<char, kChoice.words.size() + 3 * count_of(kChoice.words)> text{};
  const std::size_t last = kChoice.words.rfind(' ');
  std::size_t at = 0;
  for (std::size_t i = 0; i < kChoice.words.size(); ++i) {
    if (kChoice.words[i] != ' ') {
      text[at++] = kChoice.words[i];
    } else {
      for (const char c : std::string_view(i == last ? " or " : ", ")) text[at++] = c;
    }
  }
  return text;
}();

static_assert(number_of("a bc d", "bc") == 1 && number_of("a bc d", "d") == 2);
static_assert(number_of("a bc d", "b") == 3 && number_of("a bc d", "") == 3);

}  // namespace variable

inline constexpr std::string_view kVariablePrefix = "HAKMEM_";

inline constexpr std::string_view kVariables[] = {
#define HAKMEM_VARIABLE(name) "HAKMEM_" #name,
#include "config/variables.def"
    // ./hakmem, benchmarks, fuzzing, seeded bugs, tests
    "HAKMEM_BENCH_EXTRA",
    "HAKMEM_BENCH_MAX_SIZE",
    "HAKMEM_BENCH_MIN_SIZE",
    "HAKMEM_BENCH_PHASES",
    "HAKMEM_BUILD",
    "HAKMEM_FUZZ_BUILD",
    "HAKMEM_HUNT_CONFIG",
    "HAKMEM_JOBS",
    "HAKMEM_OTHER",
    "HAKMEM_SEEDED_BUG",
    "HAKMEM_SO",
    "HAKMEM_SPIN_FREERS",
    "HAKMEM_STATIC"};

// Of "NAME=value", the length of a NAME that begins like ours and is none of them; 0: all is well.
constexpr std::size_t unknown_name(std::string_view variable) noexcept {
  const std::string_view name = variable.substr(0, variable.find('='));
  if (!name.starts_with(kVariablePrefix)) return 0;
  for (const std::string_view known : kVariables) {
    if (name == known) return 0;
  }
  return name.size();
}

static_assert(unknown_name("PATH=/bin") == 0 && unknown_name("HAKMEM_STATS=text") == 0);
static_assert(unknown_name("HAKMEM_STAT=text") == 11 && unknown_name("HAKMEM_") == 7);

}  // namespace hakmem
