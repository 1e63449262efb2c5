// Clocks, samples and the result line: see timing.h.
#include "timing.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <cstdio>

namespace hakmem::bench {
namespace {

uint64_t read_clock_ns(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

int64_t preemptions() {
  rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw;
}

// Peak resident KiB of this process since exec (getrusage would include the parent's).
uint64_t peak_rss_kib() {
  FILE* status = fopen("/proc/self/status", "r");
  if (status == nullptr) return 0;
  char line[256];
  unsigned long long kib = 0;
  while (fgets(line, sizeof line, status) != nullptr) {
    if (sscanf(line, "VmHWM: %llu", &kib) == 1) break;
  }
  fclose(status);
  return kib;
}

// Which library really serves malloc: bench/run checks that it is the one it preloaded.
const char* malloc_library() {
  Dl_info info;
  void* address = reinterpret_cast<void*>(&malloc);
  return dladdr(address, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "unknown";
}

}  // namespace

void Stopwatch::start() {
  preemptions_ = preemptions();
  cpu_ns_ = read_clock_ns(CLOCK_THREAD_CPUTIME_ID);
  start_ns_ = read_clock_ns(CLOCK_MONOTONIC);
}

void Stopwatch::stop() {
  end_ns_ = read_clock_ns(CLOCK_MONOTONIC);
  cpu_ns_ = read_clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns_;
  preemptions_ = preemptions() - preemptions_;
}

uint64_t Stopwatch::running_ns() const { return read_clock_ns(CLOCK_MONOTONIC) - start_ns_; }

bool Stopwatch::disturbed() const {
  const uint64_t wall_ns = end_ns_ - start_ns_;
  return preemptions_ > 0 && cpu_ns_ + wall_ns / 30 < wall_ns;
}

void Stopwatch::forgive_preemption() {
  if (disturbed()) end_ns_ = start_ns_ + cpu_ns_;
}

void Timings::add(const Stopwatch* watches, unsigned threads, uint64_t done, uint64_t planned) {
  uint64_t start_ns = watches[0].start_ns();
  uint64_t end_ns = watches[0].end_ns();
  bool disturbed = false;
  for (unsigned t = 0; t < threads; ++t) {
    if (watches[t].start_ns() < start_ns) start_ns = watches[t].start_ns();
    if (watches[t].end_ns() > end_ns) end_ns = watches[t].end_ns();
    disturbed |= watches[t].disturbed();
  }
  const double scale = static_cast<double>(planned) / static_cast<double>(done);
  const uint64_t ns = static_cast<uint64_t>(static_cast<double>(end_ns - start_ns) * scale);
  if (count_ == 0) first_ns_ = ns;
  samples_[count_++] = {ns, disturbed};
  total_ns_ += ns;
  if (disturbed) return;
  ++calm_count_;
  calm_ns_ += ns;
}

// On a busy machine goes on for up to four times the wanted time to find calm repetitions.
bool Timings::wants_more(const Options& options) const {
  if (options.repetitions != 0) return count_ < options.repetitions;
  const uint64_t wanted_ns = options.time_ms_min * 1000000u;
  return count_ < kRepetitionsMax && calm_ns_ < wanted_ns && total_ns_ < 4 * wanted_ns;
}

// Insertion sort: at most 2000 samples, and it allocates nothing. Calm samples come first.
void Timings::sort() {
  for (unsigned i = 1; i < count_; ++i) {
    const Sample sample = samples_[i];
    unsigned j = i;
    for (; j > 0 && sample.before(samples_[j - 1]); --j) samples_[j] = samples_[j - 1];
    samples_[j] = sample;
  }
}

uint64_t Timings::best_ns() {
  sort();
  return samples_[0].ns;
}

uint64_t Timings::median_ns() {
  sort();
  const unsigned usable = calm_count_ != 0 ? calm_count_ : count_;
  return (samples_[usable / 2].ns + samples_[(usable - 1) / 2].ns) / 2;
}

void print_result(const ResultLine& line, Timings& timings) {
  const double ops = static_cast<double>(line.ops_total) * 1e9;
  const auto number = [](uint64_t value) { return static_cast<unsigned long long>(value); };
  const auto rate = [ops](uint64_t ns) { return ops / static_cast<double>(ns); };
  printf("name=%s op=%s threads=%llu seed=%llu ws=%llu size_min=%llu size_max=%llu ops_total=%llu",
         line.options.name, line.op_meaning, number(line.options.threads),
         number(line.options.seed), number(line.options.working_set), number(line.size_min),
         number(line.size_max), number(line.ops_total));
  printf(" reps=%u disturbed=%u ops_per_sec=%.0f ops_per_sec_best=%.0f ops_per_sec_first=%.0f",
         timings.count(), timings.disturbed_count(), rate(timings.median_ns()),
         rate(timings.best_ns()), rate(timings.first_ns()));
  print_process();
}

void print_process() {
  printf(" peak_rss_kib=%llu malloc=%s\n", static_cast<unsigned long long>(peak_rss_kib()),
         malloc_library());
}

}  // namespace hakmem::bench
