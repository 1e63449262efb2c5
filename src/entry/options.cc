#include "entry/options.h"

#include <limits.h>
#include <signal.h>
#include <string.h>

#include <cstddef>

#include "base/parse.h"
#include "pal/linux.h"
#include "report/report.h"

namespace hakmem::heap {
namespace {

template <class Value>
struct Choice {
  const char* name;
  Value value;
};

// The value that `text` names. False: none.
template <class Value, std::size_t kCount>
bool find(const Choice<Value> (&choices)[kCount], const char* text, Value& value) noexcept {
  for (const Choice<Value>& choice : choices) {
    if (strcmp(text, choice.name) != 0) continue;
    value = choice.value;
    return true;
  }
  return false;
}

constexpr Choice<StatsFormat> kFormats[] = {
    {"text", StatsFormat::kText}, {"json", StatsFormat::kJson}, {"prom", StatsFormat::kProm}};

constexpr Choice<HugePages> kHugePages[] = {
    {"never", HugePages::kNever}, {"madvise", HugePages::kMadvise}, {"always", HugePages::kAlways}};
constexpr Choice<bool> kSwitch[] = {{"0", false}, {"1", true}};
constexpr Choice<Prefault> kPrefault[] = {{"0", Prefault::kNo}, {"1", Prefault::kYes}};

constexpr Choice<SizedDelete> kSizedDelete[] = {
    {"abort", SizedDelete::kAbort}, {"warn", SizedDelete::kWarn}, {"off", SizedDelete::kOff}};
constexpr Choice<DeepBind> kDeepBind[] = {{"drop", DeepBind::kDrop}, {"keep", DeepBind::kKeep}};

// Signals that a program may be sent at any time without having made a mistake.
constexpr Choice<int> kSignals[] = {
    {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"HUP", SIGHUP},       {"QUIT", SIGQUIT}, {"INT", SIGINT},
    {"TERM", SIGTERM}, {"ALRM", SIGALRM}, {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"IO", SIGIO},
    {"PWR", SIGPWR},   {"URG", SIGURG},   {"WINCH", SIGWINCH},   {"CONT", SIGCONT}};

constexpr int kSignalMax = 64;

// Those that cannot be caught, that a fault sends, or that libc keeps to itself (32 and 33).
bool may_be_caught(int number) noexcept {
  constexpr int kNot[] = {0,      SIGKILL, SIGSTOP, SIGILL, SIGTRAP, SIGABRT,
                          SIGBUS, SIGFPE,  SIGSEGV, SIGSYS, 32,      33};
  for (const int not_this : kNot) {
    if (number == not_this) return false;
  }
  return true;
}

bool parse_signal(const char* text, int& number) noexcept {
  int n = 0;
  const char* const name = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
  if (!find(kSignals, name, n) && !parse_decimal(text, kSignalMax, n)) return false;
  if (!may_be_caught(n)) return false;
  number = n;
  return true;
}

// The value that the variable names; `fallback`, called `used`, when it is not set or names none.
template <class Value, std::size_t kCount>
Value choose(const SettingsSource& source, const char* variable,
             const Choice<Value> (&choices)[kCount], const char* expected, Value fallback,
             const char* used) noexcept {
  const char* const text = source.value_of(variable);
  Value value = fallback;
  if (text != nullptr && !find(choices, text, value)) {
    source.complain(variable, text, expected, used);
  }
  return value;
}

void read_stats_file(const SettingsSource& source, StatsOutput& stats) noexcept {
  constexpr const char* kName = "HAKMEM_STATS_FILE";
  const char* const text = source.value_of(kName);
  if (text == nullptr) return;
  if (strncmp(text, "fd:", 3) == 0) {
    if (parse_decimal(text + 3, INT_MAX, stats.fd)) return;
  } else if (*text != '\0') {
    stats.file = text;
    return;
  }
  source.complain(kName, text, "a file name or fd:N", "stderr");
}

int signal_from(const SettingsSource& source) noexcept {
  constexpr const char* kName = "HAKMEM_STATS_SIGNAL";
  int number = 0;
  const char* const text = source.value_of(kName);
  if (text != nullptr && !parse_signal(text, number)) {
    source.complain(kName, text, "a signal that may be caught, such as USR2 or 12", "no signal");
  }
  return number;
}

}  // namespace

Options options_from(const SettingsSource& source) noexcept {
  Options options;
  options.stats.format = choose(source, "HAKMEM_STATS", kFormats, "text, json or prom",
                                StatsFormat::kNone, "none of them");
  read_stats_file(source, options.stats);
  options.stats.signal = signal_from(source);
  options.memory.huge = choose(source, "HAKMEM_THP", kHugePages, "never, madvise or always",
                               HugePages::kSystem, "the system's setting");
  options.memory.prefault =
      choose(source, "HAKMEM_PREFAULT", kPrefault, "0 or 1", Prefault::kNo, "0");
  options.sandboxed = choose(source, "HAKMEM_SANDBOX", kSwitch, "0 or 1", false, "0");
  options.sized_delete = choose(source, "HAKMEM_SIZED_DELETE", kSizedDelete, "abort, warn or off",
                                SizedDelete::kWarn, "warn");
  options.deep_bind =
      choose(source, "HAKMEM_DEEPBIND", kDeepBind, "drop or keep", DeepBind::kDrop, "drop");
  options.background = choose(source, "HAKMEM_BACKGROUND", kSwitch, "0 or 1", false, "0");
  return options;
}

Options options_from_environment() noexcept {
  return options_from({LinuxPlatform::environment, report_bad_environment, nullptr});
}

}  // namespace hakmem::heap
