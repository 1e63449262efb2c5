// Fragmentation: what a long-running server holds from the system for each byte that it uses.
//
// Owner: bench. Each thread keeps --live-mib / threads of blocks live and replaces them at random.
// The mix of sizes changes from phase to phase; of each phase a seventh of the blocks stays for
// three phases more, so that old blocks lie scattered among new ones. One block in eight is handed
// to another thread, which frees it. At the end of each phase all threads stand still, and the
// resident set is set against the bytes asked for; the first round of phases is left out. The calls
// of each thread are a function of --seed alone; --seconds says how many rounds are run, two at
// least.
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <new>

#include "driver.h"
#include "timing.h"

namespace hakmem::bench {
namespace {

// Sizes between powers of two, as many blocks in each; one in `large_one_in` is a large one.
struct Phase {
  unsigned log2_min;
  unsigned log2_max;
  unsigned large_one_in;  // 0: none
};

constexpr Phase kPhases[] = {
    {4, 8, 0},       // small: nodes, strings
    {6, 11, 0},      // records
    {10, 15, 0},     // buffers
    {4, 16, 0},      // everything
    {5, 12, 10000},  // requests, and now and then 256 KiB to 4 MiB
    {4, 9, 0},       // small again
};
constexpr unsigned kPhaseCount = sizeof kPhases / sizeof kPhases[0];
constexpr unsigned kStayOneIn = 7;
constexpr unsigned kStayPhases = 3;
constexpr unsigned kHandOverOneIn = 8;
constexpr uint64_t kReplacements = 3;  // bytes allocated in a phase / bytes live
constexpr size_t kMailSlots = 256;
constexpr size_t kSystemPage = 4096;

struct Block {
  void* memory;
  size_t bytes;
};

// A list of blocks of which any can be taken out.
class Pile {
 public:
  // Touched at once: the driver's own memory must not look like the allocator's.
  explicit Pile(size_t capacity) : blocks_(capacity), capacity_(capacity) {
    memset(blocks_.data(), 0, capacity * sizeof(Block));
  }
  void put(const Block& block) {
    if (count_ == capacity_) fail("fragmentation", "more blocks than planned");
    blocks_[count_++] = block;
    bytes_ += block.bytes;
  }
  Block take(size_t at) {
    const Block block = blocks_[at];
    blocks_[at] = blocks_[--count_];
    bytes_ -= block.bytes;
    return block;
  }
  size_t count() const { return count_; }
  uint64_t bytes() const { return bytes_; }

 private:
  Table<Block> blocks_;
  size_t capacity_;
  size_t count_ = 0;
  uint64_t bytes_ = 0;
};

struct Worker {
  Worker(size_t capacity, uint64_t seed)
      : random(seed),
        churned(capacity),
        stay{Pile(capacity / 5), Pile(capacity / 5), Pile(capacity / 5)} {}
  Random random;
  Pile churned;            // replaced at random
  Pile stay[kStayPhases];  // those of the last phases that stay
  uint64_t ops = 0;
};

struct Sums {
  double ratio = 0, live = 0, resident = 0, worst = 0;
  unsigned samples = 0;
};

struct Run {
  Options options;
  uint64_t live_target = 0;  // bytes of one thread, without those that stay
  Worker* workers[kThreadsMax] = {};
  Block mail[kMailSlots] = {};
  unsigned char mail_lock[kMailSlots] = {};
  Meeting meeting;
  uint64_t base_bytes = 0;
  uint64_t start_ns = 0;
  unsigned rounds = 0;
  bool more = true;
  Sums sums;
};

uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

// Without stdio, which allocates.
uint64_t resident_bytes() {
  char text[128] = {};
  const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (read(file, text, sizeof text - 1) <= 0) fail("/proc/self/statm", "cannot be read");
  close(file);
  const char* second = strchr(text, ' ');
  return second == nullptr ? 0 : strtoull(second, nullptr, 10) * kSystemPage;
}

size_t pick_size(const Phase& phase, Random& random) {
  if (phase.large_one_in != 0 && random.below(phase.large_one_in) == 0) {
    return (size_t{256} << 10) + random.below(uint64_t{15} << 18);
  }
  const unsigned log2 = phase.log2_min + random.below(phase.log2_max - phase.log2_min);
  return (size_t{1} << log2) + random.below(uint64_t{1} << log2) + 1;
}

// Every page, as a program that fills its blocks does.
Block make_block(size_t bytes) {
  void* const memory = malloc(bytes);
  touch(memory, bytes);
  volatile char* const p = static_cast<volatile char*>(memory);
  for (size_t at = kSystemPage; at < bytes; at += kSystemPage) p[at] = 1;
  return {memory, bytes};
}

// Leaves the block in a random place that threads share and frees what lies there. The bytes that
// lie there are few and not counted.
void hand_over(Run& run, const Block& block, Random& random) {
  const uint32_t place = random.below(kMailSlots);
  while (__atomic_test_and_set(&run.mail_lock[place], __ATOMIC_ACQUIRE)) {
  }
  const Block found = run.mail[place];
  run.mail[place] = block;
  __atomic_clear(&run.mail_lock[place], __ATOMIC_RELEASE);
  free(found.memory);
}

void free_all(Pile& pile) {
  while (pile.count() != 0) free(pile.take(pile.count() - 1).memory);
}

void live_through(Run& run, Worker& me, unsigned phase_number) {
  const Phase& phase = kPhases[phase_number % kPhaseCount];
  Pile& staying = me.stay[phase_number % kStayPhases];
  free_all(staying);
  for (uint64_t allocated = 0; allocated < kReplacements * run.live_target; ++me.ops) {
    const size_t bytes = pick_size(phase, me.random);
    allocated += bytes;
    me.churned.put(make_block(bytes));
    while (me.churned.bytes() > run.live_target) {
      const Block old = me.churned.take(me.random.below(me.churned.count()));
      if (run.options.threads > 1 && me.random.below(kHandOverOneIn) == 0) {
        hand_over(run, old, me.random);
      } else {
        free(old.memory);
      }
    }
  }
  for (size_t at = me.churned.count(); at-- > 0;) {
    if (me.random.below(kStayOneIn) == 0) staying.put(me.churned.take(at));
  }
}

uint64_t live_bytes(const Run& run) {
  uint64_t bytes = 0;
  for (uint64_t t = 0; t < run.options.threads; ++t) {
    bytes += run.workers[t]->churned.bytes();
    for (const Pile& pile : run.workers[t]->stay) bytes += pile.bytes();
  }
  return bytes;
}

void sample(Run& run) {
  const double live = static_cast<double>(live_bytes(run));
  const double resident = static_cast<double>(resident_bytes() - run.base_bytes);
  Sums& sums = run.sums;
  sums.ratio += resident / live;
  sums.live += live;
  sums.resident += resident;
  if (resident / live > sums.worst) sums.worst = resident / live;
  ++sums.samples;
  if (getenv("HAKMEM_BENCH_PHASES") != nullptr) {
    fprintf(stderr, "live %.1f MiB resident %.1f MiB: %.3f\n", live / 1048576, resident / 1048576,
            resident / live);
  }
}

void work(void* context, unsigned thread) {
  Run& run = *static_cast<Run*>(context);
  Worker& me = *run.workers[thread];
  for (unsigned phase = 0; run.more; ++phase) {
    live_through(run, me, phase);
    run.meeting.wait();
    if (thread == 0) {
      const bool round_ends = phase % kPhaseCount == kPhaseCount - 1;
      if (phase >= kPhaseCount) sample(run);
      run.rounds += round_ends ? 1 : 0;
      const bool time_is_up = now_ns() - run.start_ns >= run.options.seconds * 1000000000u;
      run.more = !round_ends || run.rounds < 2 || !time_is_up;
    }
    run.meeting.wait();
  }
}

void set_up(Run& run) {
  const uint64_t threads = run.options.threads;
  run.live_target = (run.options.live_mib << 20) / threads;
  const size_t capacity = run.live_target / 64 + 4096;  // the smallest mix has 90 bytes a block
  alignas(Worker) static unsigned char storage[kThreadsMax][sizeof(Worker)];
  for (uint64_t t = 0; t < threads; ++t) {
    run.workers[t] = new (storage[t]) Worker(capacity, run.options.seed + t);
  }
  run.meeting.set_parties(static_cast<unsigned>(threads));
  run.start_ns = now_ns();
}

void print(const Run& run) {
  const Sums& sums = run.sums;
  const double n = sums.samples;
  uint64_t ops = 0;
  for (uint64_t t = 0; t < run.options.threads; ++t) ops += run.workers[t]->ops;
  const double seconds = static_cast<double>(now_ns() - run.start_ns) / 1e9;
  printf(
      "name=fragmentation threads=%llu seed=%llu rounds=%u ops_per_sec=%.0f ratio=%.4f "
      "worst=%.4f live_mib=%.1f resident_mib=%.1f",
      static_cast<unsigned long long>(run.options.threads),
      static_cast<unsigned long long>(run.options.seed), run.rounds,
      static_cast<double>(ops) / seconds, sums.ratio / n, sums.worst, sums.live / n / 1048576,
      sums.resident / n / 1048576);
  print_process();
}

}  // namespace
}  // namespace hakmem::bench

int main(int argc, char** argv) {
  using namespace hakmem::bench;
  static Run run;
  run.options = parse_options(argc, argv);
  set_up(run);
  run.base_bytes = resident_bytes();
  run_on_threads(static_cast<unsigned>(run.options.threads), work, &run);
  print(run);
  return 0;
}
