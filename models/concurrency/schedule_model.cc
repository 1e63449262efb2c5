// The whole allocator, small geometry, under schedules that are chosen, with the oracle of
// models/schedule/run.h: random programs of two to four threads, each under a random walk or PCT;
// and small programs under every schedule that differs (models/schedule/exploration.h).
//
//   schedule_model [--seed N] [--runs N] [--ops N] [--only PART]
//   schedule_model --seconds N [--seed N] [--ops N]     all parts in turns, until one fails
//
// A run that fails is made small, told, and repeated by its seed. Exit status 1 then. Compiled as
// race_model every run also looks for races (models/schedule/clocks.h).
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "models/schedule/exploration.h"
#include "models/schedule/finding.h"
#include "models/schedule/scopes.h"

namespace hakmem::schedule {
namespace {

struct Options {
  std::uint64_t seed = 1;
  std::uint64_t runs = kWatched ? 5000 : 40000;  // of each part
  std::uint64_t ops = 30;
  std::uint64_t seconds = 0;
  std::string only;
};

struct Part {
  const char* name;
  Flavour flavour;
  RunOf run;
  bool for_ever = false;  // in each run a system call takes for ever
};

bool told(const Part& part, const Program& program, const Schedule& schedule,
          const std::string& wrong, const std::string& again) {
  std::printf("FAILED: %s: %s (%s)\n", part.name, wrong.c_str(), again.c_str());
  std::fflush(stdout);
  Finding finding(part.run, program, schedule, wrong);
  finding.shrink();
  finding.tell();
  return false;
}

class Timed {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

bool at_random(const Part& part, const Options& options) {
  const Timed timed;
  std::uint64_t steps = 0;
  for (std::uint64_t i = 0; i < options.runs; ++i) {
    const std::uint64_t seed = options.seed + i;
    // Short ones too: what it takes is rarely more than a few ops, close together.
    const Program program = ProgramMaker(seed, part.flavour).make(6 + seed % (options.ops - 5));
    Schedule schedule = schedule_of(seed);
    if (part.for_ever) schedule.for_ever = 1 + static_cast<std::uint32_t>(seed % 40);
    const std::string wrong = part.run(program, schedule);
    steps += Scheduler::instance().steps();
    if (wrong.empty()) continue;
    return told(
        part, program, schedule, wrong,
        "--only " + std::string(part.name) + " --seed " + std::to_string(seed) + " --runs 1");
  }
  std::printf("ok: %s: %llu schedules, %llu steps, %.0f schedules a second\n", part.name,
              static_cast<unsigned long long>(options.runs), static_cast<unsigned long long>(steps),
              static_cast<double>(options.runs) / timed.seconds());
  std::fflush(stdout);
  return true;
}

bool every(const Part& part, std::uint64_t seconds) {
  const Timed timed;
  std::uint64_t programs = 0, runs = 0, states = 0, cut = 0;
  for (const Program& program : programs_of(part.flavour)) {
    if (seconds != 0 && timed.seconds() > static_cast<double>(seconds)) break;
    ++programs;
    Exploration exploration;
    Schedule schedule;
    schedule.strategy = Strategy::kChosen;
    schedule.chooser = &exploration;
    while (exploration.next()) {
      if (exploration.runs() > kRunsOfOne) {
        ++cut;
        break;
      }
      const std::string wrong = part.run(program, schedule);
      if (wrong.empty()) continue;
      Schedule given = schedule;
      given.strategy = Strategy::kGiven;
      given.chooser = nullptr;
      given.switches = Scheduler::instance().switches();
      return told(part, program, given, wrong, "--only " + std::string(part.name));
    }
    if (exploration.wandered()) {
      std::printf("FAILED: %s: a run took another way than its prefix had\n", part.name);
      print(program);
      return false;
    }
    runs += exploration.runs();
    states += exploration.states();
  }
  std::printf("ok: %s: %llu programs, %llu not to the end, %llu schedules, %llu steps, %.1f s\n",
              part.name, static_cast<unsigned long long>(programs),
              static_cast<unsigned long long>(cut), static_cast<unsigned long long>(runs),
              static_cast<unsigned long long>(states), timed.seconds());
  std::fflush(stdout);
  return true;
}

constexpr Part kAtRandom[] = {
    {"hardened", {false, false}, &Run<Hardened>::of},
    {"perf", {false, false}, &Run<Perf>::of},
    {"forks", {false, true}, &Run<Hardened>::of},
#ifndef HAKMEM_WATCH_RACES  // a block that is freed twice at once is raced for
    {"misuse", {true, false}, &Run<Hardened>::of},
    {"for-ever", {false, false, false}, &Run<Hardened>::of, true},
#endif
};
constexpr Part kEvery[] = {
    {"every", {false, false}, &Run<Hardened>::of},
#ifndef HAKMEM_WATCH_RACES
    {"every-misuse", {true, false}, &Run<Hardened>::of},
#endif
};

// A turn of each part at a time, so that none waits for the others to be through.
bool in_turns(Options options) {
  const Timed timed;
  const auto over = [&] { return timed.seconds() > static_cast<double>(options.seconds); };
  options.runs = kWatched ? 500 : 5000;
  for (bool first = true; !over(); first = false, options.seed += options.runs) {
    for (const Part& part : kAtRandom)
      if (!over() && !at_random(part, options)) return false;
    for (const Part& part : kEvery)
      if (first && !every(part, std::max<std::uint64_t>(1, options.seconds / 6))) return false;
  }
  return true;
}

std::uint64_t number(const char* text) {
  char* end = nullptr;
  const std::uint64_t n = std::strtoull(text, &end, 10);
  if (*text == '\0' || *end != '\0') {
    std::fprintf(stderr, "schedule_model: not a number: %s\n", text);
    std::exit(2);
  }
  return n;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc)
      std::fprintf(stderr, "schedule_model: %s wants a value\n", argv[i]), std::exit(2);
    if (name == "--seed")
      options.seed = number(argv[i + 1]);
    else if (name == "--runs")
      options.runs = number(argv[i + 1]);
    else if (name == "--ops")
      options.ops = std::max<std::uint64_t>(6, number(argv[i + 1]));
    else if (name == "--seconds")
      options.seconds = number(argv[i + 1]);
    else if (name == "--only")
      options.only = argv[i + 1];
    else
      std::fprintf(stderr, "schedule_model: unknown option %s\n", argv[i]), std::exit(2);
  }
  return options;
}

}  // namespace
}  // namespace hakmem::schedule

int main(int argc, char** argv) {
  using namespace hakmem::schedule;
  const Options options = parse(argc, argv);
  if (options.seconds != 0) return in_turns(options) ? 0 : 1;
  bool right = true, any = false;
  const auto wanted = [&](const Part& part) {
    const bool is = options.only.empty() || options.only == part.name;
    any |= is;
    return is;
  };
  for (const Part& part : kAtRandom)
    if (wanted(part)) right = at_random(part, options) && right;
  for (const Part& part : kEvery)  // told of every access they take minutes
    if (!(kWatched && options.only.empty()) && wanted(part)) right = every(part, 0) && right;
  if (!any) std::fprintf(stderr, "schedule_model: no such part: %s\n", options.only.c_str());
  return any && right ? 0 : 1;
}
