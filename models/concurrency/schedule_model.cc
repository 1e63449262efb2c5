// The whole allocator, small geometry, under schedules that are chosen: random programs of two to
// four threads, each under a random walk or PCT, with the oracle of models/schedule/run.h.
//
//   schedule_model [--seed N] [--runs N] [--ops N] [--only PART]
//
// A run that fails is made small, printed with the lines of source at which threads changed, and
// repeated by its seed. Exit status 1 then.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "models/schedule/run.h"

namespace hakmem::schedule {
namespace {

struct Options {
  std::uint64_t seed = 1;
  std::uint64_t runs = 30000;  // of each part
  std::size_t ops = 30;
  std::string only;
};

struct Part {
  const char* name;
  Flavour flavour;
  std::string (*run)(const Program&, const Schedule&);
  bool always = true;  // else only when asked for
};

Schedule schedule_of(std::uint64_t seed) {
  const bool walk = seed % 3 != 0;
  return {seed * 0x9E3779B97F4A7C15u, walk ? Strategy::kRandomWalk : Strategy::kPct,
          1 + static_cast<unsigned>(seed / 3 % 5)};
}

// Whether the program still fails the same way, under one of some schedules; that one.
bool fails(const Part& part, const Program& program, const std::string& how, Schedule& schedule) {
  for (std::uint64_t i = 0; i < 300; ++i) {
    const Schedule tried = i == 0 ? schedule : schedule_of(schedule.seed + i);
    if (part.run(program, tried) == how) {
      schedule = tried;
      return true;
    }
  }
  return false;
}

// Ops are left out, one by one, as long as it fails.
void shrink(const Part& part, Program& program, const std::string& how, Schedule& schedule) {
  for (bool less = true; less;) {
    less = false;
    for (std::size_t t = 0; t < program.threads.size(); ++t) {
      for (std::size_t i = 0; i < program.threads[t].size();) {
        Program without = program;
        without.threads[t].erase(without.threads[t].begin() + static_cast<std::ptrdiff_t>(i));
        if (fails(part, without, how, schedule)) {
          program = without;
          less = true;
        } else {
          ++i;
        }
      }
    }
  }
}

void tell(const Part& part, const Program& program, const Schedule& schedule) {
  print(program);
  Scheduler& scheduler = Scheduler::instance();
  scheduler.remember(true);
  part.run(program, schedule);
  scheduler.remember(false);
  for (const Scheduler::Switch& at : scheduler.switches()) {
    const char* const inside = std::strstr(at.site.file, "src/");
    std::printf("  thread %zu stops at %s:%d\n", at.thread,
                inside != nullptr ? inside : at.site.file, at.site.line);
  }
}

bool explore(const Part& part, const Options& options) {
  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t steps = 0;
  for (std::uint64_t i = 0; i < options.runs; ++i) {
    const std::uint64_t seed = options.seed + i;
    Program program = ProgramMaker(seed, part.flavour).make(options.ops);
    Schedule schedule = schedule_of(seed);
    const std::string wrong = part.run(program, schedule);
    steps += Scheduler::instance().steps();
    if (wrong.empty()) continue;
    std::printf("FAILED: %s: %s (schedule_model --only %s --seed %llu --runs 1)\n", part.name,
                wrong.c_str(), part.name, static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    shrink(part, program, wrong, schedule);
    tell(part, program, schedule);
    return false;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("ok: %s: %llu schedules, %llu steps, %.0f schedules a second\n", part.name,
              static_cast<unsigned long long>(options.runs), static_cast<unsigned long long>(steps),
              static_cast<double>(options.runs) / took.count());
  std::fflush(stdout);
  return true;
}

constexpr Part kParts[] = {
    {"hardened", {false, false}, &Run<Hardened>::of},
    {"perf", {false, false}, &Run<Perf>::of},
    {"misuse", {true, false}, &Run<Hardened>::of},
    {"forks", {false, true}, &Run<Hardened>::of},
};

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
      options.ops = number(argv[i + 1]);
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
  bool right = true;
  for (const Part& part : kParts) {
    if (options.only.empty() ? part.always : options.only == part.name)
      right = explore(part, options) && right;
  }
  return right ? 0 : 1;
}
