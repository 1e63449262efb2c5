#include "entry/variables.h"

#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <array>
#include <cstddef>

#include "config/variables.h"
#include "pal/parent.h"
#include "report/report.h"

namespace hakmem::heap {
namespace {

using Name = std::array<char, 256>;  // of a longer one, the beginning is named

void name_if_unknown(const char* variable) noexcept {
  if (strncmp(variable, kVariablePrefix.data(), kVariablePrefix.size()) != 0) return;
  const std::size_t length = unknown_name(variable);
  if (length == 0) return;
  Name name{};
  memcpy(name.data(), variable, length < name.size() ? length : name.size() - 1);
  if (!parent_was_started_with(name.data())) report_unknown_variable(name.data());
}

}  // namespace

// libc has set `environ` up by now, which it has not when the loader first allocates.
[[gnu::constructor(101)]] void name_unknown_variables() noexcept {
  if (getauxval(AT_SECURE) != 0 || environ == nullptr) return;
  for (char** variable = environ; *variable != nullptr; ++variable) name_if_unknown(*variable);
}

}  // namespace hakmem::heap
