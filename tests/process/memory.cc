// A workload that peaks at PEAK_MIB in many sizes and several threads and then frees everything, in
// part from other threads. What does the process still hold: at once, after the decay time and one
// allocation, after malloc_trim(0)? Runs under any allocator (memory_table.sh); under hakmem it
// checks, and says where the rest is.
// Usage: memory PEAK_MIB exited|alive     whether the threads have ended or sit idle
#include <pthread.h>

#include <thread>
#include <vector>

#include "hakmem/hakmem.h"
#include "hakmem_process.h"

namespace {

using process::check;

constexpr unsigned kThreads = 4;
std::vector<void*> blocks[kThreads];
pthread_barrier_t barrier;

// Half of the bytes in each power of two are alike: many small blocks, few large ones.
std::size_t wide_size(process::Sequence& sequence) {
  static constexpr unsigned kShare[] = {40, 30, 20, 15, 10, 8, 6, 5, 4, 3, 2, 1, 1, 1, 1, 1};
  unsigned pick = sequence.below(148);
  unsigned power = 0;
  while (pick >= kShare[power]) pick -= kShare[power++];
  return (std::size_t{16} << power) + sequence.below(16u << power);
}

void allocate(unsigned thread, std::size_t bytes) {
  process::Sequence sequence(thread + 1);
  for (std::size_t held = 0; held < bytes;) {
    const std::size_t size = wide_size(sequence);
    auto* const p = static_cast<char*>(std::malloc(size));
    check(p != nullptr, "malloc");
    std::memset(p, 1, size);
    blocks[thread].push_back(p);
    held += size;
  }
}

void free_part(unsigned thread, std::size_t part) {
  std::vector<void*>& mine = blocks[thread];
  for (std::size_t i = part; i < mine.size(); i += 3) std::free(mine[i]);
}

// A third of each thread's blocks is freed by itself, a third by its neighbour, a third by main.
void run(unsigned thread, std::size_t bytes) {
  allocate(thread, bytes);
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);  // main has looked at the peak
  free_part(thread, 0);
  free_part((thread + 1) % kThreads, 1);
  pthread_barrier_wait(&barrier);
}

void wait_for_end() { pthread_barrier_wait(&barrier); }

template <class F>
F* symbol(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_DEFAULT, name));
}

// The nearest that each allocator has.
void trim() {
  const auto mimalloc = symbol<void(bool)>("mi_collect");
  const auto tcmalloc = symbol<void()>("MallocExtension_ReleaseFreeMemory");
  const auto jemalloc =
      symbol<int(const char*, void*, std::size_t*, void*, std::size_t)>("mallctl");
  if (mimalloc != nullptr) mimalloc(true);
  if (tcmalloc != nullptr) tcmalloc();
  if (jemalloc != nullptr) jemalloc("arena.4096.purge", nullptr, nullptr, nullptr, 0);
  malloc_trim(0);
}

void print_rest(const char* when) {
  const auto get = symbol<int(hak_stats*)>("hak_stats_get");
  if (get == nullptr) return;
  hak_stats s{};
  s.size = sizeof s;
  get(&s);
  std::fprintf(stderr, "  %s: small %zu KiB, allocated %zu, warm %zu; large %zu, cached %zu\n",
               when, s.small_mapped >> 10, s.small_allocated >> 10, s.small_idle >> 10,
               s.large_mapped >> 10, s.large_idle >> 10);
}

std::size_t after(const char* when) {
  print_rest(when);
  return process::resident_bytes();
}

struct Measured {
  std::size_t base, peak, freed, one_call, decayed, trimmed;
};

Measured measure(std::size_t bytes, bool exited) {
  Measured m{};
  std::vector<std::thread> threads;
  pthread_barrier_init(&barrier, nullptr, kThreads + 1);
  for (auto& list : blocks) list.reserve(bytes / kThreads / 100);
  m.base = process::resident_bytes();
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([=] {
      run(t, bytes / kThreads);
      if (!exited) wait_for_end();
    });
  }
  pthread_barrier_wait(&barrier);
  m.peak = process::resident_bytes();
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  if (exited) {
    for (std::thread& thread : threads) thread.join();
  }
  for (unsigned t = 0; t < kThreads; ++t) free_part(t, 2);
  for (auto& list : blocks) std::vector<void*>().swap(list);
  m.freed = after("freed");
  usleep(600000);
  std::free(std::malloc(100));
  m.one_call = after("0.6 s and one malloc");
  for (unsigned i = 0; i < 3; ++i) {
    usleep(600000);
    std::vector<char>(std::size_t{100000} << i, 'x').clear();
    std::vector<std::string>(1000, std::string(100, 'x')).clear();
  }
  m.decayed = after("1.8 s more and some work");
  trim();
  m.trimmed = after("trimmed");
  if (!exited) {
    wait_for_end();
    for (std::thread& thread : threads) thread.join();
  }
  return m;
}

}  // namespace

int main(int, char** arguments) {
  process::watchdog();
  const auto mib = static_cast<std::size_t>(std::atol(arguments[1]));
  const bool exited = std::strcmp(arguments[2], "exited") == 0;
  const Measured m = measure(mib << 20, exited);
  std::printf("peak %zu freed %zu one_call %zu decayed %zu trimmed %zu MiB (base %zu)\n",
              m.peak >> 20, m.freed >> 20, m.one_call >> 20, m.decayed >> 20, m.trimmed >> 20,
              m.base >> 20);
  if (!process::is_preloaded()) return 0;
  check(m.one_call < m.peak / 20, "after the decay time and one call a twentieth is still held");
  check(m.trimmed < m.peak / 50, "malloc_trim leaves memory behind");
  return 0;
}
