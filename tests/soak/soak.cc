// The whole allocator in production geometry on real threads, whose accesses to shared words come
// late now and then (delayed_world.h): short threads that hand blocks to one another over a common
// table, trims, purges, statistics, and forks in the middle of it, whose children free what they
// inherit, allocate, and fork again. Contents are checked at every free, the laws between rounds.
//
//   soak [--minutes N | --rounds N] [--threads N] [--seed N] [--csv FILE]
//
// A line every ten seconds; exit status 1 when something was not right. With --minutes the memory
// of the last quarter has to be within 5 % of the second's.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "config/config.h"
#include "heap/allocator_members.h"
#include "inspect/audit.h"
#include "inspect/memory_statistics.h"
#include "pal/linux.h"
#include "tests/soak/delayed_world.h"

namespace hakmem::soak {
namespace {

struct Delayed : Config<ProductionGeometry, LinuxPlatform, DelayedWorld, kHardenedMitigations> {};
using Heap = Allocator<Delayed>;
using Ctx = Context<Delayed>;

struct Options {
  double minutes = 0;
  std::uint64_t rounds = 30;
  unsigned threads = 4;
  std::uint64_t seed = 1;
  std::string csv;
};

constexpr std::size_t kCells = 4096;
constexpr unsigned kOpsOfAThread = 2000;

Heap g_heap;
std::array<std::atomic<unsigned char*>, kCells> g_cells{};
std::atomic<std::uint64_t> g_ops{0}, g_forks{0}, g_threads{0};

[[noreturn]] void wrong(const char* what) {
  std::fprintf(stderr, "soak: %s\n", what);
  std::fflush(stdout);
  std::_Exit(1);
}

// A block knows its size and its mark, and has the mark in every byte behind that.
struct Head {
  std::uint32_t size;
  std::uint32_t mark;
};

class Thread {
 public:
  explicit Thread(std::uint64_t seed) : rng_(seed) {
    t_delays = Rng(seed * 31 + 7);
    ctx_ = g_heap.attach_context();
    if (ctx_ == nullptr) wrong("no context");
  }
  ~Thread() { g_heap.park_context(*ctx_); }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  void run(unsigned ops, bool forks) {
    for (unsigned i = 0; i < ops; ++i) step(forks);
    g_ops += ops;
  }
  void empty_table() {
    for (auto& cell : g_cells) give(cell.exchange(nullptr));
  }
  Ctx* context() { return ctx_; }

 private:
  void step(bool forks) {
    auto& cell = g_cells[rng_.below(kCells)];
    const std::uint32_t roll = rng_.below(10000);
    if (roll == 0) {
      g_heap.trim(ctx_);
    } else if (roll == 1) {
      g_heap.purge();
    } else if (roll < 4) {
      MemoryStats stats;
      MemoryCounter<Delayed>(g_heap).run(Patience::kWaits, stats);
    } else if (roll == 4 && forks) {
      fork_here();
    } else if (roll < 4000) {
      give(cell.exchange(nullptr));
    } else if (roll < 5000) {
      grow(cell.exchange(nullptr));
    } else {
      give(cell.exchange(make(size())));
    }
  }

  std::size_t size() {
    const std::uint32_t roll = rng_.below(1000);
    if (roll < 900) return sizeof(Head) + rng_.below(1500);
    if (roll < 998) return 1500 + rng_.below(60000);
    return 200000 + rng_.below(400000);
  }
  unsigned char* make(std::size_t n) {
    auto* const p = static_cast<unsigned char*>(rng_.below(4) == 0 ? g_heap.allocate_zeroed(ctx_, n)
                                                                   : g_heap.allocate(ctx_, n));
    if (p == nullptr) wrong("no memory");
    return fill(p, n);
  }
  unsigned char* fill(unsigned char* p, std::size_t n) {
    const Head head = {static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(rng_.next())};
    std::memcpy(p, &head, sizeof head);
    std::memset(p + sizeof head, static_cast<int>(head.mark & 0xFF), n - sizeof head);
    return p;
  }
  static Head checked(const unsigned char* p) {
    Head head;
    std::memcpy(&head, p, sizeof head);
    for (std::size_t i = sizeof head; i < head.size; ++i)
      if (p[i] != (head.mark & 0xFF)) wrong("the contents of a live block have changed");
    return head;
  }
  void give(unsigned char* p) {
    if (p == nullptr) return;
    checked(p);
    g_heap.deallocate(ctx_, p);
  }
  void grow(unsigned char* p) {
    if (p == nullptr) return;
    const Head head = checked(p);
    const std::size_t n = size();
    auto* const q = static_cast<unsigned char*>(g_heap.reallocate(ctx_, p, n));
    if (q == nullptr) wrong("no memory");
    const std::size_t same = head.size < n ? head.size : n;
    for (std::size_t i = sizeof head; i < same; ++i)
      if (q[i] != (head.mark & 0xFF)) wrong("realloc has lost contents");
    give(g_cells[rng_.below(kCells)].exchange(fill(q, n)));
  }

  // The others stop where they are, in the child for good.
  void fork_here() {
    g_heap.fork_prepare(ctx_);
    const pid_t child = ::fork();
    if (child == 0) in_child(1);
    g_heap.fork_parent();
    if (child < 0) return;
    ++g_forks;
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0) wrong("the child of a fork failed");
  }
  [[noreturn]] void in_child(int generations) {
    g_heap.fork_child(ctx_);
    for (unsigned i = 0; i < 200; ++i) step(false);
    if (generations > 0) {
      g_heap.fork_prepare(ctx_);
      const pid_t child = ::fork();
      if (child == 0) in_child(generations - 1);
      g_heap.fork_parent();
      int status = 0;
      if (child > 0 && (waitpid(child, &status, 0) != child || status != 0)) std::_Exit(2);
    }
    std::_Exit(0);
  }

  Rng rng_;
  Ctx* ctx_ = nullptr;
};

void round(const Options& options, std::uint64_t seed) {
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < options.threads; ++t) {
    threads.emplace_back([=] { Thread(seed + t).run(kOpsOfAThread, true); });
  }
  for (std::thread& thread : threads) thread.join();
  g_threads += options.threads;
  const laws::Broken broken = audit(g_heap);
  if (broken != laws::kHolds) wrong((std::string("law ") + broken + " is broken").c_str());
}

double resident_mib() {
  unsigned long pages = 0;
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr || std::fscanf(file, "%*u %lu", &pages) != 1) wrong("no /proc/self/statm");
  std::fclose(file);
  return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1048576;
}

double mean(const std::vector<double>& values, std::size_t quarter) {
  const std::size_t from = values.size() * quarter / 4, to = values.size() * (quarter + 1) / 4;
  double sum = 0;
  for (std::size_t i = from; i < to; ++i) sum += values[i];
  return sum / static_cast<double>(to - from);
}

int run(const Options& options) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  std::FILE* const csv = options.csv.empty() ? nullptr : std::fopen(options.csv.c_str(), "w");
  if (csv != nullptr) std::fprintf(csv, "seconds,operations,threads,forks,resident_mib\n");
  g_heap.init(default_policy());
  std::vector<double> resident;
  double told = 0;
  for (std::uint64_t n = 0;
       options.minutes > 0 ? seconds() < options.minutes * 60 : n < options.rounds; ++n) {
    round(options, options.seed * 1000003 + n * options.threads);
    resident.push_back(resident_mib());
    if (seconds() < told + 10) continue;
    told = seconds();
    std::printf("%6.0f s: %llu operations, %llu threads, %llu forks, %.0f MiB resident\n", told,
                static_cast<unsigned long long>(g_ops.load()),
                static_cast<unsigned long long>(g_threads.load()),
                static_cast<unsigned long long>(g_forks.load()), resident.back());
    std::fflush(stdout);
    if (csv != nullptr)
      std::fprintf(csv, "%.0f,%llu,%llu,%llu,%.1f\n", told,
                   static_cast<unsigned long long>(g_ops.load()),
                   static_cast<unsigned long long>(g_threads.load()),
                   static_cast<unsigned long long>(g_forks.load()), resident.back());
  }
  if (csv != nullptr) std::fclose(csv);
  {
    Thread last(options.seed);
    last.empty_table();
  }
  g_heap.purge();
  MemoryStats stats;
  MemoryCounter<Delayed>(g_heap).run(Patience::kWaits, stats);
  if (stats.allocated() != 0) wrong("blocks are lost");
  const laws::Broken broken = audit(g_heap);
  if (broken != laws::kHolds) wrong("a law is broken after everything was freed");
  std::printf("ok: %llu operations, %llu threads, %llu forks",
              static_cast<unsigned long long>(g_ops.load()),
              static_cast<unsigned long long>(g_threads.load()),
              static_cast<unsigned long long>(g_forks.load()));
  if (options.minutes > 0 && resident.size() >= 8) {
    const double second = mean(resident, 1), last = mean(resident, 3);
    std::printf(", %.1f MiB resident in the second quarter, %.1f in the last", second, last);
    if (last > second * 1.05) wrong("memory grows");
  }
  std::printf("\n");
  return 0;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const char* const value = i + 1 < argc ? argv[++i] : nullptr;
    char* end = nullptr;
    const double number = value == nullptr ? 0 : std::strtod(value, &end);
    if (name == "--csv" && value != nullptr) {
      options.csv = value;
      continue;
    }
    const bool known =
        name == "--minutes" || name == "--rounds" || name == "--threads" || name == "--seed";
    if (!known || value == nullptr || *value == '\0' || *end != '\0' || number < 0) {
      std::fprintf(stderr, "soak: %s %s: not an option and its number\n", name.c_str(),
                   value == nullptr ? "" : value);
      std::exit(2);
    }
    if (name == "--minutes") options.minutes = number;
    if (name == "--rounds") options.rounds = static_cast<std::uint64_t>(number);
    if (name == "--threads") options.threads = static_cast<unsigned>(number);
    if (name == "--seed") options.seed = static_cast<std::uint64_t>(number);
  }
  return options;
}

}  // namespace
}  // namespace hakmem::soak

int main(int argc, char** argv) { return hakmem::soak::run(hakmem::soak::parse(argc, argv)); }
