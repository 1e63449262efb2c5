// Runs a suite under Relacy and says what was covered. A model is a plain program: exit status 0
// when every schedule was right and every weakened edge was noticed.
//
//   X_model            everything
//   X_model --plain    without the weakened edges, which only test the test
#pragma once

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <ostream>
#include <streambuf>

#include "models/concurrency/checked_world.h"
#include "report/report.h"

namespace hakmem::checked {

// A thread that found a fault. In production the process ends there; here the thread does, and the
// suite is told.
inline int g_reports = 0;
inline std::jmp_buf* g_stop[8] = {};

// Runs `body`; false when it ended in a report. No destructors run then: none may be pending.
template <class Body>
bool survives(Body&& body) {
  const unsigned thread = rl::thread_index();
  std::jmp_buf stop;
  g_stop[thread] = &stop;
  if (_setjmp(stop) != 0) return false;
  body();
  g_stop[thread] = nullptr;
  return true;
}

[[noreturn]] inline void stop_thread(const char* what) {
  ++g_reports;
  const unsigned thread = rl::thread_index();
  RL_ASSERT(g_stop[thread] != nullptr && what != nullptr);  // a report where none may be
  std::jmp_buf* const stop = g_stop[thread];
  g_stop[thread] = nullptr;
  _longjmp(*stop, 1);
}

// Every suite starts and ends its iterations by this, as its first member.
class Iteration {
 public:
  Iteration() {
    Created::instance().begin_iteration();
    g_reports = 0;
    for (std::jmp_buf*& stop : g_stop) stop = nullptr;
  }
  ~Iteration() { Created::instance().end_iteration(); }
};

// What the checker writes, kept to be shown if it fails. It writes while its own operator new is in
// force, so this must not allocate.
class Story : public std::streambuf {
 public:
  Story() { clear(); }
  void clear() { setp(text_, text_ + sizeof text_); }
  void print() const { std::fwrite(text_, 1, static_cast<std::size_t>(pptr() - text_), stdout); }

 private:
  char text_[std::size_t{4} << 20];
};

class Runner {
 public:
  Runner(int argc, char** argv) : plain_(argc > 1 && std::strcmp(argv[1], "--plain") == 0) {}

  // Every schedule with at most `preemptions` preemptions.
  template <class Suite>
  void every(const char* what, unsigned preemptions) {
    rl::test_params params = bounded(preemptions);
    const bool right = simulate<Suite>(params, story_);
    std::printf("%s: %s: every schedule of up to %u preemptions, %llu iterations\n",
                right ? "ok" : "FAILED", what, preemptions,
                static_cast<unsigned long long>(params.stop_iteration));
    if (!right) story_.print();
    note(right);
  }

  // Random schedules, the same on every run.
  template <class Suite>
  void random(const char* what, unsigned iterations) {
    rl::test_params params = random(iterations);
    const bool right = simulate<Suite>(params, story_);
    std::printf("%s: %s: %u random schedules\n", right ? "ok" : "FAILED", what, iterations);
    if (!right) story_.print();
    note(right);
  }

  // With the order of one side of an edge relaxed, at any one line that has it, the suite must
  // fail.
  template <class Suite>
  void needs(const char* edge, Side side, unsigned preemptions) {
    if (plain_) return;
    g_sites.clear();
    g_weakening = {edge, side, Weakening::kNone};  // at no line: only finds those that cite it
    rl::test_params params = random(kLooksForLines);
    note(simulate<Suite>(params, story_));
    g_weakening = {};
    const char* const name = side == Side::kRelease ? "release" : "acquire";
    if (g_sites.cited() == 0) std::printf("FAILED: no %s cites %s\n", name, edge);
    note(g_sites.cited() != 0);
    for (int site = 0; site < g_sites.cited(); ++site) {
      const auto iteration = fails_at<Suite>({edge, side, site}, preemptions);
      std::printf("%s: %s without %s at %s:%d: %s, iteration %llu\n",
                  iteration != 0 ? "ok" : "FAILED", edge, name, g_sites.line(site).file,
                  g_sites.line(site).line,
                  iteration != 0 ? rl::test_result_str(result_) : "nothing noticed",
                  static_cast<unsigned long long>(iteration));
      note(iteration != 0);
    }
  }

  // A suite that is wrong on purpose, to see that the checker would notice.
  template <class Suite>
  void fails(const char* what, unsigned preemptions) {
    if (plain_) return;
    rl::test_params params = bounded(preemptions);
    const bool right = simulate<Suite>(params, story_);
    std::printf("%s: %s: %s\n", right ? "FAILED" : "ok", what,
                right ? "nothing noticed" : rl::test_result_str(params.test_result));
    note(!right);
  }

  int status() const { return failed_ ? 1 : 0; }

 private:
  static constexpr unsigned kLooksForLines = 20000;

  // The iteration in which the suite fails with that order relaxed; 0 when it does not.
  template <class Suite>
  rl::iteration_t fails_at(Weakening weakening, unsigned preemptions) {
    g_weakening = weakening;
    rl::test_params params = bounded(preemptions);
    const bool right = simulate<Suite>(params, story_);
    g_weakening = {};
    result_ = params.test_result;
    return right ? 0 : params.stop_iteration;
  }

  static rl::test_params bounded(unsigned preemptions) {
    rl::test_params params;
    params.search_type = rl::fair_context_bound_scheduler_type;
    params.context_bound = preemptions;
    return params;
  }
  static rl::test_params random(unsigned iterations) {
    rl::test_params params;
    params.search_type = rl::random_scheduler_type;
    params.iteration_count = iterations;
    return params;
  }
  template <class Suite>
  static bool simulate(rl::test_params& params, Story& story) {
    story.clear();
    std::ostream stream(&story);
    params.progress_stream = params.output_stream = &stream;
    return rl::simulate<Suite>(params);
  }
  void note(bool right) {
    std::fflush(stdout);
    failed_ = failed_ || !right;
  }

  bool plain_;
  bool failed_ = false;
  rl::test_result_e result_ = rl::test_result_success;
  static inline Story story_;
};

}  // namespace hakmem::checked

namespace hakmem {

// The reports of the code under test. Each model program is one translation unit.
void report_fault(const FaultContext& call, const BlockView&) noexcept {
  checked::stop_thread(call.operation);
}
void report_corruption(const char* law, std::uintptr_t) noexcept { checked::stop_thread(law); }
void report_few_mappings(std::size_t, const char*) noexcept {}

}  // namespace hakmem
