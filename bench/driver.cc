// The shared half of the benchmark drivers: see driver.h.
#include "driver.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace hakmem::bench {
namespace {

constexpr unsigned kSpinsBeforeYield = 20000;

struct Worker {
  WorkerBody body;
  void* context;
  unsigned thread;
};

void* worker_main(void* argument) {
  const Worker* worker = static_cast<const Worker*>(argument);
  worker->body(worker->context, worker->thread);
  return nullptr;
}

bool parse_number(const char* text, uint64_t* value) {
  if (text[0] < '0' || text[0] > '9') return false;
  errno = 0;
  char* end = nullptr;
  *value = strtoull(text, &end, 10);
  return errno == 0 && *end == '\0';
}

uint64_t* option_target(Options* options, const char* name) {
  if (strcmp(name, "--ops") == 0) return &options->ops;
  if (strcmp(name, "--ws") == 0) return &options->working_set;
  if (strcmp(name, "--threads") == 0) return &options->threads;
  if (strcmp(name, "--seed") == 0) return &options->seed;
  if (strcmp(name, "--reps") == 0) return &options->repetitions;
  if (strcmp(name, "--min-time-ms") == 0) return &options->time_ms_min;
  if (strcmp(name, "--cut-ms") == 0) return &options->cut_ms;
  if (strcmp(name, "--seconds") == 0) return &options->seconds;
  if (strcmp(name, "--live-mib") == 0) return &options->live_mib;
  return nullptr;
}

}  // namespace

void fail(const char* what, const char* detail) {
  fprintf(stderr, "bench: error: %s: %s\n", what, detail);
  exit(2);
}

void* map_table(size_t bytes) {
  void* table = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (table == MAP_FAILED) fail("mmap", strerror(errno));
  return table;
}

void unmap_table(void* table, size_t bytes) { munmap(table, bytes); }

void Meeting::wait() {
  const unsigned round = __atomic_load_n(&round_, __ATOMIC_ACQUIRE);
  if (__atomic_add_fetch(&arrived_, 1, __ATOMIC_ACQ_REL) == parties_) {
    __atomic_store_n(&arrived_, 0, __ATOMIC_RELAXED);  // published by the release below
    __atomic_store_n(&round_, round + 1, __ATOMIC_RELEASE);
    return;
  }
  for (unsigned spins = 0; __atomic_load_n(&round_, __ATOMIC_ACQUIRE) == round; ++spins) {
    if (spins >= kSpinsBeforeYield) sched_yield();
  }
}

void run_on_threads(unsigned threads, WorkerBody body, void* context) {
  pthread_t handles[kThreadsMax];
  Worker workers[kThreadsMax];
  for (unsigned t = 1; t < threads; ++t) {
    workers[t] = {body, context, t};
    if (pthread_create(&handles[t], nullptr, worker_main, &workers[t]) != 0) {
      fail("pthread_create", strerror(errno));
    }
  }
  body(context, 0);
  for (unsigned t = 1; t < threads; ++t) pthread_join(handles[t], nullptr);
}

Options parse_options(int argc, char** argv) {
  Options options;
  if (argc < 2) fail("usage", "NAME [--ops N] [--ws N] [--threads N] [--seed N] [--reps N]");
  options.name = argv[1];
  for (int i = 2; i < argc; i += 2) {
    uint64_t* target = option_target(&options, argv[i]);
    if (target == nullptr) fail("unknown option", argv[i]);
    if (i + 1 >= argc || !parse_number(argv[i + 1], target)) fail("needs a number", argv[i]);
  }
  if (options.threads < 1 || options.threads > kThreadsMax) fail("--threads", "not in 1..64");
  if (options.repetitions > 2000) fail("--reps", "more than 2000");
  return options;
}

uint64_t size_from_environment(const char* variable, uint64_t fallback) {
  constexpr uint64_t kSizeMax = uint64_t{1} << 30;
  const char* text = getenv(variable);
  uint64_t value = 0;
  if (text == nullptr) return fallback;
  if (parse_number(text, &value) && value >= 1 && value <= kSizeMax) return value;
  fprintf(stderr, "hakmem: warning: %s=\"%s\" is not a size from 1 to %llu; using %llu\n", variable,
          text, static_cast<unsigned long long>(kSizeMax),
          static_cast<unsigned long long>(fallback));
  return fallback;
}

}  // namespace hakmem::bench
