// Clocks and samples of the benchmark drivers.
//
// A shared machine preempts: a repetition in which a thread lost the processor measures the
// neighbours, not the allocator. So each timed stretch also reads the thread's processor time and
// its involuntary context switches; a repetition that lost more than a thirtieth is `disturbed`,
// and the median and the best are taken over the undisturbed ones as long as there are any.
#pragma once

#include <cstdint>

#include "driver.h"

namespace hakmem::bench {

inline constexpr unsigned kRepetitionsMax = 2000;

// One thread's timed stretch. The wall clock is read last at the start and first at the end.
class Stopwatch {
 public:
  void start();
  void stop();
  uint64_t start_ns() const { return start_ns_; }
  uint64_t end_ns() const { return end_ns_; }
  uint64_t running_ns() const;
  bool disturbed() const;
  // Takes the time others ran in out of a disturbed stretch. Right only for a thread that never
  // waits, and a single-threaded workload never does.
  void forgive_preemption();

 private:
  uint64_t start_ns_ = 0;
  uint64_t end_ns_ = 0;
  uint64_t cpu_ns_ = 0;
  int64_t preemptions_ = 0;
};

class Timings {
 public:
  // From the first thread's start to the last thread's end; `done` of `planned` ops were reached,
  // and a repetition that was cut counts as if it had gone on at the same rate.
  void add(const Stopwatch* watches, unsigned threads, uint64_t done, uint64_t planned);
  bool wants_more(const Options& options) const;
  unsigned count() const { return count_; }
  unsigned disturbed_count() const { return count_ - calm_count_; }
  uint64_t first_ns() const { return first_ns_; }
  uint64_t best_ns();
  uint64_t median_ns();

 private:
  void sort();
  struct Sample {
    uint64_t ns;
    bool disturbed;
    bool before(const Sample& other) const {
      return disturbed != other.disturbed ? other.disturbed : ns < other.ns;
    }
  };
  Sample samples_[kRepetitionsMax] = {};
  uint64_t first_ns_ = 0;
  uint64_t total_ns_ = 0;
  uint64_t calm_ns_ = 0;
  unsigned count_ = 0;
  unsigned calm_count_ = 0;
};

struct ResultLine {
  const Options& options;
  const char* op_meaning;  // what one op is, in a few words
  uint64_t ops_total;      // of all threads, in one repetition
  uint64_t size_min;
  uint64_t size_max;
};

void print_result(const ResultLine& line, Timings& timings);

// What every result line ends in: the peak of the resident set, and whose malloc it was.
void print_process();

}  // namespace hakmem::bench
