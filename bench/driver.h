// What the benchmark drivers share: random numbers, options, threads; clocks are in timing.h.
//
// Owner: bench. Knows nothing about any allocator: blocks come from malloc and go to free through
// the PLT, so that whatever library is preloaded is the one measured. Nothing in here allocates
// while a clock runs; tables come from `map_table` (mmap), so that they never mix with the blocks.
// The result is one line of key=value pairs on stdout, which bench/run reads.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hakmem::bench {

inline constexpr unsigned kThreadsMax = 64;

[[noreturn]] void fail(const char* what, const char* detail);

// Pages of zeroes straight from the system, for the driver's own tables.
void* map_table(size_t bytes);
void unmap_table(void* table, size_t bytes);

// A zeroed array in pages of its own.
template <typename T>
class Table {
 public:
  explicit Table(size_t count) : items_(static_cast<T*>(map_table(count * sizeof(T)))) {
    bytes_ = count * sizeof(T);
  }
  ~Table() { unmap_table(items_, bytes_); }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  T& operator[](size_t index) { return items_[index]; }
  T* data() { return items_; }

 private:
  T* items_;
  size_t bytes_;
};

// xorshift64*: a handful of instructions, so that the loop stays a small part of each step.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u | 1u) {}

  uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1Du;
  }

  // Uniform in [0, bound), bound < 2^32.
  uint32_t below(uint64_t bound) { return static_cast<uint32_t>((next() >> 32) * bound >> 32); }

 private:
  uint64_t state_;
};

// The first and the last byte: enough to fault the block in, little enough not to hide the heap.
inline void touch(void* block, size_t bytes) {
  if (__builtin_expect(block == nullptr, 0)) fail("out of memory", "malloc returned NULL");
  volatile char* p = static_cast<volatile char*>(block);
  p[0] = 1;
  p[bytes - 1] = 1;
}

// Threads meet here before and after a timed stretch. Spins, because a futex wake-up takes as long
// as a short run; yields after a while, because there may be more threads than cores.
class Meeting {
 public:
  void set_parties(unsigned parties) { parties_ = parties; }
  void wait();

 private:
  unsigned parties_ = 1;
  unsigned arrived_ = 0;
  unsigned round_ = 0;
};

using WorkerBody = void (*)(void* context, unsigned thread);

// Runs body(context, t) for t in [0, threads); t = 0 is the calling thread, so that a run with one
// thread is a single-threaded process, as most programs are.
void run_on_threads(unsigned threads, WorkerBody body, void* context);

struct Options {
  const char* name = nullptr;
  uint64_t ops = 0;          // 0: the workload's own default
  uint64_t working_set = 0;  // 0: the workload's own default
  uint64_t threads = 1;
  uint64_t seed = 42;
  uint64_t repetitions = 0;  // 0: until time_ms_min is reached
  uint64_t time_ms_min = 150;
  uint64_t seconds = 30;    // of a run that goes on for a time (fragmentation)
  uint64_t live_mib = 128;  // what it keeps in use
  uint64_t cut_ms = 0;      // not 0: a repetition ends after this time, and its rate is that so far
};

Options parse_options(int argc, char** argv);

// The value of an environment variable with a size, or `fallback`; a malformed one costs one line.
uint64_t size_from_environment(const char* variable, uint64_t fallback);

}  // namespace hakmem::bench
