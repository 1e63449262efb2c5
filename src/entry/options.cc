#include "entry/options.h"

#include <limits.h>
#include <signal.h>
#include <string.h>

#include <cstddef>

#include "base/parse.h"
#include "entry/read_setting.h"
#include "pal/linux.h"
#include "report/report.h"

namespace hakmem::heap {
namespace {

struct SignalName {
  const char* name;
  int number;
};

// Signals that a program may be sent at any time without having made a mistake.
constexpr SignalName kSignals[] = {
    {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"HUP", SIGHUP},       {"QUIT", SIGQUIT}, {"INT", SIGINT},
    {"TERM", SIGTERM}, {"ALRM", SIGALRM}, {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"IO", SIGIO},
    {"PWR", SIGPWR},   {"URG", SIGURG},   {"WINCH", SIGWINCH},   {"CONT", SIGCONT}};

// Those that cannot be caught, that a fault sends, or that libc keeps to itself (32 and 33).
bool may_be_caught(int number) noexcept {
  constexpr int kNot[] = {0,      SIGKILL, SIGSTOP, SIGILL, SIGTRAP, SIGABRT,
                          SIGBUS, SIGFPE,  SIGSEGV, SIGSYS, 32,      33};
  for (const int not_this : kNot) {
    if (number == not_this) return false;
  }
  return true;
}

bool find_signal(const char* name, int& number) noexcept {
  for (const SignalName& signal : kSignals) {
    if (strcmp(name, signal.name) != 0) continue;
    number = signal.number;
    return true;
  }
  return false;
}

bool parse_signal(const char* text, int& number) noexcept {
  constexpr int kMax = variable::STATS_SIGNAL.max;
  int n = 0;
  const char* const name = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
  if (!find_signal(name, n) && !parse_decimal(text, kMax, n)) return false;
  if (!may_be_caught(n)) return false;
  number = n;
  return true;
}

void read_stats_file(const SettingsSource& source, StatsOutput& stats) noexcept {
  constexpr auto& kVariable = variable::STATS_FILE;
  const char* const text = source.value_of(kVariable.name);
  if (text == nullptr) return;
  if (strncmp(text, "fd:", 3) == 0) {
    if (parse_decimal(text + 3, INT_MAX, stats.fd)) return;
  } else if (*text != '\0') {
    stats.file = text;
    return;
  }
  source.complain(kVariable.name, text, kVariable.expected, kVariable.used);
}

int signal_from(const SettingsSource& source) noexcept {
  constexpr auto& kVariable = variable::STATS_SIGNAL;
  int number = 0;
  const char* const text = source.value_of(kVariable.name);
  if (text != nullptr && !parse_signal(text, number)) {
    source.complain(kVariable.name, text, kVariable.expected, kVariable.used);
  }
  return number;
}

}  // namespace

Options options_from(const SettingsSource& source) noexcept {
  Options options;
  options.stats.format = choose_or<variable::STATS>(
      source, StatsFormat::kNone, {StatsFormat::kText, StatsFormat::kJson, StatsFormat::kProm});
  read_stats_file(source, options.stats);
  options.stats.signal = signal_from(source);
  options.memory.huge = choose_or<variable::THP>(
      source, HugePages::kSystem, {HugePages::kNever, HugePages::kMadvise, HugePages::kAlways});
  options.memory.prefault = is_on(source, variable::PREFAULT) ? Prefault::kYes : Prefault::kNo;
  options.sandboxed = is_on(source, variable::SANDBOX);
  options.sized_delete = choose<variable::SIZED_DELETE>(
      source, {SizedDelete::kAbort, SizedDelete::kWarn, SizedDelete::kOff});
  options.deep_bind = choose<variable::DEEPBIND>(source, {DeepBind::kDrop, DeepBind::kKeep});
  options.background = is_on(source, variable::BACKGROUND);
  return options;
}

Options options_from_environment() noexcept {
  return options_from({LinuxPlatform::environment, report_bad_environment, nullptr});
}

}  // namespace hakmem::heap
