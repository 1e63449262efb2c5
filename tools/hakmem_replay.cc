// hakmem-replay: puts a trace to the allocator and the reference model in lockstep.
//
// A recorded trace (HAKMEM_TRACE) is first judged by itself: were the blocks that the process got
// apart from each other, aligned, and each freed once? Then the same calls are made of the
// allocator's own code over a platform in memory, and of the model: every block must come from
// where the model says, by the path it says. A text trace (models/lockstep/ops.h) goes to lockstep at once.
//
// Exit status: 0 no difference, 1 a difference, 2 bad arguments or files.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "models/lockstep/history.h"
#include "models/lockstep/lockstep.h"
#include "models/lockstep/lockstep_configs.h"
#include "models/lockstep/minimise.h"
#include "models/lockstep/recorded_blocks.h"
#include "models/lockstep/trace_file.h"

namespace {

using namespace hakmem;
using model::Trace;

struct RecordedHardened : Config<ProductionGeometry, model::ModelPlatform, StdWorld,
                                 kHardenedMitigations> {
  using Limit = model::WatchedLimit;
};
struct RecordedPerf : Config<ProductionGeometry, model::ModelPlatform, StdWorld, kPerfMitigations> {
  using Limit = model::WatchedLimit;
};

struct Arguments {
  std::vector<std::string> files;
  bool print = false;
  bool perf = false;
  bool minimise = false;
  bool history_only = false;
  std::string config = "SmallHardened";
  unsigned every = 65536;
};

struct Outcome {
  std::string difference;  // empty: none
  std::size_t steps = 0;
};

// Everything is compared every `every` ops and at the end; after each op, that its block came from
// where the model said; the context that acted, sixteen times as often as everything.
template <class C, class Rules>
Outcome in_lockstep(const Trace& ops, unsigned every) {
  model::LockstepOptions options;
  options.compare_every = every;
  options.context_every = every / 16 == 0 ? 1 : every / 16;
  options.audit_every = every;
  model::Lockstep<C, Rules> run(options);
  for (const model::Op& op : ops) {
    if (!run.step(op)) return {run.difference(), run.trace().size()};
  }
  run.finish();
  return {run.difference(), ops.size()};
}

Outcome open_trace(const Trace& ops, const std::string& config) {
  using model::OpenTrace;
  if (config == "SmallHardened") return in_lockstep<model::SmallHardened, OpenTrace>(ops, 1);
  if (config == "SmallPerf") return in_lockstep<model::SmallPerf, OpenTrace>(ops, 1);
  if (config == "ProductionPerf") return in_lockstep<model::ProductionPerf, OpenTrace>(ops, 1);
  return in_lockstep<model::ProductionHardened, OpenTrace>(ops, 1);
}

void show_end(const Trace& ops, std::size_t steps) {
  const std::size_t from = steps > 8 ? steps - 8 : 0;
  for (std::size_t i = from; i < steps && i < ops.size(); ++i) {
    std::printf("  op %zu: %s\n", i + 1, model::text_of(ops[i]).c_str());
  }
}

template <class Run>
void show_minimised(Trace ops, std::size_t steps, const char* config, Run&& run) {
  ops.resize(steps < ops.size() ? steps : ops.size());
  constexpr std::size_t kRuns = 2000;
  const Trace small = model::minimise(
      ops, [&](const Trace& t) { return !run(t).difference.empty(); }, kRuns);
  std::printf("minimised to %zu operations: %s\n%s", small.size(), run(small).difference.c_str(),
              model::cpp_of(small, config).c_str());
}

bool read_file(const std::string& name, std::string& bytes) {
  std::ifstream in(name, std::ios::binary);
  if (!in) return false;
  bytes.assign(std::istreambuf_iterator<char>(in), {});
  return !in.bad();
}

int report(const std::string& name, const Trace& ops, const Outcome& outcome) {
  if (outcome.difference.empty()) return 0;
  std::printf("%s: DIFFERENCE at operation %zu: %s\n", name.c_str(), outcome.steps,
              outcome.difference.c_str());
  show_end(ops, outcome.steps);
  return 1;
}

int replay_text(const std::string& name, const std::string& bytes, const Arguments& arguments) {
  Trace ops;
  const std::string wrong = model::read_text_trace(bytes, ops);
  if (!wrong.empty()) {
    std::fprintf(stderr, "hakmem-replay: %s: %s\n", name.c_str(), wrong.c_str());
    return 2;
  }
  if (arguments.print) std::fputs(model::text_of(ops).c_str(), stdout);
  const auto run = [&](const Trace& t) { return open_trace(t, arguments.config); };
  const Outcome outcome = run(ops);
  const int status = report(name, ops, outcome);
  if (status != 0 && arguments.minimise) {
    show_minimised(ops, outcome.steps, arguments.config.c_str(), run);
  }
  if (status == 0) std::printf("%s: %zu operations, 0 differences\n", name.c_str(), ops.size());
  return status;
}

int replay_recorded(const std::string& name, const std::string& bytes,
                    const Arguments& arguments) {
  const auto start = std::chrono::steady_clock::now();
  trace::Header header{};
  std::vector<trace::Record> records;
  const std::string wrong = model::read_recorded_trace(bytes, header, [&](const trace::Record& r) {
    records.push_back(r);
    return true;
  });
  if (!wrong.empty()) {
    std::fprintf(stderr, "hakmem-replay: %s: %s\n", name.c_str(), wrong.c_str());
    return 2;
  }
  model::History history(header.forked != 0);
  for (const trace::Record& r : records) {
    if (!history.add(r)) break;
  }
  if (!history.broken().empty()) {
    std::printf("%s: DIFFERENCE in what process %u was served: %s\n", name.c_str(), header.process,
                history.broken().c_str());
    return 1;
  }
  const Trace& ops = history.ops();
  if (arguments.print) std::fputs(model::text_of(ops).c_str(), stdout);
  const auto run = [&](const Trace& t) {
    return arguments.perf ? in_lockstep<RecordedPerf, model::RecordedTrace>(t, arguments.every)
                          : in_lockstep<RecordedHardened, model::RecordedTrace>(t, arguments.every);
  };
  const Outcome outcome = arguments.history_only ? Outcome{} : run(ops);
  const int status = report(name, ops, outcome);
  if (status != 0 && arguments.minimise) {
    show_minimised(ops, outcome.steps, arguments.perf ? "RecordedPerf" : "RecordedHardened", run);
  }
  if (status != 0) return status;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("%s: process %u%s: %zu operations, %zu threads, peak %.1f MiB, %llu refused, "
              "%llu inherited, %llu clipped: 0 differences (%.1f s)\n",
              name.c_str(), header.process, header.forked != 0 ? " (forked)" : "", ops.size(),
              history.threads(), static_cast<double>(history.peak_bytes()) / 1048576.0,
              static_cast<unsigned long long>(history.refused()),
              static_cast<unsigned long long>(history.inherited()),
              static_cast<unsigned long long>(history.clipped()), took.count());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Replays allocation traces against the reference model, in lockstep.");
  app.name("hakmem-replay");
  app.add_option("FILE", arguments.files, "traces: recorded by HAKMEM_TRACE, or text")->required();
  app.add_flag("--print", arguments.print, "print each trace as text");
  app.add_flag("--minimise", arguments.minimise, "shrink a failing trace, print it as C++");
  app.add_flag("--perf", arguments.perf, "recorded traces: the perf flavour's code");
  app.add_flag("--history-only", arguments.history_only, "recorded traces: no lockstep");
  app.add_option("--config", arguments.config, "text traces: which allocator")
      ->check(CLI::IsMember({"SmallHardened", "SmallPerf", "ProductionHardened", "ProductionPerf"}));
  app.add_option("--every", arguments.every, "recorded traces: operations between full comparisons")
      ->check(CLI::Range(1u, 1u << 30));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  int status = 0;
  for (const std::string& name : arguments.files) {
    std::string bytes;
    int one = 2;
    if (!read_file(name, bytes)) {
      std::fprintf(stderr, "hakmem-replay: %s: cannot be read\n", name.c_str());
    } else {
      one = model::is_recorded_trace(bytes) ? replay_recorded(name, bytes, arguments)
                                            : replay_text(name, bytes, arguments);
    }
    if (one > status) status = one;
    std::fflush(stdout);
  }
  return status;
}
