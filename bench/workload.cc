// The source design's workloads: working-set churn over a range of sizes.
//
// Owner: bench. A working set of `ws` slots is filled; then each step picks a pseudo-random slot,
// frees its block, allocates a new one of a uniformly random size and touches its first and last
// byte. One op is one such step: one free and one malloc. `--ops` is per thread; ops/s counts all
// threads. The clock runs around the steps alone, not around filling and draining; repetitions
// start from a drained heap. HAKMEM_BENCH_MIN_SIZE and HAKMEM_BENCH_MAX_SIZE override the sizes.
#include <stdlib.h>

#include <cstdio>
#include <cstring>

#include "driver.h"
#include "timing.h"

namespace hakmem::bench {
namespace {

struct Workload {
  const char* name;
  uint64_t size_min;
  uint64_t size_max;
};

constexpr Workload kWorkloads[] = {
    {"mixed", 16, 1024},
    {"c6_heavy", 257, 768},
    {"c7_only", 1024, 1024},
    {"mid_large", 1024, 32768},
};

constexpr uint64_t kOpsDefault = 1000000;
constexpr uint64_t kWorkingSetDefault = 400;

struct Run {
  Options options;
  Workload workload;
  Meeting meeting;
  Timings timings;
  bool more = true;
  Stopwatch watches[kThreadsMax];
  uint64_t done[kThreadsMax] = {};  // ops of each thread in this repetition
};

void churn(void** slots, uint64_t slot_count, uint64_t ops, const Workload& workload,
           Random& random) {
  const uint64_t span = workload.size_max - workload.size_min + 1;
  for (uint64_t op = 0; op < ops; ++op) {
    const uint64_t bits = random.next();
    const uint64_t slot = (bits >> 32) * slot_count >> 32;
    const size_t size = workload.size_min + ((bits & 0xFFFFFFFFu) * span >> 32);
    free(slots[slot]);
    void* block = malloc(size);
    touch(block, size);
    slots[slot] = block;
  }
}

void fill(void** slots, uint64_t slot_count, const Workload& workload, Random& random) {
  const uint64_t span = workload.size_max - workload.size_min + 1;
  for (uint64_t slot = 0; slot < slot_count; ++slot) {
    const size_t size = workload.size_min + random.below(span);
    slots[slot] = malloc(size);
    touch(slots[slot], size);
  }
}

void drain(void** slots, uint64_t slot_count) {
  for (uint64_t slot = 0; slot < slot_count; ++slot) free(slots[slot]);
}

// The timed stretch of one thread. In chunks, so that a very slow allocator can be cut.
void churn_timed(Run& run, unsigned thread, void** slots, Random& random) {
  constexpr uint64_t kChunk = 1 << 16;
  const Options& options = run.options;
  Stopwatch& watch = run.watches[thread];
  uint64_t done = 0;
  watch.start();
  while (done < options.ops) {
    const uint64_t chunk = options.ops - done < kChunk ? options.ops - done : kChunk;
    churn(slots, options.working_set, chunk, run.workload, random);
    done += chunk;
    if (options.cut_ms != 0 && watch.running_ns() > options.cut_ms * 1000000u) break;
  }
  watch.stop();
  run.done[thread] = done;
}

void record(Run& run) {
  uint64_t done = 0;
  if (run.options.threads == 1) run.watches[0].forgive_preemption();
  for (unsigned t = 0; t < run.options.threads; ++t) done += run.done[t];
  run.timings.add(run.watches, static_cast<unsigned>(run.options.threads), done,
                  run.options.ops * run.options.threads);
  run.more = run.timings.wants_more(run.options);
}

void worker(void* context, unsigned thread) {
  Run& run = *static_cast<Run*>(context);
  const uint64_t slot_count = run.options.working_set;
  Table<void*> table(slot_count);
  void** slots = table.data();
  Random random(run.options.seed + thread);
  while (run.more) {
    fill(slots, slot_count, run.workload, random);
    run.meeting.wait();
    churn_timed(run, thread, slots, random);
    run.meeting.wait();
    if (thread == 0) record(run);
    run.meeting.wait();
    drain(slots, slot_count);
  }
}

const Workload& find_workload(const char* name) {
  for (const Workload& workload : kWorkloads) {
    if (strcmp(workload.name, name) == 0) return workload;
  }
  fail("unknown workload (known: mixed, c6_heavy, c7_only, mid_large)", name);
}

Workload with_bounds_from_environment(Workload workload) {
  const Workload defaults = workload;
  workload.size_min = size_from_environment("HAKMEM_BENCH_MIN_SIZE", defaults.size_min);
  workload.size_max = size_from_environment("HAKMEM_BENCH_MAX_SIZE", defaults.size_max);
  if (workload.size_min <= workload.size_max) return workload;
  const auto number = [](uint64_t value) { return static_cast<unsigned long long>(value); };
  fprintf(stderr,
          "hakmem: warning: HAKMEM_BENCH_MIN_SIZE..HAKMEM_BENCH_MAX_SIZE=\"%llu..%llu\" is not a "
          "range of sizes; using %llu..%llu\n",
          number(workload.size_min), number(workload.size_max), number(defaults.size_min),
          number(defaults.size_max));
  return defaults;
}

int workload_main(int argc, char** argv) {
  static Run run;  // static: too large for a stack, and the heap belongs to the blocks
  run.options = parse_options(argc, argv);
  run.workload = with_bounds_from_environment(find_workload(run.options.name));
  if (run.options.ops == 0) run.options.ops = kOpsDefault;
  if (run.options.working_set == 0) run.options.working_set = kWorkingSetDefault;
  const unsigned threads = static_cast<unsigned>(run.options.threads);
  run.meeting.set_parties(threads);
  run_on_threads(threads, worker, &run);
  print_result({.options = run.options,
                .op_meaning = "free+malloc",
                .ops_total = run.options.ops * run.options.threads,
                .size_min = run.workload.size_min,
                .size_max = run.workload.size_max},
               run.timings);
  return 0;
}

}  // namespace
}  // namespace hakmem::bench

int main(int argc, char** argv) { return hakmem::bench::workload_main(argc, argv); }
