// Reads one variable of the environment, as config/variables.def says what it may be. A value that
// is malformed is reported in one line, and the fallback used.
#pragma once

#include <string.h>

#include <cstddef>

#include "config/variables.h"
#include "entry/settings.h"

namespace hakmem::heap {

inline bool is_on(const SettingsSource& source, const variable::Switch& which) noexcept {
  const char* const text = source.value_of(which.name);
  if (text == nullptr) return which.fallback;
  if (strcmp(text, "0") == 0) return false;
  if (strcmp(text, "1") == 0) return true;
  source.complain(which.name, text, "0 or 1", which.fallback ? "1" : "0");
  return which.fallback;
}

// The value beside the word that the variable says, `fallback` when it says none.
template <const variable::Choice& kChoice, class Value, std::size_t kCount>
Value choose_or(const SettingsSource& source, Value fallback,
                const Value (&values)[kCount]) noexcept {
  static_assert(kCount == variable::count_of(kChoice.words));
  const char* const text = source.value_of(kChoice.name);
  if (text == nullptr) return fallback;
  const std::size_t number = variable::number_of(kChoice.words, text);
  if (number < kCount) return values[number];
  source.complain(kChoice.name, text, variable::kExpected<kChoice>.data(), kChoice.fallback);
  return fallback;
}
// The same where the fallback is one of the words.
template <const variable::Choice& kChoice, class Value, std::size_t kCount>
Value choose(const SettingsSource& source, const Value (&values)[kCount]) noexcept {
  static_assert(variable::has_fallback(kChoice));
  return choose_or<kChoice>(source, values[variable::number_of(kChoice.words, kChoice.fallback)],
                            values);
}

}  // namespace hakmem::heap
