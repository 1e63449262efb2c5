// A run that failed: made small in both dimensions, operations and switches, and told as a story
// with a column for each thread.
#pragma once

#include <cstdio>
#include <cstring>
#include <string>

#include "models/schedule/run.h"

namespace hakmem::schedule {

using RunOf = std::string (*)(const Program&, const Schedule&);

inline Schedule schedule_of(std::uint64_t seed) {
  Schedule schedule;
  schedule.seed = seed * 0x9E3779B97F4A7C15u;
  schedule.strategy = seed % 3 != 0 ? Strategy::kRandomWalk : Strategy::kPct;
  schedule.depth = 1 + static_cast<unsigned>(seed / 3 % 5);
  return schedule;
}

class Finding {
 public:
  Finding(RunOf run, Program program, Schedule schedule, std::string how)
      : run_(run),
        program_(std::move(program)),
        schedule_(std::move(schedule)),
        how_(std::move(how)) {}

  void shrink() {
    for (bool less = true; less;) less = drop_ops();
    drop_switches();
  }

  const Program& program() const { return program_; }
  const Schedule& schedule() const { return schedule_; }

  void tell() const {
    print(program_);
    run_(program_, schedule_);
    std::printf("  how: %s\n", how_.c_str());
    if (kWatched && how_ == kRace) std::printf("  %s\n", Clocks::instance().race().c_str());
    const std::size_t columns = program_.threads.size();
    for (std::size_t t = 0; t < columns; ++t)
      std::printf("  %-*s", kColumn, ("thread " + std::to_string(t)).c_str());
    std::printf("\n");
    const auto& switches = Scheduler::instance().switches();
    std::size_t began = 0;
    for (std::size_t i = 0; i <= switches.size(); ++i) {
      for (; began < g_began.size() && g_began[began].switches <= i; ++began) {
        char text[kColumn];
        const Began& at = g_began[began];
        std::snprintf(text, sizeof text, "%s(%u,%u)", name_of(at.op.kind), unsigned{at.op.cell},
                      at.op.size);
        line(columns, at.thread, text);
      }
      if (i == switches.size() || switches[i].thread >= columns) continue;
      char text[kColumn];
      const char* const inside = std::strstr(switches[i].site.file, "src/");
      std::snprintf(text, sizeof text, "  stops at %s:%d",
                    inside != nullptr ? inside + 4 : switches[i].site.file, switches[i].site.line);
      line(columns, switches[i].thread, text);
    }
    std::fflush(stdout);
  }

 private:
  static constexpr int kColumn = 44;

  static void line(std::size_t columns, std::size_t thread, const char* text) {
    for (std::size_t t = 0; t < columns; ++t)
      std::printf("  %-*s", kColumn, t == thread ? text : "");
    std::printf("\n");
  }

  // Whether it still fails the same way, under one of some schedules; that one.
  bool fails(const Program& program) {
    for (std::uint32_t i = 0; i < kTries; ++i) {
      Schedule tried = i == 0 ? schedule_ : schedule_of(schedule_.seed + i);
      tried.for_ever = i % 2 == 0 ? schedule_.for_ever : schedule_.for_ever != 0 ? 1 + i / 2 : 0;
      if (run_(program, tried) != how_) continue;
      schedule_ = std::move(tried);
      return true;
    }
    return false;
  }
  // One by one, as long as it fails.
  bool drop_ops() {
    bool dropped = false;
    for (std::size_t t = 0; t < program_.threads.size(); ++t) {
      for (std::size_t i = 0; i < program_.threads[t].size();) {
        Program without = program_;
        without.threads[t].erase(without.threads[t].begin() + static_cast<std::ptrdiff_t>(i));
        if (fails(without)) {
          program_ = std::move(without);
          dropped = true;
        } else {
          ++i;
        }
      }
    }
    return dropped;
  }
  void drop_switches() {
    run_(program_, schedule_);
    Schedule given = schedule_;
    given.strategy = Strategy::kGiven;
    given.chooser = nullptr;
    given.switches = Scheduler::instance().switches();
    if (run_(program_, given) != how_) return;
    for (std::size_t i = given.switches.size(); i-- > 0;) {
      Schedule without = given;
      without.switches.erase(without.switches.begin() + static_cast<std::ptrdiff_t>(i));
      if (run_(program_, without) == how_) given = std::move(without);
    }
    schedule_ = std::move(given);
  }

  static constexpr std::uint32_t kTries = 300;

  RunOf run_;
  Program program_;
  Schedule schedule_;
  std::string how_;
};

}  // namespace hakmem::schedule
